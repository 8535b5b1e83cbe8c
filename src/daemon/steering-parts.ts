/**
 * What decides answers on this node and hands them to the workers: location data, the planner, the publisher, and what is known of
 * answers that clients still have.
 */
import type { Config } from '../config.ts'
import { explain } from '../controlplane/explain/explain.ts'
import type { AnswerTrace, ExplainQuestion, Explanation } from '../controlplane/explain/explanation.ts'
import { LocationSource } from '../controlplane/location/location-source.ts'
import type { LoadedDatabase } from '../controlplane/location/location-thread.ts'
import type { Resolution } from '../controlplane/model/observation.ts'
import type { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { type DrainedMember, DrainWatch } from '../controlplane/serve/drain-watch.ts'
import { HandedOut } from '../controlplane/serve/handed-out.ts'
import type { ImagePump } from '../controlplane/serve/image-pump.ts'
import { LocationMaps } from '../controlplane/serve/location-maps.ts'
import { type MemberFacts, Planner } from '../controlplane/serve/planner.ts'
import { type PoolChange, PoolWatch } from '../controlplane/serve/pool-watch.ts'
import { Publisher } from '../controlplane/serve/publisher.ts'

export interface SteeringPartsOptions {
  readonly config: Config
  readonly pump: ImagePump
  readonly answers: AnswerCounters
  /** What a client is answered, by this thread's own serving state. */
  readonly explainAnswer: (name: string, type: string, client: string) => AnswerTrace
  readonly facts: MemberFacts
  readonly resolution: (host: string) => Resolution
  readonly onPools: (changes: readonly PoolChange[]) => void
  readonly onDrained: (members: readonly DrainedMember[]) => void
  /** One line, for the log. */
  readonly onProblem: (problem: string) => void
  /** The databases that say where clients are have been read. */
  readonly onLocations: (databases: readonly LoadedDatabase[]) => void
  readonly onError: (what: string) => (error: unknown) => void
  readonly now: () => Date
}

export interface SteeringParts {
  readonly planner: Planner
  readonly publisher: Publisher
  readonly locations: LocationMaps
  readonly source: LocationSource
  readonly pools: PoolWatch
  readonly handedOut: HandedOut
  readonly drains: DrainWatch
  /** What a client is answered, and why. */
  explain(question: ExplainQuestion): Promise<Explanation>
}

/** How often probe times are looked at for services that steer by them. */
const latencyEveryMs = 1000

export function steeringParts(stack: AsyncDisposableStack, options: SteeringPartsOptions): SteeringParts {
  const {
    config,
    pump,
    answers,
    explainAnswer,
    facts,
    resolution,
    onPools,
    onDrained,
    onLocations,
    onProblem,
    onError,
    now,
  } = options
  const stopping = new AbortController()
  stack.defer(() => stopping.abort(new Error('the daemon is stopping')))
  const source: LocationSource = stack.use(
    new LocationSource({
      paths: config.locationDatabases,
      onChange: relocate,
      onLoaded: onLocations,
      onProblem,
    }),
  )
  const locations = new LocationMaps({
    areas: (request, signal) => source.areas(request, signal),
    onProblem,
  })
  const pools = new PoolWatch()
  const handedOut = new HandedOut(now)
  const drains = stack.use(
    new DrainWatch({ state: (pool, member) => handedOut.state(pool, member), onDrained, now }),
  )
  const planner = stack.use(
    new Planner({
      answers,
      facts,
      resolution,
      locations,
      now,
      onRamp: (names) => void publisher.refresh(names),
    }),
  )
  const publisher = new Publisher({
    pump,
    planner,
    locations,
    handedOut,
    pools,
    onPools,
    onServed: () => drains.look(),
    onError: (what, error) => onError(what)(error),
  })
  const timer = setInterval(() => void publisher.refreshLatencies(), latencyEveryMs).unref()
  stack.defer(() => clearInterval(timer))

  /** Other location data, other areas. */
  function relocate(): void {
    locations
      .renew(() => publisher.catalog, stopping.signal)
      .then((maps) => (maps === null ? undefined : publisher.relocate(maps)))
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) onError('location maps were not made anew')(error)
      })
  }

  return {
    planner,
    publisher,
    locations,
    source,
    pools,
    handedOut,
    drains,
    explain: (question) =>
      explain(question, {
        publisher,
        answer: ({ name, type, client }) => explainAnswer(name, type, client),
        judge: (pool) => planner.begin().judge(pool.name),
        resolution,
        placeOf: (address, signal) => source.placeOf(address, signal),
        now,
      }),
  }
}
