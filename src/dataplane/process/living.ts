/**
 * Which processes may be answering by what is in the memory that is shared (`image-memory.ts`): a table of their numbers on its first
 * page. The supervisor writes it, before it starts one and after one has ended. Who gives memory back reads it behind having
 * taken an image out of the journal, and waits while one is named that it has not heard saying that it serves what is served now: that
 * one may have read the journal before, or been told by an earlier control plane.
 */
import { readSync, writeSync } from 'node:fs'

const at = 1024
/** Two while one takes the place of the other; more only while some hang in their end. */
const most = 64

/** @throws Error when there are more than the table holds */
export function writeLiving(fd: number, numbers: Iterable<number>): void {
  const named = [...numbers]
  if (named.length > most) throw new Error(`${named.length} data planes at once`)
  const table = Buffer.alloc(4 * most)
  for (const [index, number] of named.entries()) table.writeUInt32LE(number, 4 * index)
  writeSync(fd, table, 0, table.length, at)
}

export function readLiving(fd: number): number[] {
  const table = Buffer.alloc(4 * most)
  readSync(fd, table, 0, table.length, at)
  return Array.from({ length: most }, (_, index) => table.readUInt32LE(4 * index)).filter(
    (number) => number > 0,
  )
}
