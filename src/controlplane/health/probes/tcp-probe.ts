/**
 * The TCP probe: connects, sends what there is to send, and reads until what has come is decided.
 *
 * - Nothing is expected: a connection is enough, with TLS a handshake, and that what there is to send could be sent.
 * - `contains` and `matches` hold as soon as they do. `$` of a pattern is the end of what has come.
 * - `lacks` and `mismatches` can only be told of a text that is whole: at the end of the stream, after 64 KiB, or, for
 *   protocols in which the server speaks and then waits, when it has spoken, the rest holds and it has been quiet for half a
 *   second (or a quarter of the deadline, where that is less). A text that is unwanted already fails at once.
 * - What is still missing at the end of the stream or after 64 KiB has failed; before that, the deadline decides.
 */
import type { Socket } from 'node:net'
import type { TcpMonitor } from '../../model/monitor.ts'
import { fault, faultOfError, lostConnection, type Passed, type ProbeResult, passed } from '../verdict.ts'
import { connect } from './connection.ts'
import { Ending } from './ending.ts'
import type { ProbeContext, ProbeTarget } from './probe-target.ts'
import { expectsNothing, TextSearch } from './text-expectation.ts'

const longestQuietMs = 500

/**
 * A look at the text costs time in proportion to it, and a member may send it in as many pieces as it likes. So after each
 * look this many times as long goes by without one.
 */
const lookShare = 20

/** Never rejects. */
export async function probeTcp(
  { address, port }: ProbeTarget,
  monitor: TcpMonitor,
  context: ProbeContext,
): Promise<ProbeResult> {
  const socket = await connect({ address, port, tls: monitor.tls }, context)
  return 'failure' in socket ? socket : converse(socket, monitor, context.stop)
}

function converse(socket: Socket, monitor: TcpMonitor, stop: AbortSignal): Promise<ProbeResult> {
  const { finish, result } = new Ending<Passed>(stop, () => {
    reader?.close()
    socket.destroy()
  })
  const reader = expectsNothing(monitor.expect) ? null : new Reader(monitor, finish)
  socket.on('error', (error) => finish(faultOfError(error, 'exchanging')))
  socket.once('close', () => finish(lostConnection))
  if (reader !== null) {
    socket.on('data', (chunk) => reader.take(chunk))
    socket.once('end', () => reader.end())
    if (monitor.send !== null) socket.write(monitor.send)
  } else if (monitor.send !== null) socket.write(monitor.send, (error) => !error && finish(passed))
  else finish(passed)
  return result
}

/** Decides on what comes; says so once. */
class Reader {
  readonly #finish: (result: ProbeResult) => void
  readonly #text: TextSearch
  /** Whether only a whole text can pass. */
  readonly #whole: boolean
  readonly #quietMs: number
  #quiet: NodeJS.Timeout | undefined
  #look: NodeJS.Timeout | undefined
  #nextLookMs = 0

  constructor({ expect, timeoutMs }: TcpMonitor, finish: (result: ProbeResult) => void) {
    this.#finish = finish
    this.#text = new TextSearch(expect)
    this.#whole = expect.lacks !== null || expect.mismatches !== null
    this.#quietMs = Math.min(longestQuietMs, timeoutMs / 4)
  }

  take(chunk: Buffer): void {
    this.#text.take(chunk)
    if (this.#text.full) {
      this.end()
      return
    }
    if (this.#whole) {
      clearTimeout(this.#quiet)
      this.#quiet = setTimeout(() => this.#decide(true), this.#quietMs)
    }
    const waitMs = this.#nextLookMs - performance.now()
    if (waitMs <= 0) this.#decide(false)
    else this.#look ??= setTimeout(() => this.#decide(false), waitMs)
  }

  end(): void {
    const complaint = this.#text.missing() ?? this.#text.unwanted()
    this.#finish(complaint === null ? passed : fault('answer', `answer ${complaint}`))
  }

  close(): void {
    clearTimeout(this.#quiet)
    clearTimeout(this.#look)
  }

  #decide(quiet: boolean): void {
    clearTimeout(this.#look)
    this.#look = undefined
    const startMs = performance.now()
    const unwanted = this.#text.unwanted()
    if (unwanted !== null) this.#finish(fault('answer', `answer ${unwanted}`))
    else if ((quiet || !this.#whole) && this.#text.missing() === null) this.#finish(passed)
    const endMs = performance.now()
    this.#nextLookMs = endMs + (endMs - startMs) * lookShare
  }
}
