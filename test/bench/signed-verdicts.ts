/**
 * How long a member that fails stays in signed answers, and one that is well again out of them, by kinds of services and of what goes on
 * meanwhile, beside a thousand others in the same zone. Members are HTTP servers in this process, which note when the response went out that
 * a verdict comes of; a client asks without a pause.
 *
 * A machine that does other things lengthens all of that, so the CPU time of the control plane is measured as well (`turns.ts`).
 */
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { processOf } from '../support/processes.ts'
import { type Pooldns, startPooldns } from './contestants.ts'
import { type Cores, divideCores } from './measure.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { type Kind, type KindName, kinds } from './signed-kinds.ts'
import { percentile } from './statistics.ts'
import { significant, type Table } from './table.ts'
import type { Turns } from './turns.ts'
import { zone, zoneBody } from './zone-data.ts'

export const forms = ['unsigned', 'nsec', 'nsec3'] as const
export type Form = (typeof forms)[number]

const crowd = 1000
const crowdPools = 100
const crowdMembers = 4
/** Longer than any that a zone is given while signatures are renewed. */
const longTtlSeconds = 3000
const trials = 20
const intervalMs = 200
/** How long answers are looked at after a verdict. */
const lookMs = 100
const waitMs = 10_000
const largeZone = 'large.test'
const largeZoneRRsets = 100_000

/** Milliseconds from verdicts to answers. */
interface Trial {
  readonly gone: number
  /** Less what the control plane's thread waited for a processor meanwhile. */
  readonly goneUndisturbed: number
  readonly back: number
}

interface Result {
  readonly form: Form
  readonly kind: KindName
  readonly trials: readonly Trial[]
  readonly turns: Turns
}

class Member implements AsyncDisposable {
  #fails = false
  #told: PromiseWithResolvers<number> = Promise.withResolvers()
  readonly #server: Server

