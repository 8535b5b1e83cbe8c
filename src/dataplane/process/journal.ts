/**
 * What is served, written down: the messages that tell it to a process that answers (`messages.ts`), in the memory that processes share
 * (`image-memory.ts`), for one that starts while nobody is there to tell it. First all that is served, then each change; large
 * images are named by their place.
 *
 *     root, at 0 and at 512       of the memory, written in turns; the one of the higher number holds
 *       octets 0..3     CRC-32 of a word and the version: another one writes, and reads, all of this as it likes
 *       octets 4..7     CRC-32 of what follows
 *       octets 8..15    number of the publication, as a double, like the others
 *       octets 16..23   where the entries begin
 *       octets 24..31   octets that they take; 0 for none
 *     entry
 *       octets 0..3     octets of the frame
 *       octets 4..7     CRC-32 of the frame
 *       frame           as `frames.ts` has it
 *
 * A root is written behind what it speaks of, so a reader finds one publication whole, whenever the writer is killed. The octets of all
 * that a root speaks of stay as they are while anybody may read it (`living.ts`).
 *
 * Numbers are least significant octet first.
 */
import { readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { version } from '../../version.ts'
import { memoryLayout } from '../image/image-memory.ts'
import type { ServingUpdate } from '../image/serving-set.ts'
import { FrameReader, frameOctets } from './frames.ts'
import { frameOf, messageOf, type ToDataPlane } from './messages.ts'

type Told = Extract<ToDataPlane, { update: unknown }>

const magic = crc32(`pooldns journal ${version}`)
export const rootsAt = [0, 512] as const
const rootOctets = 32
const checkedFrom = 8
const entryHeadOctets = 8

export interface Root {
  readonly number: number
  readonly at: number
  readonly octets: number
}

/** What is written there is not a journal of this version, or not what was written. */
export class JournalError extends Error {
  override readonly name = 'JournalError'
}

export function formatRoot({ number, at, octets }: Root): Buffer {
  const root = Buffer.alloc(rootOctets)
  root.writeUInt32LE(magic, 0)
  root.writeDoubleLE(number, 8)
  root.writeDoubleLE(at, 16)
  root.writeDoubleLE(octets, 24)
  root.writeUInt32LE(crc32(root.subarray(checkedFrom)), 4)
  return root
}

/** The root that holds; null where none was written. */
export function readRoot(fd: number): Root | null {
  const roots = rootsAt.flatMap((at) => {
    const root = readAt(fd, at, rootOctets)
    if (root.readUInt32LE(0) !== magic || root.readUInt32LE(4) !== crc32(root.subarray(checkedFrom)))
      return []
    return [{ number: root.readDoubleLE(8), at: root.readDoubleLE(16), octets: root.readDoubleLE(24) }]
  })
  return roots.reduce<Root | null>(
    (last, root) => (last === null || root.number > last.number ? root : last),
    null,
  )
}

/** An entry, in pieces. */
export function entryOf(message: Told): Uint8Array[] {
  const frame = frameOctets(frameOf(message))
  const head = Buffer.alloc(entryHeadOctets)
  head.writeUInt32LE(lengthOf(frame), 0)
  head.writeUInt32LE(
    frame.reduce((sum, piece) => crc32(piece, sum), 0),
    4,
  )
  return [head, ...frame]
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/**
 * The updates that were published, the oldest first; the first is all that was served then. None when nothing is written.
 *
 * @param onDamage told of an update that is not what was written, and left out; by default that is thrown
 * @throws JournalError when that is the first, without which the others say little
 */
export function readJournal(
  fd: number,
  onDamage = (error: JournalError): void => {
    throw error
  },
): ServingUpdate[] {
  const root = readRoot(fd)
  if (root === null || root.octets === 0) return []
  const { at, octets } = root
  if (!(at >= memoryLayout.imagesFrom && octets > 0 && at + octets <= memoryLayout.octets))
    throw new JournalError(`${octets} octets at ${at}`)
  const updates: ServingUpdate[] = []
  const reader = new FrameReader((frame) => updates.push((messageOf(frame) as Told).update))
  const damaged = (what: string) => {
    const error = new JournalError(what)
    if (updates.length === 0) throw error
    onDamage(error)
  }
  for (let read = 0; read < octets; ) {
    const head = readAt(fd, at + read, entryHeadOctets)
    const length = head.readUInt32LE(0)
    read += entryHeadOctets + length
    if (read > octets) {
      damaged('an entry is cut short')
      break
    }
    const frame = readAt(fd, at + read - length, length)
    if (crc32(frame) === head.readUInt32LE(4)) reader.push(frame)
    else damaged('the checksum of an entry is wrong')
  }
  return updates
}

function readAt(fd: number, at: number, octets: number): Buffer {
  const read = Buffer.alloc(octets)
  readSync(fd, read, 0, octets, at)
  return read
}
