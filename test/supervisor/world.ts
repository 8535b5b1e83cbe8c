/**
 * The supervisor among processes that the test plays, so that what happens between any two of their words can be arranged. Time is the
 * test's, too.
 */
import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { mock } from 'node:test'
import type { Test } from 'tap'
import { loadSyscalls } from '../../src/dataplane/listener/syscalls.ts'
import type { Order } from '../../src/dataplane/process/data-plane-process.ts'
import type { Outcome } from '../../src/supervisor/replacement.ts'
import { Supervisor } from '../../src/supervisor/supervisor.ts'
import type { FromControl, ToControl } from '../../src/supervisor/words.ts'
import { createLog } from '../../src/telemetry/log.ts'

const http = { host: '127.0.0.1', port: 3000 }
/** No memory is shared: each world would take 64 GiB of addresses for it. */
const syscalls = { ...loadSyscalls(), memfdCreate: () => -1 }
/** No process has it, so nobody is found to hang. */
const pid = 0

export class Played<Said extends { readonly kind: string }> extends EventEmitter {
  readonly pid = pid
  connected = true
  /** What it was told. */
  readonly told: Said[] = []
  isKilled = false

  send(what: Said, handle?: Socket): void {
    this.told.push(what)
    handle?.destroy()
  }

  kill(): void {
    this.isKilled = true
  }

  get over(): boolean {
    return !this.connected
  }

  wasTold(kind: Said['kind']): boolean {
    return this.told.some((what) => what.kind === kind)
  }

  end(code: number | null, signal: NodeJS.Signals | null = null): void {
    this.connected = false
    this.emit('exit', code, signal)
  }

  /** Does the next of what a process does that fails in nothing. @returns whether there was something to do */
  goOn(): boolean {
    if (this.over) return false
    if (this.isKilled) this.end(null, 'SIGKILL')
    else if (this.wasTold('stop' as Said['kind'])) this.end(0)
    else return this.next()
    return true
  }

  next(): boolean {
    return false
  }
}

export class PlayedControl extends Played<ToControl> {
  readonly version: string
  #steps: (() => boolean)[] = [
    () => this.say({ kind: 'prepared', version: this.version }),
    () => this.has('begin') && this.say({ kind: 'bound', http }),
    () => this.say({ kind: 'open', connections: 10 }),
    () => this.has('link') && this.say({ kind: 'serving', dataPlane: this.linked.at(-1)! }),
    () => this.say({ kind: 'ready' }),
  ]
  #served = new Set<number>()

  constructor(version: string) {
    super()
    this.version = version
  }

  /** Numbers of the data planes that it was given connections to. */
  get linked(): number[] {
    return this.told.flatMap((what) => (what.kind === 'link' ? [what.dataPlane] : []))
  }

  /** Whether the data directory is its own. */
  get hasBegun(): boolean {
    return !this.over && this.has('begin')
  }

  get isReady(): boolean {
    return !this.over && this.#steps.length === 0
  }

  has(kind: ToControl['kind']): boolean {
    return this.wasTold(kind)
  }

  say(what: FromControl): boolean {
    if (what.kind === 'serving') this.#served.add(what.dataPlane)
    this.emit('message', what)
    return true
  }

  override next(): boolean {
    const [step] = this.#steps
    // A step may have it told something, and end it.
    if (step !== undefined) {
      if (!step()) return false
      this.#steps = this.#steps.filter((each) => each !== step)
      return true
    }
    const late = this.linked.find((number) => !this.#served.has(number))
    return late !== undefined && this.say({ kind: 'serving', dataPlane: late })
  }
}

export class PlayedData extends Played<Order> {
  readonly version: string
  #loaded = false

  constructor(version: string) {
    super()
    this.version = version
  }

  override next(): boolean {
    if (this.#loaded) return false
    this.#loaded = true
    this.emit('message', { kind: 'loaded', version: this.version })
    return true
  }
}

/** Lets promises go on. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

export class World {
  readonly controls: PlayedControl[] = []
  readonly data: PlayedData[] = []
  /** Told to systemd. */
  readonly notices: string[] = []
  readonly lines: { readonly level: string; readonly msg: string }[] = []
  readonly outcomes: Outcome[] = []
  asked = 0
  ready = 0
  exitCode: number | null = null
  /** What is installed. */
  version = '1.0.0'
  readonly supervisor: Supervisor

  /** Call `mock.timers` yours before. */
  constructor() {
    this.supervisor = new Supervisor({
      config: { dnsListen: [], workers: 1, udpBackend: 'dgram' },
      args: [],
      syscalls,
      activated: {
        sockets: { tcp: [], udp: [] },
        bound: [],
        skipped: [],
        [Symbol.dispose]: () => undefined,
      },
      notifier: { tell: (...words) => this.notices.push(words[0]!), lives: () => undefined },
      log: createLog('info', { write: (text) => this.lines.push(JSON.parse(text)) }),
      around: { compileCache: undefined, loadsOthers: false },
      stopMs: 10_000,
      onReady: () => this.ready++,
      starters: {
        control: () => {
          const child = new PlayedControl(this.version)
          this.controls.push(child)
          return { child: child as unknown as ChildProcess, memory: null }
        },
        data: (given) => {
          const child = new PlayedData(this.version)
          this.data.push(child)
          return { child: child as unknown as ChildProcess, given }
        },
      },
    })
    void this.supervisor.ended.then((code) => {
      this.exitCode = code
    })
    this.supervisor.start()
  }

  get all(): (PlayedControl | PlayedData)[] {
    return [...this.controls, ...this.data].filter(({ over }) => !over)
  }

  replace(): void {
    this.asked++
    void this.supervisor.replace().then((outcome) => this.outcomes.push(outcome))
  }

  /** All that can be done is done, but for what takes longer. */
  async settle(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      await turn()
      mock.timers.tick(0)
      if (!this.all.map((each) => each.goOn()).includes(true) && round > 2) return
    }
    throw new Error('it does not come to rest')
  }

  /** As `settle`, with all the time that anything may take. */
  async rest(): Promise<void> {
    for (let pause = 0; pause < 4; pause++) {
      await this.settle()
      mock.timers.tick(6000)
    }
    await this.settle()
  }

  async running(): Promise<this> {
    await this.settle()
    return this
  }
}

/** @param t whose time it is from now on */
export function ownTime(t: Test): void {
  // Nothing of earlier worlds goes on.
  mock.timers.reset()
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  t.teardown(() => mock.timers.reset())
}
