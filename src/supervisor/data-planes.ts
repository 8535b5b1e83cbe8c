/**
 * The processes that answer DNS: one as a rule, two while one takes the place of the other, none when it has died and the next one is
 * being started.
 */
import type { Socket } from 'node:net'
import { Strikes } from '../dataplane/life/watch.ts'
import type { ChosenBackend } from '../dataplane/listener/backend.ts'
import { type HandoverEnds, openHandover } from '../dataplane/listener/handover.ts'
import type { HeldSockets } from '../dataplane/listener/held-sockets.ts'
import { readOnly } from '../dataplane/listener/shared-memory.ts'
import type { Syscalls } from '../dataplane/listener/syscalls.ts'
import type { FromDataPlaneProcess } from '../dataplane/process/data-plane-process.ts'
import { writeLiving } from '../dataplane/process/living.ts'
import type { NameHashKey } from '../dataplane/wire/name-hash-key-sharing.ts'
import type { Logger } from '../telemetry/log.ts'
import {
  connectedPair,
  type DataPlaneSurroundings,
  type End,
  onceEnded,
  type Starters,
  say,
} from './children.ts'
import type { ControlPlane } from './control-plane.ts'
import type { Outcome } from './replacement.ts'
import { Restarting } from './restarting.ts'
import { WatchedChild } from './watched-child.ts'

export interface DataPlanesOptions {
  readonly syscalls: Syscalls
  readonly log: Logger
  readonly around: DataPlaneSurroundings
  readonly starters: Starters
  readonly nameHashKey: NameHashKey
  /** That the processes share; null for none. */
  readonly memory: number | null
  /** All that the end of one may take. */
  readonly stopMs: number
  /** One has ended, or was started again. */
  readonly onChange: () => void
  /** Replaces all by what is installed now. */
  readonly replace: () => Promise<Outcome>
}

/** What they answer by. */
interface Ground {
  readonly held: HeldSockets
  readonly backend: ChosenBackend
  /** Most open connections over TCP. */
  readonly connections: number
}

class DataPlane extends WatchedChild {
  readonly number: number
  /** Another one is to take its place. */
  retires = false
  /** Of the code that it has loaded; null until it has said so. */
  version: string | null = null

  constructor(number: number, ...watched: ConstructorParameters<typeof WatchedChild>) {
    super(...watched)
    this.number = number
  }
}

/** A host that lacks descriptors may have some again after this; and a process that has closed a connection has ended by then. */
const linkAgainMs = 500

export class DataPlanes {
  readonly #options: DataPlanesOptions
  /** The memory, to be read only. */
  readonly #memoryToRead: number | null
  readonly #handover: HandoverEnds
  /** In the order of their starts. */
  readonly #all = new Set<DataPlane>()
  readonly #strikes = new Strikes()
  readonly #restarting: Restarting
  #last = 0
  #ground: Ground | null = null
  /** The control plane that takes connections to them; null for none. */
  #control: ControlPlane | null = null
  #stopping = false

