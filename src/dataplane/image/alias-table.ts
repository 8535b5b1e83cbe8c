/**
 * Walker's alias table: one random column and one random height choose an entry by weight in constant time, however many there
 * are. Two words an entry: the height below which the column's own entry is taken, and the other one.
 */
const aliasWords = 2

/**
 * Vose's construction ("A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991): pairs a
 * column that is too low with one that is too high, until all are level. Heights are scaled to 2^32 - 1.
 */
export function aliasTable(weights: readonly number[]): Uint32Array {
  const count = weights.length
  const table = new Uint32Array(count * aliasWords)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const heights = weights.map((weight) => (weight * count) / total)
  const low = heights.flatMap((height, column) => (height < 1 ? [column] : []))
  const high = heights.flatMap((height, column) => (height < 1 ? [] : [column]))
  for (;;) {
    const column = low.pop()
    const donor = high.at(-1)
    if (column === undefined || donor === undefined) break
    table[column * aliasWords] = Math.round(heights[column]! * 0xffff_ffff)
    table[column * aliasWords + 1] = donor
    heights[donor]! -= 1 - heights[column]!
    if (heights[donor]! < 1) low.push(high.pop()!)
    // What rounding leaves over in either list is a full column, which the loop below writes.
    heights[column] = -1
  }
  for (let column = 0; column < count; column++) {
    if (heights[column]! < 0) continue
    table[column * aliasWords] = 0xffff_ffff
    table[column * aliasWords + 1] = column
  }
  return table
}

/** The entry in `column` (0..count-1) of the table at `at`, at `height`, a random 32-bit number. */
export function aliasAt(words: Uint32Array, at: number, column: number, height: number): number {
  const entry = at + column * aliasWords
  return height <= words[entry]! ? column : words[entry + 1]!
}

/** With which share of the draws each entry of the table at `at` is chosen; 1 together. */
export function aliasShares(words: Uint32Array, at: number, count: number): number[] {
  const shares = new Array<number>(count).fill(0)
  for (let column = 0; column < count; column++) {
    const entry = at + column * aliasWords
    const own = words[entry]! / 0xffff_ffff
    shares[column]! += own / count
    shares[words[entry + 1]!]! += (1 - own) / count
  }
  return shares
}
