/** What one process says to another: frames that were changed on the way end the conversation, and nothing else. */
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { serialize } from 'node:v8'
import fc from 'fast-check'
import { Conversation } from '../../../src/dataplane/process/conversation.ts'
import { FrameError, FrameReader, frameOctets } from '../../../src/dataplane/process/frames.ts'
import {
  type FromDataPlane,
  frameOf,
  messageOf,
  type ToDataPlane,
} from '../../../src/dataplane/process/messages.ts'
import { mutatedOctets } from '../mutations.ts'
import { type Target, targetOf } from '../target.ts'

export const image = fc.uint8Array({ maxLength: 40 }).map((octets) => {
  const shared = new SharedArrayBuffer(octets.length)
  new Uint8Array(shared).set(octets)
  return shared
})
const slots = fc.array(fc.tuple(fc.nat(5), fc.option(image)), { maxLength: 3 })
export const update = fc.record(
  { generation: fc.nat(9), zones: slots, plans: slots, directory: slots },
  { requiredKeys: ['generation'] },
)
const live = fc.record({ udp: fc.nat(4), tcp: fc.nat(4) })
const told: fc.Arbitrary<ToDataPlane | FromDataPlane> = fc.oneof(
  fc.record({ kind: fc.constantFrom('replace' as const, 'publish' as const), update }),
  fc.constantFrom({ kind: 'count' as const }, { kind: 'stop' as const }),
  fc.record({ kind: fc.constant('answer' as const), id: fc.nat(), response: fc.option(fc.uint8Array()) }),
  fc.record({ kind: fc.constant('serving' as const), generation: fc.nat(), live }),
  fc.record({ kind: fc.constant('counted' as const), counted: fc.constant([]), live }),
)
const octets = fc
  .array(told, { minLength: 1, maxLength: 3 })
  .map((messages) => Buffer.concat(messages.flatMap((each) => frameOctets(frameOf(each)))))
/** What is no message, in a frame that is one. */
const strange = fc
  .anything({ maxDepth: 2 })
  .filter((said) => {
    try {
      serialize(said)
      return true
    } catch {
      return false
    }
  })
  .map((said) => Buffer.concat(frameOctets({ said, images: [] })))
const pieces = [0, 1, 0xff, 0xffff, 0x100000, 0xffffffff].map((number) => {
  const piece = Buffer.alloc(4)
  piece.writeUInt32LE(number)
  return piece
})

class Quiet extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }
}

export function frames(): Target {
  const changed = fc.oneof(
    { weight: 5, arbitrary: mutatedOctets(octets, pieces) },
    { weight: 1, arbitrary: strange },
  )
  return targetOf(500, changed, async (whole) => {
    try {
      new FrameReader((frame) => void messageOf(frame)).push(whole)
    } catch (error) {
      if (!(error instanceof FrameError)) return `${error}`
    }
    const stream = new Quiet()
    let ends = 0
    let heard = 0
    new Conversation(
      stream,
      () => void heard++,
      () => void ends++,
    )
    const closed = once(stream, 'close')
    stream.push(whole)
    stream.push(null)
    await closed
    return ends === 1 ? null : `the conversation ended ${ends} times, after ${heard} messages`
  })
}
