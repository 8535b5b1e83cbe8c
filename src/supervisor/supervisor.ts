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
 * The sockets are opened when the control plane has something to serve for the first time, and closed when the stop is done: no
 * client is refused a name that we have, and none waits for a server that has nothing to say.
 *
 * ## Replacing
 * Both can be replaced by what is installed now (`replace`), and no query is lost. The control plane ends first, since two of them can't
 * have one data directory; the data plane goes on meanwhile. The next control plane gets a data plane of its own version, which
 * begins to answer by the same sockets when it has been told all that is served; only then does the old one stop receiving,
 * answers what it has, and ends.
 *
 * ## States of the control plane
 *
 *   starting   ends by itself          the server ends with its exit code: it can't be started
 *   starting   ready                   running
 *   running    ends by itself          running: it is started again, at once or, when it has died lately, after a pause
 *   running    replace                 replacing
 *   replacing  ends                    running: the next one is started
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
import type { Socket } from 'node:net'
import type { Config } from '../config.ts'
import { lookAgainAndAgain, Strikes } from '../dataplane/life/watch.ts'
import { type ChosenBackend, chooseBackend } from '../dataplane/listener/backend.ts'
import { type HeldSockets, holdSockets } from '../dataplane/listener/held-sockets.ts'
import type { ListenAddress, ListenError } from '../dataplane/listener/listener.ts'
import { createMemory, readOnly } from '../dataplane/listener/shared-memory.ts'
import type { SyscallError, Syscalls } from '../dataplane/listener/syscalls.ts'
import { writeLiving } from '../dataplane/process/living.ts'
import { makeNameHashKey } from '../dataplane/wire/name-hash-key-sharing.ts'
import type { Logger } from '../telemetry/log.ts'
import { connectedPair, type End, onceEnded, say, startControl, startData } from './children.ts'
import { Restarting } from './restarting.ts'
import { WatchedChild } from './watched-child.ts'
import type { FromControl, ProcessName, ToControl } from './words.ts'

export interface SupervisorOptions {
  readonly config: Pick<Config, 'dnsListen' | 'workers' | 'udpBackend'>
  /** Those of `serve`, for the control plane. */
  readonly args: readonly string[]
  readonly syscalls: Syscalls
  readonly log: Logger
  /** Where Node keeps what it has compiled, if anywhere. */
  readonly compileCache: string | undefined
  /** All that a stop may take. */
  readonly stopMs: number
}

class ControlPlane extends WatchedChild {
  /** It has asked for DNS to be listened for, and takes links. */
  opened = false
}

class DataPlane extends WatchedChild {
  readonly number: number
  /** Another one is to take its place. */
  retires = false

  constructor(number: number, ...watched: ConstructorParameters<typeof WatchedChild>) {
    super(...watched)
    this.number = number
  }
}

const names: Readonly<Record<ProcessName, string>> = { control: 'the control plane', data: 'the data plane' }

/** A host that lacks descriptors may have some again after this. */
const linkAgainMs = 500

export class Supervisor {
  /** Resolves with the exit code when everything has ended. */
  readonly ended: Promise<number>
  readonly #ended = Promise.withResolvers<number>()
  readonly #options: SupervisorOptions
  /** Of this server: images of one control plane are read by the data plane that the next one finds. */
  readonly #nameHashKey = makeNameHashKey()
  #state: 'starting' | 'running' | 'replacing' | 'stopping' = 'starting'
  #control: ControlPlane | null = null
  /** In the order of their starts; two while one takes the place of the other. */
  readonly #data = new Set<DataPlane>()
  #dataPlanes = 0
  #held: HeldSockets | null = null
  /** That the processes share, and the same to be read only; null where there can be none. */
  readonly #memory: number | null
  readonly #memoryToRead: number | null
  #backend: ChosenBackend | null = null
  #connections = 0
  /** Where HTTP is bound. */
  #http: ListenAddress | null = null
  readonly #restarting: Readonly<Record<ProcessName, Restarting>>
  readonly #strikes: Readonly<Record<ProcessName, Strikes>> = { control: new Strikes(), data: new Strikes() }
  /** At the signs of life of both. */
  #looking: Disposable | undefined
  #stopTimer: NodeJS.Timeout | undefined
  #exitCode = 0

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.ended = this.#ended.promise
    this.#memory = makeMemory(options)
    this.#memoryToRead = this.#memory === null ? null : readOnly(this.#memory)
    const notStarted = (err: unknown) =>
      options.log.error({ err }, 'a process was not started: it is tried again')
    this.#restarting = {
      control: new Restarting(() => this.#startControl(), notStarted),
      data: new Restarting(() => this.#startData(), notStarted),
    }
  }

