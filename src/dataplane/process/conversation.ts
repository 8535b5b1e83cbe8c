/** One side of a conversation between two processes: messages out, messages in, and its end. */
import type { Duplex } from 'node:stream'
import { FrameReader, writeFrame } from './frames.ts'
import { type FromDataPlane, frameOf, messageOf, type ToDataPlane } from './messages.ts'

export class Conversation<Out extends ToDataPlane | FromDataPlane, In extends ToDataPlane | FromDataPlane> {
  readonly #stream: Duplex
  #over = false

  /**
   * @param onMessage what throws ends the conversation, as what is no message does
   * @param onEnd called once; `error` says what went wrong, if anything did
   */
  constructor(stream: Duplex, onMessage: (message: In) => void, onEnd: (error: Error | null) => void) {
    this.#stream = stream
    const reader = new FrameReader((frame) => onMessage(messageOf(frame) as In))
    let wrong: Error | null = null
    stream.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk)
      } catch (error) {
        wrong = error as Error
        stream.destroy()
      }
    })
    // Said by `close` as well. That the other side is gone is no error.
    stream.on('error', () => undefined)
    stream.on('end', () => stream.destroy())
    stream.once('close', () => {
      this.#over = true
      onEnd(wrong)
    })
  }

  /** Nobody hears what is said once it is over. */
  say(message: Out): void {
    if (!this.#over) writeFrame(this.#stream, frameOf(message))
  }

  end(): void {
    this.#stream.destroy()
  }

  /** Ends it when what was said has been taken. */
  finish(): void {
    this.#stream.end()
  }
}
