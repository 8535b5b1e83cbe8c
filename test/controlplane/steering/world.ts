/**
 * Pools and services in a few words, and what they are answered with as text.
 *
 * Members are words, one each: `up`, `down`, `unknown`, `was-up` and `was-down` (unknown now, but once measured), `near` (up, with
 * failures counting), `forced-up` (though down), `forced-down` and `drained` (though up), `lost` (a host without addresses).
 */
import type { HealthState, Resolution } from '../../../src/controlplane/model/observation.ts'
import type { OverrideState } from '../../../src/controlplane/model/override.ts'
import type { Member, Pool } from '../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import type { Conditions } from '../../../src/controlplane/steering/judge.ts'
import type { LastKnownEntries } from '../../../src/controlplane/steering/last-known.ts'
import { toPlan } from '../../../src/controlplane/steering/plan.ts'
import { Round, type Situation } from '../../../src/controlplane/steering/select.ts'
import type { Selection, ServiceAreas } from '../../../src/controlplane/steering/selection.ts'
import type { AnswerNode, PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { memberDefaults, poolDefaults, serviceDefaults } from '../model/defaults.ts'

export const memberWords = [
  'up',
  'down',
  'unknown',
  'was-up',
  'was-down',
  'near',
  'forced-up',
  'forced-down',
  'drained',
  'lost',
] as const
export type MemberWord = (typeof memberWords)[number]

const measured: Readonly<Record<MemberWord, HealthState>> = {
  up: 'up',
  down: 'down',
  unknown: 'unknown',
  'was-up': 'unknown',
  'was-down': 'unknown',
  near: 'up',
  'forced-up': 'down',
  'forced-down': 'up',
  drained: 'up',
  lost: 'up',
}
const forced: Readonly<Partial<Record<MemberWord, OverrideState>>> = {
  'forced-up': 'up',
  'forced-down': 'down',
  drained: 'drain',
}

/** Members with their words, such as `a up, b down`. */
export type MemberPicture = string

function parseMembers(picture: MemberPicture): [string, MemberWord][] {
  if (picture === '') return []
  return picture.split(', ').map((text) => {
    const [name, word] = text.split(' ')
    if (!memberWords.includes(word as MemberWord)) throw new Error(`${text} is no member`)
    return [name!, word as MemberWord]
  })
}

/** Settings of members, by name. */
type MemberChanges = Readonly<
  Record<string, Partial<Pick<Member, 'weight' | 'weightFeed' | 'shed' | 'priority'>>>
>

export interface World {
  readonly members: Readonly<Record<string, MemberPicture>>
  readonly pools?: Readonly<Record<string, Partial<Pool>>>
  readonly memberSettings?: MemberChanges
  /** By name; the one to ask is `www`. */
  readonly services: Readonly<Record<string, Partial<Service>>>
  readonly known?: LastKnownEntries
  readonly areas?: Readonly<Record<string, ServiceAreas>>
  readonly conditions?: Partial<Conditions>
}

/** Addresses by the order of members: 192.0.2.1 and on. */
export function buildPool(
  name: string,
  picture: MemberPicture,
  changes: Partial<Pool> = {},
  settings: MemberChanges = {},
): Pool {
  const members = parseMembers(picture).map(([member, word], index): Member => {
    const common = { name: member, ...memberDefaults, ...settings[member] }
    return word === 'lost'
      ? { ...common, address: null, host: `${member}.test.` }
      : { ...common, address: `192.0.2.${index + 1}`, host: null }
  })
  return { name, ...poolDefaults, monitor: 'web', members, ...changes }
}

export function resolutionOf(host: string): Resolution {
  return { host, state: 'absent', addresses: [], since: new Date(0), expiresAt: null, error: null }
}

export function conditionsOf(pictures: Readonly<Record<string, MemberPicture>>): Conditions {
  const words = new Map(Object.entries(pictures).map(([pool, text]) => [pool, new Map(parseMembers(text))]))
  const word = (pool: string, member: string) => words.get(pool)!.get(member)!
  return {
    measured: (pool, member) => measured[word(pool, member)],
    forced: (pool, member) => forced[word(pool, member)] ?? null,
    lastKnown: (pool, member) => {
      const text = word(pool, member)
      return text === 'was-up' ? 'up' : text === 'was-down' ? 'down' : null
    },
    near: (pool, member) => word(pool, member) === 'near',
    share: () => 1,
    weightPercent: () => null,
    latencyMs: () => null,
    resolution: resolutionOf,
  }
}

export function buildService(name: string, changes: Partial<Service>): Service {
  return { name, ...serviceDefaults, choices: [], ...changes }
}

/** Choices such as `eu`, `us 30` (with a weight) and `service inner`. */
export function choicesOf(...texts: string[]): Service['choices'] {
  return texts.map((text) => {
    const [, service, name, weight] = /^(service )?(\S+)(?: (\d+))?$/.exec(text)!
    const kind = service === undefined ? 'pool' : 'service'
    return { kind, name: name!, weight: Number(weight ?? 100), bias: 0, location: null }
  })
}

export function situationOf(world: World): Situation {
  const pools = Object.entries(world.members).map(([name, text]): [string, Pool] => [
    name,
    buildPool(name, text, world.pools?.[name], world.memberSettings),
  ])
  const services = Object.entries(world.services).map(([name, changes]): [string, Service] => [
    name,
    buildService(name, changes),
  ])
  return {
    asked: 'ipv4',
    pools: new Map(pools),
    services: new Map(services),
    conditions: { ...conditionsOf(world.members), ...world.conditions },
    lastKnown: {
      pools: new Map(world.known?.pools),
      services: new Map(world.known?.services),
      used: new Map(world.known?.services),
    },
    areas: (service) => world.areas?.[service] ?? null,
  }
}

export interface Answered {
  readonly selection: Selection
  readonly plan: PlanNode
  /** See `describeNode`. */
  readonly text: string
  /** `pool/member` by counter. */
  readonly names: readonly string[]
}

export function answer(world: World, asked = 'www'): Answered {
  const situation = situationOf(world)
  const selection = new Round(situation).select(asked)
  const names: string[] = []
  const counterOf = (pool: Pool, member: Member) => names.push(`${pool.name}/${member.name}`) - 1
  const plan = toPlan(selection, { counterOf, resolutionOf: situation.conditions.resolution })
  return { selection, plan, text: describeNode(plan, names), names }
}

/**
 * A plan in words: `eu: e1 e2` (all, in turn), `eu: e1=100 e2=50` (by weight), `eu: hash e1=100 e2=50`, `NODATA`, `SERVFAIL`;
 * `70 x [eu: e1], 30 x [us: u1]` by weight, `hash 70 x [...], ...`, `area 0 [...], area 1 [...]`.
 *
 * @param names `pool/member` by counter
 */
export function describeNode(node: PlanNode, names: readonly string[]): string {
  switch (node.kind) {
    case 'answer':
      return describeLeaf(node, names)
    case 'weighted':
      return node.children.map((child) => `${child.weight} x [${describeNode(child.node, names)}]`).join(', ')
    case 'hash': {
      const children = node.children.map((child) => `${child.weight} x [${describeNode(child.node, names)}]`)
      return `hash ${children.join(', ')}`
    }
    case 'located':
      return node.areas.map((area, index) => `area ${index} [${describeNode(area, names)}]`).join(', ')
  }
}

function describeLeaf({ gives, select, candidates }: AnswerNode, names: readonly string[]): string {
  if (gives === 'servfail') return 'SERVFAIL'
  if (candidates.length === 0) return 'NODATA'
  const pool = names[candidates[0]!.counter]!.split('/')[0]
  const members = candidates.map(({ counter, weight }) => {
    const member = names[counter]!.split('/')[1]
    return select === 'rotate' ? member : `${member}=${weight}`
  })
  return `${pool}: ${select === 'hash' ? 'hash ' : ''}${members.join(' ')}`
}
