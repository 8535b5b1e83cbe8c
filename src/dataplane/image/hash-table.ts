/** Puts (hash, value) into an open-addressing table of pairs; shared with the directory. */
export function insert(words: Int32Array, table: number, mask: number, hash: number, value: number): void {
  let slot = hash & mask
  while (words[table + 2 * slot + 1] !== 0) slot = (slot + 1) & mask
  words[table + 2 * slot] = hash
  words[table + 2 * slot + 1] = value
}

/** Takes a pair out of such a table that has it, and moves up what has come to stand behind it, so that whatever is there is found. */
export function remove(words: Int32Array, table: number, mask: number, hash: number, value: number): void {
  let gap = hash & mask
  while (words[table + 2 * gap + 1] !== value) gap = (gap + 1) & mask
  for (let next = (gap + 1) & mask; words[table + 2 * next + 1] !== 0; next = (next + 1) & mask) {
    const home = words[table + 2 * next]! & mask
    // Whether its home lies behind the gap: then it stays.
    if (((next - home) & mask) < ((next - gap) & mask)) continue
    words[table + 2 * gap] = words[table + 2 * next]!
    words[table + 2 * gap + 1] = words[table + 2 * next + 1]!
    gap = next
  }
  words[table + 2 * gap] = 0
  words[table + 2 * gap + 1] = 0
}
