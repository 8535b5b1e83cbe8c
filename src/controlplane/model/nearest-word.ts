/** "Did you mean": the word that somebody most likely wanted to write. */

/** Swaps of neighbours, and characters more, less or other, in one word. */
const mostEdits = 3

/** The nearest of some words; null when none is near: a third of the word may be wrong, and no more than three characters. */
export function nearestWord(word: string, known: Iterable<string>): string | null {
  let nearest: string | null = null
  let fewest = Math.min(mostEdits, Math.ceil(word.length / 3)) + 1
  for (const each of known) {
    if (Math.abs(each.length - word.length) >= fewest) continue
    const found = edits(word.toLowerCase(), each.toLowerCase(), fewest)
    if (found < fewest) [fewest, nearest] = [found, each]
  }
  return nearest
}

/** Optimal string alignment distance: that of Levenshtein, with neighbours that changed places as one edit. From `enough` on it does not matter how much. */
function edits(a: string, b: string, enough: number): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  let leastAbove = 0
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const other = a[row - 1] === b[column - 1] ? 0 : 1
      let least = Math.min(above[column]! + 1, line[column - 1]! + 1, above[column - 1]! + other)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, before[column - 2]! + 1)
      line.push(least)
    }
    const leastHere = Math.min(...line)
    // What follows comes of these two lines, by an edit when it comes of the upper one.
    if (leastHere >= enough && leastAbove + 1 >= enough) return enough
    leastAbove = leastHere
    ;[before, above] = [above, line]
  }
  return above[b.length]!
}
