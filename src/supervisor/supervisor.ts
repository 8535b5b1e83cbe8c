/**
 * Keeps a server answering whatever becomes of its parts. There are three processes:
 *
 * - the **supervisor**, this one: it holds the sockets of DNS and starts the others; it reads nothing from any network;
 * - the **data plane** answers by those sockets, from memory; it knows no HTTP, no SQL and no configuration;
 * - the **control plane** is all the rest, and tells the data plane what to serve.
 *
 * ## What ends what
 * A control plane that dies is started again, and the data plane goes on with what it was told last. A data plane that dies is
 * started again on the same sockets, in which queries wait meanwhile. It serves at once what was published last, whether there is a
 * control plane or not: that is written down in memory which the supervisor keeps (`journal.ts`, `image-memory.ts`). Then the control
 * plane, when it is there, tells it all that is served. Without the supervisor both end.
 *
 * One that hangs is killed, and started again as one that died (`watched-child.ts`). A process gives no sign of life either while a
 * thread of it hangs that it can't end: it must go, for its threads do.
 *
 * The sockets are opened when the control plane has something to serve for the first time, unless somebody has opened them for us
 * (`activation.ts`), and closed when the stop is done: no client is refused a name that we have, and none waits for a server that has
 * nothing to say.
 *
 * ## Replacing
 * Both can be replaced by what is installed now (`replace`), and no query is lost. The next control plane is started first, and gets as
 * far as it can beside the other: it loads its code and reads its configuration. One that can't do that costs nothing, for the old one
 * is still there. Then the old one ends, since two can't have one data directory, and the next one begins; the data plane goes on
 * meanwhile. The next one gets a data plane of its own version, which answers by the same sockets when it has been told all that is
 * served. Only then does the old one stop receiving, answer what it has, give away its connections (`handover.ts`), and end.
 *
 * What dies after another version was installed is followed by that one. A control plane and a data plane of different versions are not
 * connected, for neither would know what the other says: the data plane is replaced, or both.
 *
 * ## States of the control plane
 *
 *   starting   ends by itself          the server ends with its exit code: it can't be started
 *   starting   is killed               the same before the sockets are open; running as below after that
 *   starting   DNS is answered         running
 *   running    ends by itself          running: it is started again, at once or, when it has died lately, after a pause
 *   running    replace                 preparing: the next one is started
 *   preparing  the next one can begin  replacing: this one is told to end
 *   preparing  the next one ends       running, and nothing has changed
 *   preparing  ends by itself          preparing: the next one begins as soon as it can
 *   replacing  ends                    running: the next one begins
 *   any        stop                    stopping: when all have ended, the server does
 *
 * ## Rejected
 * - Data plane and supervisor as one process: nobody would start it again, and who holds the sockets would run the code that may fail.
 * - New sockets for each data plane, by SO_REUSEPORT: what has come to the old ones is lost with a process that dies, and with
 *   one that is replaced the kernel moves clients from one to the other at an uncertain moment.
 * - A port or a path for the conversation: whoever may connect could tell the data plane what to serve. A socket pair has no name.
 * - The supervisor as the one who keeps what is served and tells it to a new data plane: it would read what others say, and hold
 *   a copy. It holds a descriptor, and looks at nothing behind it.
 */
import { lookAgainAndAgain, Strikes } from '../dataplane/life/watch.ts'
import type { ListenAddress } from '../dataplane/listener/listener.ts'
import { makeNameHashKey } from '../dataplane/wire/name-hash-key-sharing.ts'
import type { Logger } from '../telemetry/log.ts'
import { type DataPlaneSurroundings, type End, onceEnded, type Starters, say, starters } from './children.ts'
import { ControlPlane, reasonOf } from './control-plane.ts'
import { DataPlanes } from './data-planes.ts'
import { DnsSockets, type DnsSocketsOptions } from './dns-sockets.ts'
import { makeMemory } from './memory.ts'
import type { Notifier } from './notifier.ts'
import { type Outcome, Replacement, Requests } from './replacement.ts'
import { Restarting } from './restarting.ts'
import type { FromControl } from './words.ts'

export interface SupervisorOptions extends DnsSocketsOptions {
  /** Those of `serve`, for the control plane. */
  readonly args: readonly string[]
  readonly notifier: Pick<Notifier, 'tell' | 'lives'>
  readonly log: Logger
  readonly around: DataPlaneSurroundings
  readonly starters?: Starters
  /** All that a stop may take. */
  readonly stopMs: number
  /** The server answers for the first time. */
  readonly onReady: () => void
}

const stopped = { replaced: false, reason: 'the server was stopped' } as const