  constructor(options: DataPlanesOptions) {
    this.#options = options
    this.#memoryToRead = options.memory === null ? null : readOnly(options.memory)
    this.#handover = openHandover(options.syscalls)
    this.#restarting = new Restarting(
      () => this.#start(),
      (err) => options.log.error({ err }, 'a process was not started: it is tried again'),
    )
  }

  get size(): number {
    return this.#all.size
  }

  /** How often one was started again after it had died or hung. */
  get restarts(): number {
    return this.#restarting.count
  }

  /** Whether one gives signs of life, or there is nothing to answer yet. */
  get lives(): boolean {
    return this.#ground === null || [...this.#all].some(({ late }) => !late)
  }

  /** The number of the last one. */
  get last(): number {
    return this.#last
  }

  /** Connects those that stay with a control plane; starts one when there is none. */
  serveFor(control: ControlPlane, ground: Ground): void {
    this.#control = control
    this.#ground = ground
    for (const data of this.#all) {
      if (data.retires || data.version === null || data.version === control.version) continue
      data.retires = true
      const versions = { control: control.version, data: data.version }
      this.#options.log.warn(versions, 'the data plane is of another version: it is replaced')
    }
    const staying = [...this.#all].filter(({ retires }) => !retires)
    // One that is still being loaded is linked when it has been.
    for (const data of staying) if (data.version !== null) this.#link(control, data)
    if (staying.length === 0) this.#restarting.now()
  }

  /** That one takes no more connections. */
  leftBy(control: ControlPlane): void {
    if (this.#control === control) this.#control = null
  }

  /** The next control plane gets others. */
  retire(): void {
    for (const data of this.#all) data.retires = true
  }

  /** One serves all that there is: those before it answer what they have, give it their connections, and end. */
  serves(number: number): void {
    this.#restarting.lives()
    for (const data of this.#all) if (data.number < number) this.#end(data, true)
  }

  /** The control plane has lost its connection to one. It may be about to end. */
  parted(control: ControlPlane, number: number): void {
    const data = [...this.#all].find((each) => each.number === number)
    if (data !== undefined) this.#linkLater(control, data)
  }

  /** One gives signs of life, and does not do what it is told. */
  deaf(number: number): void {
    for (const data of this.#all) {
      if (data.number !== number) continue
      this.#options.log.error('the data plane takes no changes: it is killed')
      data.child.kill('SIGKILL')
    }
  }

  /** Whether there is none of those up to a number. */
  haveEnded(number: number): boolean {
    return ![...this.#all].some((data) => data.number <= number)
  }

  look(passedMs: number): void {
    for (const data of this.#all) {
      const reason = data.look(passedMs)
      if (reason !== null) this.#options.log.error({ reason }, 'the data plane hangs: it is killed')
    }
  }

  /** Starts no more. */
  startNoMore(): void {
    this.#stopping = true
    this.#restarting.stop()
  }

  stop(): void {
    for (const data of this.#all) this.#end(data, false)
  }

  kill(): void {
    for (const { child } of this.#all) child.kill('SIGKILL')
  }

  /** Says which data planes may read the memory. @param begins one that is about to be started */
  #tellLiving(...begins: readonly number[]): void {
    const { memory } = this.#options
    if (memory !== null) writeLiving(memory, [...Array.from(this.#all, ({ number }) => number), ...begins])
  }

  #end(data: DataPlane, passes: boolean): void {
    data.retires = true
    say(data.child, { kind: 'stop', passes })
    const { log, stopMs } = this.#options
    data.endsWithin(stopMs, () => log.error('a data plane took too long to end: it is killed'))
  }

  /** Connections wait for whoever was started last. */
  #tellHeir(): void {
    const heir = [...this.#all].at(-1)
    if (heir !== undefined) say(heir.child, { kind: 'inherit' })
  }

  #start(): void {
    const { held, backend, connections } = this.#ground!
    const { around, nameHashKey, starters } = this.#options
    const number = ++this.#last
    this.#tellLiving(number)
    const { child, given } = starters.data(
      { sockets: held.sockets, handover: this.#handover, memory: this.#memoryToRead },
      around,
    )
    const data = new DataPlane(number, child, this.#strikes)
    this.#all.add(data)
    say(child, { kind: 'begin', nameHashKey, udpBackend: backend.name, connections, ...given })
    child.on('message', (message: FromDataPlaneProcess) => {
      if (message.kind === 'gave') this.#tellHeir()
      else if (message.kind === 'loaded') this.#loaded(data, message.version)
    })
    onceEnded(child, (end) => this.#ended(data, end))
  }

  #loaded(data: DataPlane, version: string): void {
    data.version = version
    const control = this.#control
    if (control === null || data.retires) return
    if (version === control.version) this.#link(control, data)
    else void this.#replaceWith(control, data)
  }

  /** One that was started later than the control plane is of what has been installed since. */
  async #replaceWith(control: ControlPlane, data: DataPlane): Promise<void> {
    const { log, replace } = this.#options
    const versions = { control: control.version, data: data.version }
    log.warn(versions, 'the data plane that was started is of another version: all are replaced')
    const outcome = await replace()
    if (outcome.replaced || this.#control !== control || !this.#all.has(data) || data.retires) return
    log.error({ ...versions, reason: outcome.reason }, 'not replaced: they are connected all the same')
    this.#link(control, data)
  }

  #link(control: ControlPlane, data: DataPlane): void {
    const { log, syscalls } = this.#options
    let ends: readonly [Socket, Socket]
    try {
      ends = connectedPair(syscalls)
    } catch (err) {
      log.error({ err }, 'control plane and data plane were not connected: it is tried again')
      this.#linkLater(control, data)
      return
    }
    const [forControl, forData] = ends
    say(data.child, { kind: 'link' }, forData)
    say(control.child, { kind: 'link', dataPlane: data.number }, forControl)
  }

  #linkLater(control: ControlPlane, data: DataPlane): void {
    setTimeout(() => {
      if (this.#control !== control || !this.#all.has(data) || data.retires) return
      this.#options.log.warn('control plane and data plane had lost each other: they are connected again')
      this.#link(control, data)
    }, linkAgainMs).unref()
  }

  #ended(data: DataPlane, { code, signal, err }: End): void {
    this.#all.delete(data)
    this.#tellLiving()
    if (!this.#stopping && (!data.retires || this.#all.size === 0)) {
      this.#options.log.error({ code, signal, err }, 'the data plane ended: it is started again')
      this.#restarting.again()
    }
    this.#options.onChange()
  }
}
