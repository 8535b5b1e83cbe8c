/**
 * What is answered under each policy in each situation, as a table: the rows are policies, the columns situations, the cells
 * are written as `describeNode` writes them. The types see to it that no cell is missing.
 */
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import type { LastKnownEntries } from '../../../src/controlplane/steering/last-known.ts'
import { choicesOf, type MemberPicture, type World } from './world.ts'

/** Situations of a pool `web`, whose members weigh 40, 30, 20 and 10; a service names it first, and then pool `other`, which is up. */
export const poolSituations = {
  'all up': 'a up, b up, c up, d up',
  'half down': 'a down, b down, c up, d up',
  'three down': 'a down, b down, c down, d up',
  'all down': 'a down, b down, c down, d down',
  'all unknown': 'a unknown, b unknown, c unknown, d unknown',
  'one drained': 'a drained, b up, c up, d up',
  'all drained': 'a drained, b drained, c drained, d drained',
  'one forced up, others down': 'a forced-up, b down, c down, d down',
  'one forced down, others up': 'a forced-down, b up, c up, d up',
  'one drained, one forced down, others down': 'a drained, b forced-down, c down, d down',
  'unknown, one of them once down': 'a unknown, b was-down, c was-up, d unknown',
} as const satisfies Record<string, MemberPicture>
export type PoolSituation = keyof typeof poolSituations

export interface PoolRow {
  readonly policy: string
  readonly settings: Partial<Pool>
  readonly answers: Readonly<Record<PoolSituation, string>>
}

const memberSettings = {
  a: { weight: 40, priority: 1 },
  b: { weight: 30, priority: 1 },
  c: { weight: 20, priority: 2 },
  d: { weight: 10, priority: 2 },
}

/** What pool `web` was answered with when it was up. */
const knownOfWeb: LastKnownEntries = { pools: [['web', ['b', 'c']]], services: [] }

/** The policies of `all`, apart from what is said of situations in which the pool is down. */
const plain = {
  'all up': 'web: a b c d',
  'half down': 'web: c d',
  'three down': 'web: d',
  'all down': 'other: z',
  'all unknown': 'web: a b c d',
  'one drained': 'web: b c d',
  'all drained': 'other: z',
  'one forced up, others down': 'web: a',
  'one forced down, others up': 'web: b c d',
  'one drained, one forced down, others down': 'other: z',
  'unknown, one of them once down': 'web: a b c d',
} as const

