/**
 * Answers the questions that clients have asked lately by the configuration that is served and by the one that a plan would make of it, and
 * says what would be other. By the code that answers, and with what is known of members now; where chance decides, the shares
 * count that it would come to, so that the same plan on the same sample says the same.
 *
 * It runs in this thread, between other things: for some milliseconds at a time, and for some seconds in all. What has not been
 * replayed by then is left out, which is fair, for questions come in random order.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { types } from '../../../dataplane/wire/constants.ts'
import { formatName } from '../../../dataplane/wire/name.ts'
import { typeName } from '../../../dataplane/wire/rdata.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { Plan } from '../apply.ts'
import { catalogAfter, zoneOf } from '../catalog-after.ts'
import { type ZoneAfter, zonesAfter } from '../zones-after.ts'
import type { ExpectedAnswer } from './answers.ts'
import { isEnough, type ReplayView, viewReplay } from './replay-view.ts'
import { Tally } from './tally.ts'

/** The network of a client: the prefix of its address, and as many octets of that as matter. */
export interface ClientPrefix {
  readonly ipv6: boolean
  readonly bits: number
  readonly octets: Uint8Array
}

/** A question that was asked. */
export interface SampledQuestion {
  /** Questions that it stands for. */
  readonly weight: number
  /** Lower-cased, in wire form. */
  readonly name: Uint8Array
  readonly type: number
  /** Whether it came over TCP. */
  readonly stream: boolean
  readonly network: ClientPrefix
}

/** Questions of the last minutes. */
export interface Sample {
  readonly sinceMs: number | null
  /** Questions that it stands for. */
  readonly seen: number
  readonly questions: Iterable<SampledQuestion>
}

export interface ReplaySources {
  /** Throws `conflict` when none is kept. */
  sample(): Promise<Sample>
  /**
   * Gets ready to answer by two configurations.
   *
   * @param zones those of the second that are others than those that are served; null when all are the same
   */
  ready(before: Catalog, after: Catalog, zones: readonly ZoneAfter[] | null): Promise<Ready>
  /** The countries of clients; null without location data. */
  countriesOf(networks: readonly ClientPrefix[]): Promise<readonly (string | null)[] | null>
  readonly nowMs: () => number
}

export interface Ready {
  before(question: SampledQuestion): readonly ExpectedAnswer[]
  after(question: SampledQuestion): readonly ExpectedAnswer[]
}

/** Of the main thread in one go. */
const goMs = 5
/** In all. */
const patienceMs = 5_000

/** Questions that are the same, but for when and how they came. */
interface Group {
  readonly question: SampledQuestion
  sampled: number
  weight: number
  streams: number
}

/** @param served what this node answers by */
export async function replay(plan: Plan, served: Catalog, sources: ReplaySources): Promise<ReplayView> {
  const { sinceMs, seen, questions } = await sources.sample()
  const groups = grouped(questions)
  const held = groups.reduce((sum, { sampled }) => sum + sampled, 0)
  const countries = await sources.countriesOf(groups.map(({ question }) => question.network))
  const planned = catalogAfter(plan, served)
  const ready = await sources.ready(served, planned, zonesAfter(plan, served, planned))
  const tally = new Tally()
  const endsMs = performance.now() + patienceMs
  let paused = performance.now()
  let streams = 0
  for (const index of shuffled(groups.length)) {
    const { question, ...counts } = groups[index]!
    const name = formatName(question.name).replace(/(?<=.)\.$/, '')
    const asked = {
      name,
      type: question.type === types.any ? 'ANY' : typeName(question.type),
      zone: zoneOf(name, planned.zones) ?? zoneOf(name, served.zones),
      country: countries?.[index] ?? null,
      ...counts,
    }
    tally.add(asked, ready.before(question), ready.after(question))
    streams += counts.streams
    if (performance.now() - paused < goMs) continue
    await turn()
    paused = performance.now()
    if (paused > endsMs) break
  }
  const sampled = tally.all.sampled
  const sample = {
    questions: sampled,
    held,
    standsFor: Math.round(seen),
    overSeconds: sinceMs === null ? null : Math.max(1, Math.round((sources.nowMs() - sinceMs) / 1000)),
    enough: isEnough(sampled),
    overTcp: sampled === 0 ? 0 : Math.round((streams / sampled) * 10_000) / 10_000,
  }
  return viewReplay(tally, sample, countries !== null)
}

function grouped(questions: Iterable<SampledQuestion>): Group[] {
  const groups = new Map<string, Group>()
  for (const question of questions) {
    const { name, type, weight, stream, network } = question
    const octets = Buffer.concat([name, network.octets]).toString('latin1')
    const key = `${octets} ${type} ${network.bits} ${network.ipv6}`
    const group = groups.get(key) ?? { question, sampled: 0, weight: 0, streams: 0 }
    groups.set(key, group)
    group.sampled++
    group.weight += weight
    if (stream) group.streams++
  }
  return [...groups.values()]
}

function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1))
    const index = order[last]!
    order[last] = order[other]!
    order[other] = index
  }
  return order
}
