/** What a replay has found, in shares of questions. */
import type { Move } from './answers.ts'
import type { Changes, ServiceTally, Tally } from './tally.ts'

/** What was replayed. */
export interface ReplayedSample {
  /** Questions that were replayed. */
  readonly questions: number
  /** Questions that the sample holds; more than were replayed when time was up. */
  readonly held: number
  /** Questions that it stands for. */
  readonly standsFor: number
  /** Since the first of them came; null when there is none. */
  readonly overSeconds: number | null
  /** Whether there are enough of them to say anything. */
  readonly enough: boolean
  /** Share of those that came over TCP. */
  readonly overTcp: number
}

export interface ReplayedPool {
  /** Null where nobody answers. */
  readonly pool: string | null
  readonly before: number
  readonly after: number
}

export interface ReplayedMove {
  readonly from: string | null
  readonly to: string | null
  readonly share: number
}

export interface ReplayedService {
  readonly service: string
  /** Questions for it that were replayed. */
  readonly questions: number
  /** Whether there are enough of them to say anything of this service alone. */
  readonly enough: boolean
  /** Of all questions. */
  readonly share: number
  readonly pools: readonly ReplayedPool[]
  /** Of the questions for it, the largest first. */
  readonly moves: readonly ReplayedMove[]
  /** Share of its questions that another member answers first, also one of the same pool. */
  readonly otherMember: number
  /** Where most questions are that move; empty without location data. */
  readonly countries: readonly {
    /** Null for clients of whom it is not known. */
    readonly country: string | null
    /** Of the questions for the service. */
    readonly share: number
    /** Of those of the country. */
    readonly moves: readonly ReplayedMove[]
  }[]
}

/** Shares of some questions that get something else. */
export interface ReplayedChanges {
  /** Of all questions. */
  readonly share: number
  readonly otherRcode: number
  /** Same rcode, but other RRs, or none instead of some, that no service chooses. */
  readonly otherData: number
  readonly otherPool: number
}

export interface ReplayView {
  readonly sample: ReplayedSample
  readonly changes: Omit<ReplayedChanges, 'share'>
  /** Those that are answered otherwise. */
  readonly services: readonly ReplayedService[]
  readonly moreServices: number
  readonly zones: readonly (ReplayedChanges & { readonly zone: string | null })[]
  readonly moreZones: number
  /** Names of which questions get another rcode or other data. */
  readonly names: readonly {
    readonly name: string
    readonly type: string
    /** Of all questions. */
    readonly share: number
    readonly before: string
    readonly after: string
  }[]
  readonly moreNames: number
  /** By where clients are; null without location data. */
  readonly countries: readonly (ReplayedChanges & { readonly country: string | null })[] | null
}

/** Fewer questions say nothing: a share of a half would be known to a tenth. */
const leastQuestions = 100
/** Of a service alone. */
const leastOfService = 30
/** Shares below are no news. */
const leastShare = 0.0005
const most = {
  services: 100,
  zones: 100,
  names: 50,
  countries: 30,
  moves: 10,
  countriesOfService: 5,
} as const

export function isEnough(questions: number): boolean {
  return questions >= leastQuestions
}

/** @param located whether it is known where clients are */
export function viewReplay(tally: Tally, sample: ReplayedSample, located: boolean): ReplayView {
  const whole = tally.all.weight
  const services = [...tally.services].filter(([, each]) => each.otherMember / each.weight >= leastShare)
  services.sort(([, a], [, b]) => b.otherMember - a.otherMember)
  const zones = changed(tally.zones, whole)
  const names = [...tally.names.values()].sort((a, b) => b.weight - a.weight)
  const { share: _, ...changes } = changesOf(tally.all, whole)
  return {
    sample,
    changes,
    services: services
      .slice(0, most.services)
      .map(([service, each]) => viewService(service, each, whole, located)),
    moreServices: Math.max(0, services.length - most.services),
    zones: zones.slice(0, most.zones).map(([zone, each]) => ({ zone, ...changesOf(each, whole) })),
    moreZones: Math.max(0, zones.length - most.zones),
    names: names.slice(0, most.names).map(({ name, type, weight, before, after }) => {
      return { name, type, share: round(weight / whole), before, after }
    }),
    moreNames: Math.max(0, names.length - most.names),
    countries: located
      ? changed(tally.countries, whole)
          .slice(0, most.countries)
          .map(([country, each]) => ({ country, ...changesOf(each, whole) }))
      : null,
  }
}

function viewService(service: string, tally: ServiceTally, whole: number, located: boolean): ReplayedService {
  const countries = [...tally.countries].filter(([, { moves }]) => moves.some(isNews))
  const movedIn = ({ moves, weight }: { moves: readonly Move[]; weight: number }) =>
    moves.reduce((sum, { share }) => sum + share, 0) * weight
  countries.sort(([, a], [, b]) => movedIn(b) - movedIn(a))
  return {
    service,
    questions: tally.sampled,
    enough: tally.sampled >= leastOfService,
    share: round(tally.weight / whole),
    pools: tally.pools.map(({ pool, before, after }) => {
      return { pool: pool || null, before: round(before), after: round(after) }
    }),
    moves: viewMoves(tally.moves),
    otherMember: round(tally.otherMember / tally.weight),
    countries: located
      ? countries.slice(0, most.countriesOfService).map(([country, { weight, moves }]) => {
          return { country, share: round(weight / tally.weight), moves: viewMoves(moves) }
        })
      : [],
  }
}

function viewMoves(moves: readonly Move[]): ReplayedMove[] {
  return moves
    .filter(isNews)
    .slice(0, most.moves)
    .map(({ from, to, share }) => ({ from: from || null, to: to || null, share: round(share) }))
}

const isNews = ({ share }: Move) => share >= leastShare

/** Those of which something is other, most of it first. */
function changed<K>(all: ReadonlyMap<K, Changes>, whole: number): [K, Changes][] {
  const sum = ({ otherRcode, otherData, otherPool }: Changes) => otherRcode + otherData + otherPool
  return [...all]
    .filter(([, each]) => sum(each) / Math.max(each.weight, whole / 1000) >= leastShare)
    .sort(([, a], [, b]) => sum(b) - sum(a))
}

function changesOf({ weight, otherRcode, otherData, otherPool }: Changes, whole: number): ReplayedChanges {
  const share = (part: number) => (weight === 0 ? 0 : round(part / weight))
  return {
    share: whole === 0 ? 0 : round(weight / whole),
    otherRcode: share(otherRcode),
    otherData: share(otherData),
    otherPool: share(otherPool),
  }
}

const round = (share: number) => Math.round(share * 10_000) / 10_000