export const poolTable: readonly PoolRow[] = [
  { policy: 'all', settings: {}, answers: plain },
  {
    policy: 'all, minUp 0.5',
    settings: { minUp: 0.5 },
    answers: { ...plain, 'three down': 'other: z', 'one forced up, others down': 'other: z' },
  },
  {
    policy: 'all, minUp 1',
    settings: { minUp: 1 },
    answers: {
      ...plain,
      'half down': 'other: z',
      'three down': 'other: z',
      'one forced up, others down': 'other: z',
      'one forced down, others up': 'other: z',
    },
  },
  {
    policy: 'weighted',
    settings: { select: 'weighted' },
    answers: {
      'all up': 'web: a=40 b=30 c=20 d=10',
      'half down': 'web: c=20 d=10',
      'three down': 'web: d=10',
      'all down': 'other: z',
      'all unknown': 'web: a=40 b=30 c=20 d=10',
      'one drained': 'web: b=30 c=20 d=10',
      'all drained': 'other: z',
      'one forced up, others down': 'web: a=40',
      'one forced down, others up': 'web: b=30 c=20 d=10',
      'one drained, one forced down, others down': 'other: z',
      'unknown, one of them once down': 'web: a=40 b=30 c=20 d=10',
    },
  },
  {
    policy: 'failover, a and b first, then c and d',
    settings: { select: 'failover' },
    answers: {
      'all up': 'web: a b',
      'half down': 'web: c d',
      'three down': 'web: d',
      'all down': 'other: z',
      'all unknown': 'web: a b',
      'one drained': 'web: b',
      'all drained': 'other: z',
      'one forced up, others down': 'web: a',
      'one forced down, others up': 'web: b',
      'one drained, one forced down, others down': 'other: z',
      'unknown, one of them once down': 'web: a b',
    },
  },
  {
    policy: 'failover, minUp 1, of c and d 0.5',
    settings: { select: 'failover', minUp: 1, tiers: [{ priority: 2, minUp: 0.5 }] },
    answers: {
      'all up': 'web: a b',
      'half down': 'web: c d',
      'three down': 'web: d',
      'all down': 'other: z',
      'all unknown': 'web: a b',
      'one drained': 'web: b',
      'all drained': 'other: z',
      'one forced up, others down': 'other: z',
      'one forced down, others up': 'web: c d',
      'one drained, one forced down, others down': 'other: z',
      'unknown, one of them once down': 'web: a b',
    },
  },
  {
    policy: 'hash',
    settings: { select: 'hash' },
    answers: {
      'all up': 'web: hash a=40 b=30 c=20 d=10',
      'half down': 'web: hash c=20 d=10',
      'three down': 'web: hash d=10',
      'all down': 'other: z',
      'all unknown': 'web: hash a=40 b=30 c=20 d=10',
      'one drained': 'web: hash b=30 c=20 d=10',
      'all drained': 'other: z',
      'one forced up, others down': 'web: hash a=40',
      'one forced down, others up': 'web: hash b=30 c=20 d=10',
      'one drained, one forced down, others down': 'other: z',
      'unknown, one of them once down': 'web: hash a=40 b=30 c=20 d=10',
    },
  },
  {
    policy: 'unknown counts as down',
    settings: { unknown: 'down' },
    answers: { ...plain, 'all unknown': 'other: z', 'unknown, one of them once down': 'other: z' },
  },
  {
    policy: 'unknown counts as last known',
    settings: { unknown: 'last-known' },
    answers: { ...plain, 'unknown, one of them once down': 'web: a c d' },
  },
  {
    policy: 'whenAllDown serve-all',
    settings: { whenAllDown: 'serve-all' },
    answers: {
      ...plain,
      'all down': 'web: a b c d',
      'all drained': 'web: a b c d',
      'one drained, one forced down, others down': 'web: c d',
    },
  },
  {
    policy: 'whenAllDown serve-all, minUp 1',
    settings: { whenAllDown: 'serve-all', minUp: 1 },
    answers: {
      ...plain,
      'half down': 'web: a b c d',
      'three down': 'web: a b c d',
      'all down': 'web: a b c d',
      'all drained': 'web: a b c d',
      'one forced up, others down': 'web: a b c d',
      'one forced down, others up': 'web: b c d',
      'one drained, one forced down, others down': 'web: c d',
    },
  },
  {
    policy: 'whenAllDown last-known, which was b and c',
    settings: { whenAllDown: 'last-known' },
    answers: {
      ...plain,
      'all down': 'web: b c',
      'all drained': 'web: b c',
      'one drained, one forced down, others down': 'web: c',
    },
  },
  {
    policy: 'whenAllDown fallback, to pool sorry',
    settings: { whenAllDown: 'fallback', fallback: 'sorry' },
    answers: {
      ...plain,
      'all down': 'sorry: s',
      'all drained': 'sorry: s',
      'one drained, one forced down, others down': 'sorry: s',
    },
  },
  {
    policy: 'whenAllDown nodata',
    settings: { whenAllDown: 'nodata' },
    answers: {
      ...plain,
      'all down': 'NODATA',
      'all drained': 'NODATA',
      'one drained, one forced down, others down': 'NODATA',
    },
  },
  {
    policy: 'whenAllDown servfail',
    settings: { whenAllDown: 'servfail' },
    answers: {
      ...plain,
      'all down': 'SERVFAIL',
      'all drained': 'SERVFAIL',
      'one drained, one forced down, others down': 'SERVFAIL',
    },
  },
]

export function poolWorld({ settings }: PoolRow, situation: PoolSituation): World {
  return {
    members: { web: poolSituations[situation], other: 'z up', sorry: 's down' },
    pools: { web: settings },
    memberSettings,
    services: { www: { choices: choicesOf('web', 'other') } },
    known: knownOfWeb,
  }
}

