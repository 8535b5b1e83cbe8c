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
import {
  type Fault,
  fault,
  faultOfError,
  lostConnection,
  type Passed,
  type ProbeResult,
  passed,
} from '../verdict.ts'
import { connect } from './connection.ts'
import { Ending } from './ending.ts'
import type { ProbeContext, ProbeTarget } from './probe-target.ts'
import { expectsNothing, type Look, TextSearch, toldOfLook } from './text-expectation.ts'

const longestQuietMs = 500

/**
 * A look at the text costs time in proportion to it, and a member may send it in as many pieces as it likes. So after each
 * look this many times as long goes by without one, a quarter of a second at the most.
 */
const lookShare = 20
const longestPauseMs = 250

/** Never rejects. */
export async function probeTcp(
  { address, port }: ProbeTarget,
  monitor: TcpMonitor,
  context: ProbeContext,
): Promise<ProbeResult> {
  const socket = await connect({ address, port, tls: monitor.tls }, context)
  return 'failure' in socket ? socket : converse(socket, monitor, context)
}

async function converse(
  socket: Socket,
  monitor: TcpMonitor,
  context: Pick<ProbeContext, 'patterns' | 'stop'>,
): Promise<ProbeResult> {
  const { finish, result } = new Ending<Passed>(context.stop, () => {
    reader?.close()
    socket.destroy()
  })
  const reader = expectsNothing(monitor.expect) ? null : new Reader(monitor, context, finish)
  // How a connection ends says nothing any more of a text that is whole.
  const lose = (why: Fault) => reader?.ended !== true && finish(why)
  socket.on('error', (error) => lose(faultOfError(error, 'exchanging')))
  socket.once('close', () => lose(lostConnection))
  if (reader !== null) {
    socket.on('data', (chunk) => {
      reader.take(chunk)
      // As much has come as counts. A look at it may take its time, and the rest would come meanwhile.
      if (reader.ended) socket.destroy()
    })
    socket.once('end', () => reader.end())
    if (monitor.send !== null) socket.write(monitor.send)
  } else if (monitor.send !== null) socket.write(monitor.send, (error) => !error && finish(passed))
  else finish(passed)
  const found = await result
  return reader === null ? found : toldOfLook(found, reader.text)
}

/** Decides on what comes; says so once. */
class Reader {
  readonly text: TextSearch
  readonly #context: Pick<ProbeContext, 'patterns' | 'stop'>
  readonly #finish: (result: ProbeResult) => void
  /** Whether only a whole text can pass. */
  readonly #whole: boolean
  readonly #quietMs: number
  #quiet: NodeJS.Timeout | undefined
  #isQuiet: NodeJS.Immediate | undefined
  #look: NodeJS.Timeout | undefined
  #nextLookMs = 0
  /** A look that is wanted behind the one that is under way; null when there is none. */
  #wanted: { quiet: boolean } | null = null
  /** Nothing comes any more that counts. */
  ended = false

  constructor(
    { expect, timeoutMs }: TcpMonitor,
    context: Pick<ProbeContext, 'patterns' | 'stop'>,
    finish: (result: ProbeResult) => void,
  ) {
    this.#context = context
    this.#finish = finish
    this.text = new TextSearch(expect)
    this.#whole = expect.lacks !== null || expect.mismatches !== null
    this.#quietMs = Math.min(longestQuietMs, timeoutMs / 4)
  }

  take(chunk: Buffer): void {
    if (this.ended) return
    this.text.take(chunk)
    if (this.text.full) {
      this.end()
      return
    }
    if (this.#wanted !== null) this.#wanted.quiet = false
    if (this.#whole) {
      this.#endQuiet()
      this.#quiet = setTimeout(() => {
        // One more turn: what a stall of this process has left unread is no quiet of the server.
        this.#isQuiet = setImmediate(() => this.#decide(true))
      }, this.#quietMs)
    }
    const waitMs = this.#nextLookMs - performance.now()
    if (waitMs <= 0) this.#decide(false)
    else this.#look ??= setTimeout(() => this.#decide(false), waitMs)
  }

  /** The text is whole. */
  end(): void {
    if (this.ended) return
    this.ended = true
    this.close()
    this.#decide(true)
  }

  close(): void {
    this.#endQuiet()
    clearTimeout(this.#look)
  }

  #endQuiet(): void {
    clearTimeout(this.#quiet)
    clearImmediate(this.#isQuiet)
  }

  #decide(quiet: boolean): void {
    clearTimeout(this.#look)
    this.#look = undefined
    if (this.text.looking) {
      this.#wanted = { quiet: quiet || (this.#wanted?.quiet ?? false) }
      return
    }
    const { ended } = this
    const startMs = performance.now()
    const look = this.text.look(this.#context.patterns, this.#context.stop)
    if (look instanceof Promise) void look.then((found) => this.#judge(found, quiet, ended, startMs))
    else this.#judge(look, quiet, ended, startMs)
  }

  #judge(look: Look | Fault, quiet: boolean, ended: boolean, startMs: number): void {
    if ('failure' in look) {
      this.#finish(look)
      return
    }
    const { missing, unwanted } = look
    const enough = quiet || !this.#whole
    const complaint = unwanted ?? (ended ? missing : null)
    if (complaint !== null) this.#finish(fault('answer', `answer ${(ended ? missing : null) ?? complaint}`))
    else if (enough && missing === null) this.#finish(passed)
    const endMs = performance.now()
    this.#nextLookMs = endMs + Math.min((endMs - startMs) * lookShare, longestPauseMs)
    const next = this.#wanted
    this.#wanted = null
    if (next !== null) this.#decide(next.quiet)
  }
}
