/**
 * What workers have kept of the questions that they were asked: read out of their memory, as octets that one process can send to another,
 * and those octets as questions.
 */
import { SampleMemory, sampleFlags, sampleWindows, slotAt, windowAt, windowMs } from './sample.ts'

/** A sample of the last minutes. */
export interface Sample {
  /** When the first question of its windows came, in UNIX milliseconds; null when none has come. */
  readonly sinceMs: number | null
  /** How many questions it stands for. */
  readonly seen: number
  /** Questions, packed as `unpackSample` reads them. */
  readonly packed: Uint8Array
}

export interface SampledQuestion {
  /** How many questions it stands for. */
  readonly weight: number
  /** Lower-cased, in wire form. */
  readonly name: Uint8Array
  readonly type: number
  /** Whether it came over a stream. */
  readonly stream: boolean
  readonly network: SampledNetwork
}

/** The network of the client: of its subnet where the question named one, else of the address that it came from. */
export interface SampledNetwork {
  readonly ipv6: boolean
  /** Of its prefix: at most those of `networkBits`. */
  readonly bits: number
  /** The address, 4 octets or the first 8 of 16. */
  readonly octets: Uint8Array
}

/** Octets of a packed question in front of its name: weight, type, flags, bits of the network, its octets, octets of the name. */
const packedHead = 8 + 2 + 1 + 1 + 8 + 1
const packedFlags = { ipv6: 1, stream: 2 } as const

/** The sample that workers have. @param nowMs UNIX milliseconds */
export function readSample(buffers: readonly SharedArrayBuffer[], nowMs: number): Sample {
  const newest = Math.floor(nowMs / windowMs)
  let sinceMs: number | null = null
  let seen = 0
  const packed: Uint8Array[] = []
  for (const memory of buffers.map((buffer) => new SampleMemory(buffer))) {
    for (let place = 0; place < sampleWindows; place++) {
      const window = readWindow(memory, place)
      if (window === null || window.number > newest || window.number <= newest - sampleWindows) continue
      sinceMs = Math.min(sinceMs ?? window.beganMs, window.beganMs)
      seen += window.seen
      packed.push(...window.questions)
    }
  }
  return { sinceMs, seen, packed: Buffer.concat(packed) }
}

interface Window {
  readonly number: number
  readonly beganMs: number
  readonly seen: number
  readonly questions: readonly Uint8Array[]
}

/** Null for one that has nothing, or whose place another one takes meanwhile. */
function readWindow(memory: SampleMemory, place: number): Window | null {
  const number = memory.numberIn(place)
  const head = memory.head(place)
  const beganMs = memory.heads[head + windowAt.beganMs]!
  const seen = memory.heads[head + windowAt.seen]!
  const questions: Buffer[] = []
  for (let slot = 0; slot < Math.min(seen, memory.slots); slot++) {
    const question = packSlot(memory, memory.slot(place, slot))
    if (question !== null) questions.push(question)
  }
  if (memory.numberIn(place) !== number || questions.length === 0) return null
  for (const question of questions) question.writeDoubleLE(seen / questions.length)
  return { number, beganMs, seen, questions }
}

/** A question without its weight; null while it is being written. */
function packSlot({ words, octets }: SampleMemory, at: number): Buffer | null {
  const sequence = Atomics.load(words, at)
  const kind = words[at + slotAt.kind]!
  const sizes = words[at + slotAt.sizes]!
  const nameLength = sizes & 0xff
  const nameAt = 4 * (at + slotAt.name)
  const packed = Buffer.alloc(packedHead + nameLength)
  const flags =
    ((kind & sampleFlags.ipv6) === 0 ? 0 : packedFlags.ipv6) |
    ((kind & sampleFlags.stream) === 0 ? 0 : packedFlags.stream)
  let end = packed.writeUInt16LE(kind & 0xffff, 8)
  end = packed.writeUInt8(flags, end)
  end = packed.writeUInt8(sizes >>> 8, end)
  end = packed.writeInt32BE(words[at + slotAt.high]!, end)
  end = packed.writeInt32BE(words[at + slotAt.low]!, end)
  end = packed.writeUInt8(nameLength, end)
  packed.set(octets.subarray(nameAt, nameAt + nameLength), end)
  const isWhole = (sequence & 1) === 0 && Atomics.load(words, at) === sequence
  return isWhole ? packed : null
}

/** The questions of a sample, which share its memory. */
export function* unpackSample({ packed }: Pick<Sample, 'packed'>): Generator<SampledQuestion> {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  for (let at = 0; at < packed.length; ) {
    const flags = view.getUint8(at + 10)
    const ipv6 = (flags & packedFlags.ipv6) !== 0
    const nameAt = at + packedHead
    const end = nameAt + view.getUint8(nameAt - 1)
    yield {
      weight: view.getFloat64(at, true),
      name: packed.subarray(nameAt, end),
      type: view.getUint16(at + 8, true),
      stream: (flags & packedFlags.stream) !== 0,
      network: {
        ipv6,
        bits: view.getUint8(at + 11),
        octets: packed.subarray(at + 12, at + (ipv6 ? 20 : 16)),
      },
    }
    at = end
  }
}
