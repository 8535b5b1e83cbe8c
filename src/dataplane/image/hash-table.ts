/** Puts (hash, value) into an open-addressing table of pairs; shared with the directory. */
export function insert(words: Int32Array, table: number, mask: number, hash: number, value: number): void {
  let slot = hash & mask
  while (words[table + 2 * slot + 1] !== 0) slot = (slot + 1) & mask
  words[table + 2 * slot] = hash
  words[table + 2 * slot + 1] = value
}
