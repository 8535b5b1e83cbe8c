/** The side that decides, for tests of the side that answers. */
import { duplexPair } from 'node:stream'
import type { Test } from 'tap'
import { holdSockets } from '../../../src/dataplane/listener/held-sockets.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { Answering, type AnsweringOptions } from '../../../src/dataplane/process/answering.ts'
import { Conversation } from '../../../src/dataplane/process/conversation.ts'
import type { FromDataPlane, ToDataPlane } from '../../../src/dataplane/process/messages.ts'
import { SharedImages } from '../../../src/dataplane/process/shared-images.ts'

/** Somebody who decides, and hears one message after the other. */
export class Decider {
  readonly stream
  readonly over: Promise<Error | null>
  readonly #conversation: Conversation<ToDataPlane, FromDataPlane>
  readonly #heard: FromDataPlane[] = []
  #wake: (() => void) | null = null

  constructor(converse: (stream: ReturnType<typeof duplexPair>[1]) => void) {
    const [mine, theirs] = duplexPair()
    this.stream = mine
    const { promise, resolve } = Promise.withResolvers<Error | null>()
    this.over = promise
    this.#conversation = new Conversation(
      mine,
      (message: FromDataPlane) => {
        this.#heard.push(message)
        this.#wake?.()
      },
      resolve,
    )
    converse(theirs)
  }

  say(message: ToDataPlane): void {
    this.#conversation.say(message)
  }

  end(): void {
    this.#conversation.end()
  }

  /** The next message of a kind; others before it are passed over. */
  async next<K extends FromDataPlane['kind']>(kind: K): Promise<Extract<FromDataPlane, { kind: K }>> {
    for (;;) {
      const message = this.#heard.shift()
      if (message?.kind === kind) return message as Extract<FromDataPlane, { kind: K }>
      if (message === undefined)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

/** Starts the side that answers, on a free port of 127.0.0.1. */
export function startAnswering(t: Test, options: Partial<AnsweringOptions> = {}) {
  const held = holdSockets(loadSyscalls(), {
    listen: [{ host: '127.0.0.1', port: 0 }],
    udpWorkers: 1,
    merged: true,
  })
  const ended = Promise.withResolvers<boolean>()
  const answering = new Answering({
    sockets: held.sockets,
    udpBackend: 'batch',
    onEnd: ended.resolve,
    images: new SharedImages(null),
    ...options,
  })
  t.teardown(async () => {
    await answering.stop()
    held[Symbol.dispose]()
  })
  const decide = () => new Decider((stream) => answering.converse(stream))
  return { answering, endpoint: held.bound[0]!, ended: ended.promise, decide }
}
