/**
 * Signals of signed zones (`model/signal.ts`) in the daemon: they end when the parent has a DS, since they have done what they were for; and
 * those are looked at again that a write had to leave for later.
 *
 * One node of a fleet does it, the live one with the least id, as with rollovers. A parent is asked once an hour, or as often as its zone's
 * `propagation` says: a fleet with ten thousand zones that wait for their parents asks three of them a second.
 */
import { askParentDs } from '../controlplane/dnssec/parent-ds.ts'
import { askParentServers } from '../controlplane/dnssec/parent-servers.ts'
import { defaultStaleMs } from '../controlplane/fleet/peers.ts'
import { isUnavailable } from '../controlplane/model/errors.ts'
import { listSigningNodes } from '../controlplane/store/fleet.ts'
import { endSignals, overdueAtOnce, overdueSignals, signallingZones } from '../controlplane/store/signals.ts'
import { ownParentDs } from '../controlplane/store/signing.ts'
import { monotonicClock } from '../controlplane/timing/clock.ts'
import { PollLoop } from '../controlplane/timing/poll-loop.ts'
import { failing, type Ground, type Hearing, seldom } from './announce.ts'

/** Between two looks, if nothing hints at one. */
const everyMs = 10_000
const longestSeconds = 3_600
/** Bounds all of what a parent is asked at a time. */
const askForMs = 30_000
/** Parents that are asked at the same time. */
const mostAtOnce = 16

const by = { actor: 'dnssec', source: 'dnssec', message: null } as const

type Signalling = Awaited<ReturnType<typeof signallingZones>>[number]

export class Bootstraps implements AsyncDisposable {
  readonly #ground: Ground
  readonly #loop: PollLoop
  /** When each parent is to be asked, by the steady clock. Bounded by the zones that have signals. */
  readonly #nextMs = new Map<string, number>()
  /** The last zone that was followed up in this round; empty where one begins. */
  #followedUp = ''

  /** It is tried again with each round. */
  readonly #tellFailed: (error: unknown) => void

  constructor(ground: Ground) {
    this.#ground = ground
    this.#tellFailed = seldom(failing(ground.log, 'signals of a signed zone were not followed up'))
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => everyMs,
      onError: failing(ground.log, 'signals of signed zones were not looked at'),
    })
  }

  readonly hears: Hearing<'bootstraps'> = { 'database-available': () => this.#loop.hint() }

  start(): void {
    this.#loop.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop.stop()
  }

  async #look(): Promise<boolean> {
    const { database, nodeId } = this.#ground
    if (!database.up) return false
    const { zones, overdue, nodes } = await database.read(async (tx) => ({
      zones: await signallingZones(tx),
      overdue: await overdueSignals(tx, this.#followedUp),
      nodes: await listSigningNodes(tx),
    }))
    const drives = nodes.every(({ id, silentMs }) => id >= nodeId || silentMs > defaultStaleMs)
    if (!drives) return false
    // Where nothing can be done for some, the others have their turn, and those again in the next round.
    const isMoreOverdue = overdue.length === overdueAtOnce
    this.#followedUp = isMoreOverdue ? overdue.at(-1)! : ''
    await this.#followUp(overdue)
    const apexes = new Set(zones.map(({ apex }) => apex))
    for (const apex of this.#nextMs.keys()) if (!apexes.has(apex)) this.#nextMs.delete(apex)
    const nowMs = monotonicClock.nowMs()
    const due = zones.filter(({ apex }) => (this.#nextMs.get(apex) ?? 0) <= nowMs).slice(0, mostAtOnce)
    await Promise.all(due.map((zone) => this.#ask(zone)))
    // Others may be due.
    return isMoreOverdue || due.length === mostAtOnce
  }

  /** One that can't be followed up keeps no other from it. */
  async #followUp(children: readonly string[]): Promise<void> {
    if (children.length === 0) return
    try {
      await this.#ground.database.write(by, async (write) => {
        for (const child of children) write.concernsSignals({ child })
      })
    } catch (error) {
      if (isUnavailable(error)) throw error
      if (children.length === 1) this.#tellFailed(error)
      else for (const child of children) await this.#followUp([child])
    }
  }

  async #ask(zone: Signalling): Promise<void> {
    const { apex, propagationSeconds } = zone
    const { database, log } = this.#ground
    this.#nextMs.set(apex, monotonicClock.nowMs() + Math.min(longestSeconds, propagationSeconds) * 1000)
    const signal = AbortSignal.any([this.#ground.signal, this.#loop.signal, AbortSignal.timeout(askForMs)])
    if (!(await this.#hasDs(zone, signal)) || this.#loop.signal.aborted) return
    await database.write(by, (write) => endSignals(write, apex))
    log.info({ zone: apex }, 'the parent of a zone has a DS: the signals for it end')
  }

  async #hasDs({ apex, parentServers }: Signalling, signal: AbortSignal): Promise<boolean> {
    const { database, config } = this.#ground
    const own = await database.read((tx) => ownParentDs(tx, apex))
    if (own !== null && own > 0) return true
    if (parentServers.length > 0) {
      const servers = parentServers.map((address) => ({ name: address, addresses: [address] }))
      const said = await askParentServers(apex, servers, signal)
      // Who has none yet would still go by the signals.
      return said.every((server) => 'records' in server && server.records.length > 0)
    }
    return (await askParentDs(apex, config.resolvers, signal)).kind === 'found'
  }
}
