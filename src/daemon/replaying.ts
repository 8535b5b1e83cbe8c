/** What replays need of the parts: the sample, and both configurations ready to answer, by the code of the data plane. */
import type { Plan } from '../controlplane/apply/apply.ts'
import type { ExpectedAnswer } from '../controlplane/apply/replay/answers.ts'
import {
  type ClientPrefix,
  type ReplaySources,
  replay,
  type SampledQuestion,
} from '../controlplane/apply/replay/replay.ts'
import type { ReplayView } from '../controlplane/apply/replay/replay-view.ts'
import type { ZoneAfter } from '../controlplane/apply/zones-after.ts'
import type { Catalog } from '../controlplane/catalog/catalog.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { previewPlans } from '../controlplane/serve/preview.ts'
import { PreviewedState, type PreviewedZones } from '../controlplane/serve/previewed-state.ts'
import { ExpectedAnswers } from '../dataplane/answer/expected-answers.ts'
import { unpackSample } from '../dataplane/sample-reader.ts'
import { formatIpv4, formatIpv6 } from '../dataplane/wire/address.ts'
import type { Parts } from './parts.ts'

/** How long is waited for location maps, and again for what is compiled and located. */
const patience = () => AbortSignal.timeout(10_000)
/** Slots of services that are not served yet begin here, beyond those of all that are. */
const firstNewSlot = 1_000_000_000

/** Replays plans, one after the other: each takes a part of this thread's time. */
export function replaying(parts: Parts): (plan: Plan, served: Catalog) => Promise<ReplayView> {
  const sources = replaySources(parts)
  let last: Promise<unknown> = Promise.resolve()
  return (plan, served) => {
    const done = last.then(() => replay(plan, served, sources))
    last = done.catch(() => undefined)
    return done
  }
}

function replaySources(parts: Parts): ReplaySources {
  const { answers, config, dataPlane } = parts
  return {
    nowMs: () => Date.now(),
    async sample() {
      if (!config.sample)
        throw new ControlError('conflict', 'this server keeps no sample of questions: POOLDNS_SAMPLE is off')
      const samples = await dataPlane.sample()
      const began = samples.flatMap(({ sinceMs }) => sinceMs ?? [])
      return {
        sinceMs: began.length === 0 ? null : Math.min(...began),
        seen: samples.reduce((sum, { seen }) => sum + seen, 0),
        questions: samples.flatMap((sample) => [...unpackSample(sample)]),
      }
    },
    ready: (before, after, zones) => ready(parts, before, after, zones),
    countriesOf: (networks) =>
      inTime(answers.source.countriesOf(networks.map(addressOf), patience()), 'the countries of clients'),
  }
}

/** What takes too long is no fault: there is much to do. */
async function inTime<T>(work: Promise<T>, what: string): Promise<T> {
  try {
    return await work
  } catch (error) {
    if ((error as Error | null)?.name !== 'TimeoutError') throw error
    throw new ControlError('unavailable', `${what} can not be had just now: plan again, or without replay`, {
      cause: error,
    })
  }
}

async function ready(
  { answers, configuration, hosts, serving, steeringFeeds }: Parts,
  before: Catalog,
  after: Catalog,
  zones: readonly ZoneAfter[] | null,
) {
  const sources = {
    planner: answers.planner,
    locations: answers.locations,
    resolution: (host: string) => hosts.resolution(host),
    readings: (catalog: Catalog) => steeringFeeds.foresee(catalog),
  }
  const slots = new Slots(configuration.publisher.planSlots.all, after)
  const images = zones === null ? null : await compiled(zones, configuration, slots)
  const plans = {
    before: await inTime(previewPlans(sources, before, patience()), 'the plans of services'),
    after: await inTime(previewPlans(sources, after, patience()), 'the plans of services'),
  }
  const serviceIn = (slot: number) => slots.serviceIn(slot)
  const others: PreviewedZones | null = images === null ? null : { apexes: after.zones.keys(), images }
  return {
    before: answering(new PreviewedState(serving.state, plans.before, serviceIn, null)),
    after: answering(new PreviewedState(serving.state, plans.after, serviceIn, others)),
  }
}

/** Where images name the plans of services: as they do now, and of those to come, beyond that. */
class Slots {
  readonly #bySlot = new Map<number, string>()
  readonly #byName = new Map<string, number>()

  constructor(served: Iterable<readonly [service: string, slot: number]>, after: Catalog) {
    for (const [service, slot] of served) this.#add(service, slot)
    for (const service of after.services.keys())
      if (!this.#byName.has(service)) this.#add(service, firstNewSlot + this.#byName.size)
  }

  serviceIn(slot: number): string | undefined {
    return this.#bySlot.get(slot)
  }

  of(service: string): number {
    return this.#byName.get(service)!
  }

  #add(service: string, slot: number): void {
    this.#bySlot.set(slot, service)
    this.#byName.set(service, slot)
  }
}

async function compiled(
  zones: readonly ZoneAfter[],
  { compiler }: Parts['configuration'],
  slots: Slots,
): Promise<Map<string, SharedArrayBuffer>> {
  const previews = zones.map(({ services, ...zone }) => ({
    ...zone,
    services: services.map((name) => ({ name, slot: slots.of(name) })),
  }))
  const images = new Map<string, SharedArrayBuffer>()
  const compiledOnes = await inTime(compiler.preview(previews, patience()), 'the zones that change')
  for (const [apex, image] of compiledOnes) {
    if (image === null)
      throw new ControlError(
        'unavailable',
        `zone ${apex} can not be tried just now: plan again, or without replay`,
      )
    images.set(apex, image)
  }
  return images
}

function answering(state: PreviewedState): (question: SampledQuestion) => readonly ExpectedAnswer[] {
  const expected = new ExpectedAnswers(state)
  return (question) =>
    expected.of(question).map(({ share, outcome, data, services }) => ({
      share,
      outcome,
      data,
      services: services.map(({ plan, members }) => ({
        service: state.service(plan),
        members: Array.from(members, ([counter, own]) => ({ ...state.member(plan, counter), share: own })),
      })),
    }))
}

/** An address of a network. */
function addressOf({ ipv6, octets }: ClientPrefix): string {
  const address = new Uint8Array(ipv6 ? 16 : 4)
  address.set(octets.subarray(0, address.length))
  return ipv6 ? formatIpv6(address) : formatIpv4(address)
}