/** Situations of pools `eu`, `us` and `sorry`; a service names the first two. */
export const serviceSituations = {
  'all up': { eu: 'e1 up, e2 up', us: 'u1 up, u2 up' },
  'half of each down': { eu: 'e1 down, e2 up', us: 'u1 up, u2 down' },
  'eu down': { eu: 'e1 down, e2 down', us: 'u1 up, u2 up' },
  'us down': { eu: 'e1 up, e2 up', us: 'u1 down, u2 down' },
  'all down': { eu: 'e1 down, e2 down', us: 'u1 down, u2 down' },
  'all unknown': { eu: 'e1 unknown, e2 unknown', us: 'u1 unknown, u2 unknown' },
  'eu drained': { eu: 'e1 drained, e2 drained', us: 'u1 up, u2 up' },
  'eu drained, us down': { eu: 'e1 drained, e2 drained', us: 'u1 down, u2 down' },
  'eu forced down, us down but u2 forced up': {
    eu: 'e1 forced-down, e2 forced-down',
    us: 'u1 down, u2 forced-up',
  },
  'e1 forced down, others down': { eu: 'e1 forced-down, e2 down', us: 'u1 down, u2 down' },
} as const satisfies Record<string, Record<string, MemberPicture>>
export type ServiceSituation = keyof typeof serviceSituations

export interface ServiceRow {
  readonly policy: string
  readonly settings: Partial<Service>
  /** How pools choose, where the row is about both levels. */
  readonly pools?: Readonly<Record<string, Partial<Pool>>>
  readonly answers: Readonly<Record<ServiceSituation, string>>
}

const both = choicesOf('eu', 'us')

const steered = {
  'all up': 'eu: e1 e2',
  'half of each down': 'eu: e2',
  'eu down': 'us: u1 u2',
  'us down': 'eu: e1 e2',
  'all down': 'eu: e1 e2',
  'all unknown': 'eu: e1 e2',
  'eu drained': 'us: u1 u2',
  'eu drained, us down': 'us: u1 u2',
  'eu forced down, us down but u2 forced up': 'us: u2',
  'e1 forced down, others down': 'eu: e2',
} as const

/** Clients of area 0 prefer eu, those of area 1 have us alone, with `nearest` before eu. */
const located = {
  'all up': 'area 0 [eu: e1 e2], area 1 [us: u1 u2]',
  'half of each down': 'area 0 [eu: e2], area 1 [us: u1]',
  'eu down': 'area 0 [us: u1 u2], area 1 [us: u1 u2]',
  'us down': 'area 0 [eu: e1 e2], area 1 [eu: e1 e2]',
  'all down': 'area 0 [eu: e1 e2], area 1 [us: u1 u2]',
  'all unknown': 'area 0 [eu: e1 e2], area 1 [us: u1 u2]',
  'eu drained': 'area 0 [us: u1 u2], area 1 [us: u1 u2]',
  'eu drained, us down': 'area 0 [us: u1 u2], area 1 [us: u1 u2]',
  'eu forced down, us down but u2 forced up': 'area 0 [us: u2], area 1 [us: u2]',
  'e1 forced down, others down': 'area 0 [eu: e2], area 1 [us: u1 u2]',
} as const

/** The lists are those of the areas. */
const geo = {
  cidr: [],
  asn: [],
  subdivision: [],
  country: [],
  continent: [],
  default: [0, 1],
  beyond: 'none',
} as const

const allDown = (text: string) => ({
  'all down': text,
  'eu drained, us down': text,
  'e1 forced down, others down': text,
})