  start(): void {
    this.#looking = lookAgainAndAgain((passedMs) => {
      this.#look('control', this.#control, passedMs)
      for (const data of this.#data) this.#look('data', data, passedMs)
    })
    this.#startControl()
  }

  /** Ends everything in order. Idempotent. */
  stop(): void {
    if (this.#state === 'stopping') return
    this.#state = 'stopping'
    this.#looking?.[Symbol.dispose]()
    for (const restarting of Object.values(this.#restarting)) restarting.stop()
    this.#stopTimer = setTimeout(() => {
      this.#options.log.error('stopping took too long')
      this.kill()
    }, this.#options.stopMs)
    // The data plane ends when the control plane says so, which then ends what it was answered by.
    if (this.#control === null) this.#stopData()
    else say(this.#control.child, { kind: 'stop', keepsAnswering: false })
    this.#endIfDone()
  }

  /**
   * Replaces both processes by what is installed now, while DNS is answered.
   *
   * @returns false when there is nothing to replace yet, or they are being replaced or started again
   */
  replace(): boolean {
    if (this.#state !== 'running' || this.#control === null) return false
    this.#state = 'replacing'
    for (const data of this.#data) data.retires = true
    say(this.#control.child, { kind: 'stop', keepsAnswering: true })
    this.#control.endsWithin(this.#options.stopMs)
    return true
  }

  /** Ends everything at once. */
  kill(): void {
    this.#state = 'stopping'
    this.#exitCode = 1
    for (const child of [this.#control?.child, ...[...this.#data].map(({ child }) => child)])
      child?.kill('SIGKILL')
    this.#endIfDone()
  }

  #startControl(): void {
    const { child, memory } = startControl(this.#options.args, this.#memory)
    const control = new ControlPlane(child, this.#strikes.control)
    this.#control = control
    say(child, { kind: 'begin', nameHashKey: this.#nameHashKey, http: this.#http, memory })
    this.#tellRestarts()
    child.on('message', (message: FromControl) => this.#hear(message, control))
    onceEnded(child, (end) => this.#controlEnded(end))
  }

  #look(process: ProcessName, watched: WatchedChild | null, passedMs: number): void {
    const reason = watched?.look(passedMs) ?? null
    if (reason !== null) this.#options.log.error({ reason }, `${names[process]} hangs: it is killed`)
  }

  #hear(message: FromControl, control: ControlPlane): void {
    switch (message.kind) {
      case 'alive':
        // Heard by who watches it.
        break
      case 'open':
        this.#open(control, message.connections)
        break
      case 'serving':
        for (const data of this.#data)
          if (data.number < message.dataPlane) {
            data.retires = true
            say(data.child, { kind: 'stop' })
            data.endsWithin(this.#options.stopMs)
          }
        break
      case 'ready':
        if (this.#state === 'starting') this.#state = 'running'
        this.#http = message.http
        this.#restarting.control.lives()
        break
    }
  }

  #open(control: ControlPlane, connections: number): void {
    const answer = this.#hold()
    if (answer.kind === 'opened') {
      control.opened = true
      this.#connections = connections
    }
    say(control.child, answer)
    if (!control.opened) return
    const serving = [...this.#data].filter(({ retires }) => !retires)
    for (const data of serving) this.#link(control, data)
    if (serving.length === 0) this.#restarting.data.now()
  }

  /** Opens the sockets, unless they are open. */
  #hold(): ToControl {
    const { config, syscalls } = this.#options
    try {
      this.#backend ??= chooseBackend(config.udpBackend).backend
      this.#held ??= holdSockets(syscalls, {
        listen: config.dnsListen,
        udpWorkers: config.workers,
        merged: this.#backend.name === 'batch',
      })
      const { bound, skipped } = this.#held
      return { kind: 'opened', bound, backend: this.#backend, skipped }
    } catch (error) {
      const { code, message } = error as SyscallError | ListenError
      return { kind: 'refused', code, message }
    }
  }

  #startData(): void {
    const number = ++this.#dataPlanes
    this.#tellLiving(number)
    const { compileCache } = this.#options
    const { child, sockets, memory } = startData(this.#held!.sockets, this.#memoryToRead, compileCache)
    const data = new DataPlane(number, child, this.#strikes.data)
    this.#data.add(data)
    say(child, {
      kind: 'begin',
      nameHashKey: this.#nameHashKey,
      sockets,
      udpBackend: this.#backend!.name,
      connections: this.#connections,
      memory,
    })
    onceEnded(child, (end) => this.#dataEnded(data, end))
    if (this.#control?.opened) this.#link(this.#control, data)
  }

  #link(control: ControlPlane, data: DataPlane): void {
    let ends: readonly [Socket, Socket]
    try {
      ends = connectedPair(this.#options.syscalls)
    } catch (err) {
      this.#options.log.error({ err }, 'control plane and data plane were not connected: it is tried again')
      setTimeout(() => {
        if (this.#control === control && this.#data.has(data)) this.#link(control, data)
      }, linkAgainMs).unref()
      return
    }
    const [forControl, forData] = ends
    say(data.child, { kind: 'link' }, forData)
    say(control.child, { kind: 'link', dataPlane: data.number }, forControl)
  }

  #controlEnded({ code, signal, err }: End): void {
    this.#control = null
    switch (this.#state) {
      case 'starting':
        // A control plane that began has said itself why it ended.
        if (err !== undefined) this.#options.log.error({ err }, 'the control plane was not started')
        this.#exitCode = code ?? 1
        this.stop()
        break
      case 'stopping':
        this.#exitCode ||= code ?? 1
        this.#stopData()
        this.#endIfDone()
        break
      case 'replacing':
        this.#state = 'running'
        this.#startControl()
        break
      case 'running':
        this.#options.log.error(
          { code, signal, err },
          'the control plane ended: it is started again, DNS is answered meanwhile',
        )
        this.#restarting.control.again()
        break
    }
  }

  #dataEnded(data: DataPlane, { code, signal, err }: End): void {
    this.#data.delete(data)
    this.#tellLiving()
    if (this.#state === 'stopping') this.#endIfDone()
    else if (!data.retires) {
      this.#options.log.error({ code, signal, err }, 'the data plane ended: it is started again')
      this.#restarting.data.again()
      this.#tellRestarts()
    }
  }

  /** Says which data planes may read the memory. @param begins one that is about to be started */
  #tellLiving(...begins: readonly number[]): void {
    if (this.#memory !== null)
      writeLiving(this.#memory, [...Array.from(this.#data, ({ number }) => number), ...begins])
  }

  #tellRestarts(): void {
    const restarts = { control: this.#restarting.control.count, data: this.#restarting.data.count }
    if (this.#control !== null) say(this.#control.child, { kind: 'restarts', restarts })
  }

  #stopData(): void {
    for (const { child } of this.#data) say(child, { kind: 'stop' })
  }

  #endIfDone(): void {
    if (this.#control !== null || this.#data.size > 0) return
    clearTimeout(this.#stopTimer)
    this.#held?.[Symbol.dispose]()
    this.#ended.resolve(this.#exitCode)
  }
}

function makeMemory({ syscalls, log }: SupervisorOptions): number | null {
  try {
    return createMemory(syscalls)
  } catch (err) {
    log.warn({ err }, 'the processes share no memory: each has its own copy of what is served')
    return null
  }
}
