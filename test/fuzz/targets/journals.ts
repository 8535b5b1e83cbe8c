/** The journal, changed on its way through memory: what is read is what was written, or it is refused. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { memoryLayout } from '../../../src/dataplane/image/image-memory.ts'
import { FrameError } from '../../../src/dataplane/process/frames.ts'
import {
  entryOf,
  formatRoot,
  JournalError,
  readJournal,
  rootsAt,
} from '../../../src/dataplane/process/journal.ts'
import { mutatedOctets } from '../mutations.ts'
import { type Target, targetOf } from '../target.ts'
import { update } from './frames.ts'

const entries = fc
  .array(update, { minLength: 1, maxLength: 3 })
  .map((updates) =>
    Buffer.concat(
      updates.flatMap((each, index) => entryOf({ kind: index === 0 ? 'replace' : 'publish', update: each })),
    ),
  )
const numbers = [0, 1, 0xffff, 0x7fffffff, 0xffffffff].map((number) => {
  const piece = Buffer.alloc(4)
  piece.writeUInt32LE(number)
  return piece
})

/** Makes the checksums of entries right again, so that what is behind them is met. */
function sealed(octets: Buffer): Buffer {
  for (let at = 0; at + 8 <= octets.length; ) {
    const length = octets.readUInt32LE(at)
    const frame = octets.subarray(at + 8, at + 8 + length)
    octets.writeUInt32LE(crc32(frame), at + 4)
    at += 8 + length
  }
  return octets
}

export function journals(): Target {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-fuzz-'))
  const fd = openSync(join(folder, 'journal'), 'w+')
  const from = memoryLayout.imagesFrom
  const place = (octets: Buffer) => {
    ftruncateSync(fd, 0)
    writeSync(fd, formatRoot({ number: 1, at: from, octets: octets.length }), 0, 32, rootsAt[1])
    writeSync(fd, octets, 0, octets.length, from)
  }
  const read = () => {
    try {
      return readJournal(fd)
    } catch (error) {
      if (error instanceof JournalError || error instanceof FrameError) return null
      throw error
    }
  }
  const input = fc.tuple(mutatedOctets(entries, numbers), entries, fc.nat(0xffff), fc.boolean())
  return targetOf(
    1500,
    input,
    ([changed, whole, at, resealed]) => {
      // Whatever stands there, with checksums that are right or not.
      place(resealed ? sealed(changed) : changed)
      read()
      // One octet of what was written.
      place(whole)
      const before = read()
      const damaged = Buffer.from(whole)
      damaged[at % whole.length]! ^= 1 + (at % 255)
      place(damaged)
      const after = read()
      return after === null || isDeepStrictEqual(after, before)
        ? null
        : 'a damaged journal was read as another'
    },
    async () => {
      closeSync(fd)
      rmSync(folder, { recursive: true })
    },
  )
}