export const serviceTable: readonly ServiceRow[] = [
  { policy: 'failover', settings: { choices: both }, answers: steered },
  {
    policy: 'failover, minUp 1 in both',
    settings: { choices: both },
    pools: { eu: { minUp: 1 }, us: { minUp: 1 } },
    answers: {
      ...steered,
      'half of each down': 'eu: e1 e2',
      'eu forced down, us down but u2 forced up': 'us: u1 u2',
    },
  },
  {
    policy: 'weighted, 70 to 30',
    settings: { steer: 'weighted', choices: choicesOf('eu 70', 'us 30') },
    answers: {
      ...steered,
      'all up': '70 x [eu: e1 e2], 30 x [us: u1 u2]',
      'half of each down': '70 x [eu: e2], 30 x [us: u1]',
      'all unknown': '70 x [eu: e1 e2], 30 x [us: u1 u2]',
    },
  },
  {
    policy: 'weighted, us a last resort',
    settings: { steer: 'weighted', choices: choicesOf('eu 70', 'us 0') },
    answers: steered,
  },
  {
    policy: 'weighted, both a last resort',
    settings: { steer: 'weighted', choices: choicesOf('eu 0', 'us 0') },
    answers: {
      ...steered,
      'all up': '1 x [eu: e1 e2], 1 x [us: u1 u2]',
      'half of each down': '1 x [eu: e2], 1 x [us: u1]',
      'all unknown': '1 x [eu: e1 e2], 1 x [us: u1 u2]',
    },
  },
  {
    policy: 'hash, 70 to 30',
    settings: { steer: 'hash', choices: choicesOf('eu 70', 'us 30') },
    answers: {
      ...steered,
      'all up': 'hash 70 x [eu: e1 e2], 30 x [us: u1 u2]',
      'half of each down': 'hash 70 x [eu: e2], 30 x [us: u1]',
      'all unknown': 'hash 70 x [eu: e1 e2], 30 x [us: u1 u2]',
    },
  },
  {
    policy: 'geo',
    settings: { steer: 'geo', choices: both, geo },
    answers: { ...located, 'us down': 'area 0 [eu: e1 e2], area 1 [us: u1 u2]' },
  },
  {
    policy: 'geo, beyond default',
    settings: { steer: 'geo', choices: both, geo: { ...geo, beyond: 'default' } },
    answers: located,
  },
  {
    policy: 'geo, whenAllDown servfail',
    settings: { steer: 'geo', choices: both, geo, whenAllDown: 'servfail' },
    answers: {
      ...located,
      'us down': 'area 0 [eu: e1 e2], area 1 [SERVFAIL]',
      ...allDown('SERVFAIL'),
    },
  },
  { policy: 'nearest', settings: { steer: 'nearest', choices: both }, answers: located },
  {
    policy: 'latency, us the faster',
    settings: { steer: 'latency', choices: both },
    answers: {
      ...steered,
      'all up': 'us: u1 u2',
      'half of each down': 'us: u1',
      'all unknown': 'us: u1 u2',
    },
  },
  {
    policy: 'failover, first a service of eu, then us',
    settings: { choices: choicesOf('service inner', 'us') },
    answers: steered,
  },
  {
    policy: 'failover, eu with whenAllDown nodata',
    settings: { choices: both },
    pools: { eu: { whenAllDown: 'nodata' } },
    answers: {
      ...steered,
      'eu down': 'NODATA',
      'eu drained': 'NODATA',
      'eu forced down, us down but u2 forced up': 'NODATA',
      ...allDown('NODATA'),
    },
  },
  {
    policy: 'whenAllDown last-known, which was u1',
    settings: { choices: both, whenAllDown: 'last-known' },
    answers: { ...steered, ...allDown('us: u1') },
  },
  {
    policy: 'whenAllDown fallback, to pool sorry',
    settings: { choices: both, whenAllDown: 'fallback', fallback: 'sorry' },
    answers: { ...steered, ...allDown('sorry: s') },
  },
  {
    policy: 'whenAllDown nodata',
    settings: { choices: both, whenAllDown: 'nodata' },
    answers: { ...steered, ...allDown('NODATA') },
  },
  {
    policy: 'whenAllDown servfail',
    settings: { choices: both, whenAllDown: 'servfail' },
    answers: { ...steered, ...allDown('SERVFAIL') },
  },
]

export function serviceWorld({ settings, pools }: ServiceRow, situation: ServiceSituation): World {
  return {
    members: { ...serviceSituations[situation], sorry: 's down' },
    ...(pools === undefined ? {} : { pools }),
    services: { www: settings, inner: { choices: choicesOf('eu'), whenAllDown: 'serve-all' } },
    known: { pools: [['us', ['u1']]], services: [['www', ['pool us']]] },
    areas: { www: { mapSlot: 3, areas: [[0, 1], [1]] } },
    conditions: { latencyMs: (pool) => (pool === 'us' ? 10 : 20) },
  }
}