export class Supervisor {
  /** Resolves with the exit code when everything has ended. */
  readonly ended: Promise<number>
  readonly #ended = Promise.withResolvers<number>()
  readonly #options: Required<SupervisorOptions>
  /** Of this server: images of one control plane are read by the data plane that the next one finds. */
  readonly #nameHashKey = makeNameHashKey()
  #state: 'starting' | 'running' | 'preparing' | 'replacing' | 'stopping' = 'starting'
  #control: ControlPlane | null = null
  /** The one that is to take its place. */
  #next: ControlPlane | null = null
  #replacement: Replacement | null = null
  readonly #requests = new Requests()
  readonly #data: DataPlanes
  readonly #sockets: DnsSockets
  /** That the processes share; null where there can be none. */
  readonly #memory: number | null
  /** Where HTTP is bound. */
  #http: ListenAddress | null = null
  /** Whether a control plane has done all that a start is for. DNS may be answered before. */
  #hasBeenReady = false
  readonly #restarting: Restarting
  readonly #strikes = new Strikes()
  /** At the signs of life of all. */
  #looking: Disposable | undefined
  #stopTimer: NodeJS.Timeout | undefined
  #exitCode = 0

  constructor(options: SupervisorOptions) {
    const { log } = options
    this.#options = { starters, ...options }
    this.#sockets = new DnsSockets(options)
    this.#memory = makeMemory(options)
    this.ended = this.#ended.promise
    this.#restarting = new Restarting(
      () => this.#startControl(),
      (err) => log.error({ err }, 'a process was not started: it is tried again'),
    )
    this.#data = new DataPlanes({
      ...this.#options,
      memory: this.#memory,
      nameHashKey: this.#nameHashKey,
      onChange: () => this.#dataChanged(),
      replace: () => this.replace(),
    })
  }

  start(): void {
    this.#looking = lookAgainAndAgain((passedMs) => this.#look(passedMs))
    this.#startControl()
  }

  /** Ends everything in order. Idempotent. */
  stop(): void {
    if (this.#state === 'stopping') return
    this.#state = 'stopping'
    this.#options.notifier.tell('STOPPING=1')
    this.#looking?.[Symbol.dispose]()
    this.#restarting.stop()
    this.#data.startNoMore()
    this.#stopTimer = setTimeout(() => {
      this.#options.log.error('stopping took too long')
      this.kill()
    }, this.#options.stopMs)
    // It has nothing to end.
    this.#next?.child.kill('SIGKILL')
    // The data plane ends when the control plane says so, which then ends what it was answered by.
    if (this.#control === null) this.#data.stop()
    else if (this.#control.version !== null) say(this.#control.child, { kind: 'stop', keepsAnswering: false })
    else this.#control.child.kill('SIGKILL')
    this.#endIfDone()
  }

  /** Replaces both processes by what is installed now, while DNS is answered; after what is under way. */
  replace(): Promise<Outcome> {
    if (this.#state === 'stopping') return Promise.resolve(stopped)
    const outcome = this.#requests.ask()
    this.#replaceIfAsked()
    return outcome
  }

  #replaceIfAsked(): void {
    if (this.#state !== 'running' || this.#control === null || this.#replacement !== null) return
    const tell = this.#requests.take()
    if (tell === null) return
    this.#state = 'preparing'
    this.#tellReloading()
    this.#replacement = new Replacement(this.#data.last)
    void this.#replacement.outcome.then((outcome) => {
      this.#replacement = null
      this.#tellReady()
      tell(outcome)
      this.#replaceIfAsked()
    })
    try {
      this.#next = this.#makeControl()
    } catch (error) {
      this.#notReplaced(`the control plane was not started: ${(error as Error).message}`)
    }
  }

  #tellReloading(): void {
    const usec = Math.floor(performance.now() * 1000)
    if (this.#hasBeenReady) this.#options.notifier.tell('RELOADING=1', `MONOTONIC_USEC=${usec}`)
  }

  #tellReady(): void {
    if (this.#hasBeenReady && this.#state !== 'stopping') this.#options.notifier.tell('READY=1')
  }

  /** Ends everything at once. */
  kill(): void {
    this.#state = 'stopping'
    this.#exitCode = 1
    this.#restarting.stop()
    this.#data.startNoMore()
    for (const control of [this.#control, this.#next]) control?.child.kill('SIGKILL')
    this.#data.kill()
    this.#endIfDone()
  }

  #startControl(): void {
    this.#control = this.#makeControl()
    this.#tellRestarts()
  }

  /** It loads what it consists of, and says so. */
  #makeControl(): ControlPlane {
    const { child, memory } = this.#options.starters.control(this.#options.args, this.#memory)
    const control = new ControlPlane(memory, child, this.#strikes)
    say(child, { kind: 'prepare', nameHashKey: this.#nameHashKey })
    child.on('message', (message: FromControl) => this.#hear(message, control))
    onceEnded(child, (end) => this.#controlEnded(control, end))
    return control
  }

  #look(passedMs: number): void {
    for (const control of [this.#control, this.#next]) {
      const reason = control?.look(passedMs) ?? null
      if (reason !== null) this.#options.log.error({ reason }, 'the control plane hangs: it is killed')
    }
    this.#data.look(passedMs)
    if (this.#data.lives) this.#options.notifier.lives()
  }

  #hear(message: FromControl, control: ControlPlane): void {
    switch (message.kind) {
      case 'alive':
        // Heard by who watches it.
        break
      case 'prepared':
        this.#prepared(control, message.version)
        break
      case 'failed':
        control.lastWords = message.message
        break
      case 'open':
        this.#open(control, message.connections)
        break
      case 'bound':
        this.#http = message.http
        break
      case 'serving':
        this.#serving(message.dataPlane)
        break
      case 'parted':
        this.#data.parted(control, message.dataPlane)
        break
      case 'deaf':
        this.#data.deaf(message.dataPlane)
        break
      case 'ready':
        this.#ready()
        break
    }
  }

  #prepared(control: ControlPlane, version: string): void {
    control.version = version
    if (this.#state === 'stopping') return
    if (control === this.#control) this.#begin(control)
    else if (this.#control === null) this.#takeNext()
    else {
      this.#state = 'replacing'
      this.#data.retire()
      say(this.#control.child, { kind: 'stop', keepsAnswering: true })
      const { log, stopMs } = this.#options
      this.#control.endsWithin(stopMs, () =>
        log.error('the control plane of before took too long to end: it is killed'),
      )
    }
  }

  #begin({ child, memory }: ControlPlane): void {
    const isAnswering = this.#state !== 'starting'
    say(child, { kind: 'begin', http: this.#http, isAnswering, memory })
  }

  #takeNext(): void {
    const next = this.#next!
    this.#next = null
    this.#state = 'running'
    this.#control = next
    this.#data.retire()
    this.#tellRestarts()
    this.#begin(next)
  }

  #serving(dataPlane: number): void {
    this.#data.serves(dataPlane)
    this.#replacement?.serves(dataPlane)
    this.#lookForOthers()
    if (this.#state === 'starting') this.#state = 'running'
    this.#replaceIfAsked()
  }

  #ready(): void {
    this.#restarting.lives()
    if (!this.#hasBeenReady) {
      this.#hasBeenReady = true
      this.#tellReady()
      this.#options.onReady()
    }
    this.#replacement?.ready()
  }

  #open(control: ControlPlane, connections: number): void {
    const opened = this.#sockets.open()
    if ('kind' in opened) {
      say(control.child, opened)
      return
    }
    const { held, backend } = opened
    say(control.child, { kind: 'opened', bound: held.bound, backend, skipped: held.skipped })
    this.#data.serveFor(control, { held, backend, connections })
  }

  #controlEnded(control: ControlPlane, end: End): void {
    this.#data.leftBy(control)
    if (control === this.#next) this.#nextEnded(control, end)
    else this.#presentEnded(control, end)
  }

  #nextEnded(next: ControlPlane, end: End): void {
    this.#next = null
    if (this.#state === 'stopping') this.#endIfDone()
    // The other one is on its way already.
    else if (this.#state === 'replacing') this.#replacement?.fail(reasonOf(next, end))
    else this.#notReplaced(reasonOf(next, end))
  }

  #notReplaced(reason: string): void {
    this.#state = 'running'
    this.#replacement?.fail(reason)
    if (this.#control === null) this.#restarting.again()
  }

  #presentEnded(control: ControlPlane, end: End): void {
    this.#control = null
    const { log } = this.#options
    // Those who were started to answer may have begun to, and it would have said so.
    if (this.#state === 'starting' && end.signal !== null && this.#data.size > 0) this.#state = 'running'
    switch (this.#state) {
      case 'starting':
        // A control plane that began has said itself why it ended.
        if (end.err !== undefined) log.error({ err: end.err }, 'the control plane was not started')
        this.#exitCode = end.code ?? 1
        this.stop()
        break
      case 'stopping':
        this.#exitCode ||= end.code ?? 1
        this.#data.stop()
        this.#endIfDone()
        break
      case 'replacing':
        if (this.#next !== null) this.#takeNext()
        else {
          this.#state = 'running'
          this.#restarting.again()
        }
        break
      case 'preparing':
        log.error({ ...end }, 'the control plane ended: the next one takes its place')
        break
      case 'running':
        log.error({ ...end }, 'the control plane ended: it is started again, DNS is answered meanwhile')
        this.#replacement?.fail(reasonOf(control, end))
        this.#restarting.again()
        break
    }
  }

  #dataChanged(): void {
    if (this.#state === 'stopping') this.#endIfDone()
    else {
      this.#tellRestarts()
      this.#lookForOthers()
    }
  }

  /** Those that a replacement is to end may have ended before it began. */
  #lookForOthers(): void {
    if (this.#replacement !== null && this.#data.haveEnded(this.#replacement.last))
      this.#replacement.othersEnded()
  }

  #tellRestarts(): void {
    const restarts = { control: this.#restarting.count, data: this.#data.restarts }
    if (this.#control !== null) say(this.#control.child, { kind: 'restarts', restarts })
  }

  #endIfDone(): void {
    if (this.#control !== null || this.#next !== null || this.#data.size > 0) return
    clearTimeout(this.#stopTimer)
    this.#replacement?.fail(stopped.reason)
    this.#requests.take()?.(stopped)
    this.#sockets[Symbol.dispose]()
    this.#ended.resolve(this.#exitCode)
  }
}