  constructor() {
    this.#server = createServer(({ url }, response) => {
      response.writeHead(this.#fails ? 503 : 200).end()
      if (url === '/watched') this.#told.resolve(performance.now())
    })
  }

  /** Resolves when a response that says so has gone out for the pool that is watched. */
  set(fails: boolean): Promise<number> {
    this.#fails = fails
    this.#told = Promise.withResolvers()
    return this.#told.promise
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

export async function run(
  { folder, cores, signal, report }: ScenarioOptions,
  wanted: readonly KindName[],
): Promise<ScenarioResult> {
  const results: Result[] = []
  for (const form of forms) {
    const file = join(folder, `turns-${form}`)
    await using bed = await Bed.make(form, divideCores(cores, 1), file, signal)
    for (const kind of wanted) {
      signal.throwIfAborted()
      results.push(await bed.measure(kind))
      report(`signed: ${kind}, ${form}: ${lineOf(results.at(-1)!).slice(2).join(' ')}`)
    }
  }
  return { tables: [tableOf(results)], data: results }
}

/** A server with a crowd of services, and members that may fail. */
class Bed implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack
  readonly #form: Form
  readonly #pooldns: Pooldns
  /** Its process. */
  readonly #controlPlane: number
  readonly #members: readonly Member[]
  readonly #ports: readonly number[]
  readonly #client: UdpClient
  readonly #turnsFile: string
  readonly #signal: AbortSignal

  private constructor(
    stack: AsyncDisposableStack,
    form: Form,
    pooldns: Pooldns,
    members: readonly Member[],
    ports: readonly number[],
    client: UdpClient,
    turnsFile: string,
    signal: AbortSignal,
  ) {
    this.#stack = stack
    this.#form = form
    this.#pooldns = pooldns
    this.#controlPlane = processOf(pooldns, 'control')
    this.#members = members
    this.#ports = ports
    this.#client = client
    this.#turnsFile = turnsFile
    this.#signal = signal
  }

  static async make(form: Form, cores: Cores, turnsFile: string, signal: AbortSignal): Promise<Bed> {
    await using stack = new AsyncDisposableStack()
    const env = {
      BENCH_TURNS: turnsFile,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${new URL('./turns.ts', import.meta.url).href}`,
    }
    const pooldns = stack.use(await startPooldns('batch', 1, cores.server, env))
    const members = Array.from({ length: 32 }, () => stack.use(new Member()))
    const ports = await Promise.all(members.map((member) => member.listen()))
    const client = stack.use(await UdpClient.open({ host: '127.0.0.1', port: pooldns.port }))
    const bed = new Bed(stack.move(), form, pooldns, members, ports, client, turnsFile, signal)
    await bed.#put('config', crowdDocument(form))
    return bed
  }

  async measure(name: KindName): Promise<Result> {
    const kind: Kind = kinds[name]
    const names = Array.from({ length: kind.services ?? 1 }, (_, index) => `failing-${index}.${zone}`)
    const others = Array.from({ length: kind.otherPools ?? 0 }, (_, index) => `other-${index}`)
    const inner = `inner.${zone}`
    const pools = kind.nested === true ? [{ service: inner }] : ['failing']
    const ttl = `${longTtlSeconds}s`
    await this.#put('config', {
      pools: {
        failing: this.#pool(kind, 'watched', 1),
        ...Object.fromEntries(others.map((other, index) => [other, this.#pool(kind, 'other', 10 + index)])),
      },
      services: {
        ...(kind.nested === true ? { [inner]: { pools: ['failing'], ttl } } : {}),
        ...Object.fromEntries(names.map((each) => [each, { pools, ttl }])),
        ...Object.fromEntries(others.map((other) => [`${other}.${zone}`, { pools: [other], ttl }])),
      },
    })
    // A pool is not down while one is left, so the first never fails.
    await this.#settled()
    const data: Trial[] = []
    const asked = names.at(-1)!
    {
      await using _meanwhile = this.#meanwhile(kind)
      await this.turns()
      for (let trial = 0; trial < trials; trial++) {
        const first = 1 + ((trial * (kind.atATime ?? 1)) % (kind.members - (kind.atATime ?? 1)))
        data.push(await this.#trial(asked, first, kind.atATime ?? 1))
      }
    }
    const turns = await this.turns()
    // Without those that were put in.
    await this.#put('config?prune=true', crowdDocument(this.#form))
    return { form: this.#form, kind: name, trials: data, turns }
  }

  /** What the control plane has done since this was asked last. */
  async turns(): Promise<Turns> {
    rmSync(this.#turnsFile, { force: true })
    process.kill(this.#controlPlane, 'SIGUSR2')
    for (;;) {
      await delay(20, undefined, { signal: this.#signal })
      try {
        return JSON.parse(readFileSync(this.#turnsFile, 'utf8')) as Turns
      } catch {
        // Not written yet, or not whole.
      }
    }
  }

  async #trial(asked: string, first: number, count: number): Promise<Trial> {
    const members = this.#members.slice(first, first + count)
    const address = addressOf(1, first)
    const told = members.map((member) => member.set(true))
    const gone = await this.#lastOf(asked, told[0]!, (addresses) => addresses.includes(address), lookMs)
    // What comes after the last answer that is wrong is not of interest.
    const again = members.map((member) => member.set(false))
    const back = await this.#lastOf(asked, again[0]!, (addresses) => !addresses.includes(address), null)
    await Promise.all(again)
    await delay(lookMs, undefined, { signal: this.#signal })
    return { gone: gone.ms, goneUndisturbed: gone.ms - gone.waitedMs, back: back.ms }
  }

  /**
   * From a verdict to the last answer that is wrong; 0 for none.
   *
   * @param forMs how long answers are looked at; null: until one is right
   */
  async #lastOf(
    name: string,
    verdict: Promise<number>,
    isWrong: (addresses: readonly string[]) => boolean,
    forMs: number | null,
  ): Promise<{ readonly ms: number; readonly waitedMs: number }> {
    let at: number | null = null
    let waitedFrom = 0
    verdict.then((time) => {
      at = time
      waitedFrom = this.#waitedMs()
    })
    const deadline = performance.now() + waitMs
    let found = { ms: 0, waitedMs: 0 }
    let wrongAt = 0
    for (;;) {
      this.#signal.throwIfAborted()
      this.#client.send(query(name, 'A', { edns: { payload: 4096, flags: 0x8000 } }))
      const { answer } = readResponse(await this.#client.next())
      const now = performance.now()
      if (now > deadline) throw new Error(`${name} is answered wrongly for ${waitMs} ms`)
      if (at === null) continue
      const addresses = answer.filter((line) => / A /.test(line)).map((line) => line.split(' ').at(-1)!)
      if (isWrong(addresses)) {
        wrongAt = now
        found = { ms: now - at, waitedMs: this.#waitedMs() - waitedFrom }
      } else if (forMs === null) return { ...found, ms: now - at }
      if (forMs !== null && now > Math.max(at, wrongAt) + forMs) return found
    }
  }

  /** For a processor, by the thread of the control plane (/proc/PID/schedstat). */
  #waitedMs(): number {
    const pid = this.#controlPlane
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  }

  /** Something that goes on until it is disposed of. */
  #meanwhile({ meanwhile }: Kind): AsyncDisposable {
    const ended = new AbortController()
    const again = async (act: (round: number) => Promise<unknown>, everyMs: number) => {
      for (let round = 0; !ended.signal.aborted; round++) {
        await act(round)
        await delay(everyMs, undefined, { signal: ended.signal }).catch(() => undefined)
      }
    }
    const running = this.#begin(meanwhile, again)
    return {
      [Symbol.asyncDispose]: async () => {
        ended.abort()
        await running
      },
    }
  }

  async #begin(
    meanwhile: Kind['meanwhile'],
    again: (act: (round: number) => Promise<unknown>, everyMs: number) => Promise<void>,
  ): Promise<void> {
    const dnssec = `zones/${zone}/dnssec`
    if (meanwhile === 'edits') {
      await this.#putLargeZone()
      await again(
        (round) => this.#put(`zones/${largeZone}/rrsets/h1/A`, { data: [`10.3.0.${round % 250}`] }),
        50,
      )
    }
    // Each changes every service of the crowd.
    if (meanwhile === 'steps')
      await again(
        (round) => this.#put('config', { services: crowdServices(longTtlSeconds + (round % 2)) }),
        1000,
      )
    if (this.#form === 'unsigned') return
    // Each makes every signature of services anew, as other TTLs are signed, or another algorithm; but a rollover to keys of the same one.
    if (meanwhile === 'renewal')
      await again((round) => this.#put(dnssec, { denial: this.#form, maxTtl: `${1000 + round}s` }), 1000)
    if (meanwhile === 'rollover' || meanwhile === 'algorithm') {
      const keys = meanwhile === 'rollover' ? {} : { algorithm: 15 }
      let rolls = false
      const turn = async () => {
        const [path, json] = rolls ? ['cancel-roll', {}] : ['roll', keys]
        rolls = !rolls
        await this.#pooldns.request(`/v1/${dnssec}/${path}`, { method: 'POST', json })
      }
      await again(turn, 1000)
      if (rolls) await turn()
    }
  }

  async #putLargeZone(): Promise<void> {
    const soa = { mname: `ns1.${largeZone}.`, rname: `hostmaster.${largeZone}.` }
    const hosts = Array.from({ length: largeZoneRRsets }, (_, index) => {
      return {
        name: `h${index}`,
        type: 'A',
        data: [`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`],
      }
    })
    const rrsets = [{ name: '@', type: 'NS', data: ['ns1.example.'] }, ...hosts]
    await this.#put(`zones/${largeZone}`, { soa, ttl: '300s', rrsets })
    if (this.#form === 'unsigned') return
    await this.#put(`zones/${largeZone}/dnssec`, { denial: this.#form })
  }

  #pool({ pool = {}, members }: Kind, monitor: string, third: number) {
    return {
      ...pool,
      monitor,
      members: Object.fromEntries(
        Array.from({ length: members }, (_, index) => {
          const probe = { address: '127.0.0.1', port: this.#ports[index]! }
          return [`m${index}`, { address: addressOf(third, index), probe }]
        }),
      ),
    }
  }

  /** Resolves when everything is signed, as far as it is signed ahead. */
  async #settled(): Promise<void> {
    for (let before = -1; ; ) {
      const made = await this.#pooldns.metric('pooldns_dnssec_signatures_made_total')
      if (made === before) return
      before = made
      await delay(2000, undefined, { signal: this.#signal })
    }
  }

  async #put(path: string, json: object): Promise<void> {
    await (await this.#pooldns.request(`/v1/${path}`, { method: 'PUT', json })).arrayBuffer()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

const addressOf = (third: number, index: number) => `10.6.${third}.${index + 1}`

/** All that is there in each kind. */
function crowdDocument(form: Form) {
  const monitors = Object.fromEntries(
    ['watched', 'other'].map((path) => [
      path,
      { type: 'http', path: `/${path}`, interval: `${intervalMs}ms`, timeout: '150ms', rise: 1, fall: 1 },
    ]),
  )
  const pools = Object.fromEntries(
    Array.from({ length: crowdPools }, (_, pool) => {
      const members = Array.from({ length: crowdMembers }, (_, index) => {
        return [`m${index}`, { address: `10.5.${pool}.${index}` }] as const
      })
      return [`crowd-${pool}`, { answers: 2, members: Object.fromEntries(members) }]
    }),
  )
  const dnssec = form === 'unsigned' ? {} : { dnssec: { denial: form } }
  const zones = { [zone]: { ...zoneBody(), ...dnssec } }
  return { monitors, pools, services: crowdServices(longTtlSeconds), zones }
}

function crowdServices(ttlSeconds: number) {
  return Object.fromEntries(
    Array.from({ length: crowd }, (_, service) => {
      return [`crowd-${service}.${zone}`, { pools: [`crowd-${service % crowdPools}`], ttl: `${ttlSeconds}s` }]
    }),
  )
}

function lineOf({ form, kind, trials, turns }: Result): string[] {
  const of = (pick: (trial: Trial) => number, percent: number) =>
    significant(percentile(Float64Array.from(trials, pick).sort(), percent))
  return [
    kind,
    form,
    ...[50, 90, 100].map((percent) => of(({ gone }) => gone, percent)),
    of(({ goneUndisturbed }) => goneUndisturbed, 100),
    of(({ back }) => back, 50),
    of(({ back }) => back, 100),
    // A member fails, and comes back.
    significant(turns.cpu / (2 * trials.length)),
    significant(turns.longest),
    significant(turns.longestCollection),
  ]
}

function tableOf(results: readonly Result[]): Table {
  return {
    title: `signed: milliseconds from a verdict to answers, beside ${crowd} services in the same zone`,
    columns: [
      'kind',
      'zone',
      'gone: p50',
      'p90',
      'max',
      'max, undisturbed',
      'back: p50',
      'max',
      'CPU a verdict',
      'longest turn',
      'longest collection',
    ],
    rows: results.map(lineOf),
    notes: [
      'Undisturbed: less what the thread of the control plane waited for a processor. A turn: CPU time of that thread at one thing.',
    ],
  }
}
