/** "Did you mean": the word that somebody most likely wanted to write. */

/** Swaps of neighbours, and characters more, less or other, in one word. */
const mostEdits = 3

/** The nearest of some words; null when none is near: a third of the word may be wrong, and no more than three characters. */
export function nearestWord(word: string, known: Iterable<string>): string | null {
  let nearest: string | null = null
  let fewest = Math.min(mostEdits, Math.ceil(word.length / 3)) + 1
  for (const each of known) {
    if (Math.abs(each.length - word.length) >= fewest) continue
    const found = edits(word.toLowerCase(), each.toLowerCase())
    if (found < fewest) [fewest, nearest] = [found, each]
  }
  return nearest
}

/** Optimal string alignment distance: that of Levenshtein, with neighbours that changed places as one edit. */
function edits(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const other = a[row - 1] === b[column - 1] ? 0 : 1
      let least = Math.min(above[column]! + 1, line[column - 1]! + 1, above[column - 1]! + other)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, before[column - 2]! + 1)
      line.push(least)
    }
    ;[before, above] = [above, line]
  }
  return above[b.length]!
}
