/**
 * Walker's alias table: one random column and one random height choose an entry by weight in constant time, however many there
 * are. Two words an entry: the height below which the column's own entry is taken, and the other one.
 */
const aliasWords = 2

/**
 * Vose's construction ("A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991): pairs a
 * column that is too low with one that is too high, until all are level. Heights are scaled to 2^32 - 1.
 */
export function aliasTable(weights: ArrayLike<number>): Uint32Array {
  const count = weights.length
  const table = new Uint32Array(count * aliasWords)
  let total = 0
  for (let column = 0; column < count; column++) total += weights[column]!
  const heights = new Float64Array(count)
  // Stacks.
  const low = new Uint32Array(count)
  const high = new Uint32Array(count)
  let lows = 0
  let highs = 0
  for (let column = 0; column < count; column++) {
    const height = (weights[column]! * count) / total
    heights[column] = height
    if (height < 1) low[lows++] = column
    else high[highs++] = column
  }
  while (lows > 0 && highs > 0) {
    const column = low[--lows]!
    const donor = high[highs - 1]!
    table[column * aliasWords] = Math.round(heights[column]! * 0xffff_ffff)
    table[column * aliasWords + 1] = donor
    heights[donor]! -= 1 - heights[column]!
    if (heights[donor]! < 1) low[lows++] = high[--highs]!
    // What rounding leaves over on either stack is a full column, which the loop below writes.
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
