/** The parts of the configuration whose weights a gradual change moves: what they have now, and with other weights. */
import { isDeepStrictEqual } from 'node:util'
import type { Body } from '../document/forms.ts'
import { formatPool, parsePool } from '../document/pool.ts'
import { isMap } from '../document/schema-check.ts'
import { formatService, parseService } from '../document/service.ts'
import { spellingOf } from '../document/written.ts'
import { type GradualFragments, type GradualPart, partName } from '../model/gradual.ts'
import type { Pool } from '../model/pool.ts'
import type { Choice, Service } from '../model/service.ts'
import { weightsAt } from './weights.ts'

/** The key of a choice among weights. */
export const choiceKey = ({ kind, name }: Pick<Choice, 'kind' | 'name'>) => `${kind} ${name}`

export const serviceWeights = ({ choices }: Service) =>
  choices.map((choice) => [choiceKey(choice), choice.weight] as const)
export const poolWeights = ({ members }: Pool) => members.map(({ name, weight }) => [name, weight] as const)

/** What a part is now; null when it is not there. */
export type Present = { readonly service: Service | null } | { readonly pool: Pool | null }

/** Why the weights of a part are not those that a gradual change has given it; null when they are. */
export function disturbance(part: GradualPart, percent: number, present: Present): string | null {
  const what = partName(part)
  const [value, how, weights] =
    'service' in present
      ? ([present.service, present.service?.steer, serviceWeights] as const)
      : ([present.pool, present.pool?.select, poolWeights] as const)
  if (value === null) return `${what} is there no more`
  if (how !== 'weighted') return `${what} is not weighted any more`
  const expected = weightsAt(part, percent)
  const found = new Map((weights as (value: Service | Pool) => readonly (readonly [string, number])[])(value))
  const sameKeys = found.size === expected.size && [...expected.keys()].every((key) => found.has(key))
  if (!sameKeys) return `${what} has other ${part.kind === 'service' ? 'choices' : 'members'} than before`
  const changed = [...expected].find(([key, weight]) => found.get(key) !== weight)
  return changed === undefined ? null : `somebody else has changed the weights of ${what}`
}

export interface Reweighted<T> {
  readonly value: T
  readonly written: Body | null
}

/** A service with other weights; as it was written, with these in it. */
export function reweighService(
  service: Service,
  written: Body | null,
  weights: ReadonlyMap<string, number>,
  spellings: readonly unknown[],
): Reweighted<Service> {
  const choices = service.choices.map((choice) => ({ ...choice, weight: weights.get(choiceKey(choice))! }))
  const value = { ...service, choices }
  const body = written ?? formatService(service)
  const list = (body.pools as readonly unknown[]).map((entry, index) => {
    const { weight } = choices[index]!
    return isMap(entry) ? { ...entry, weight } : { pool: entry, weight }
  })
  const parse = (each: unknown) => parseService(service.name, each, '', [])
  return spelled(value, [...spellings, { ...body, pools: list }], parse, formatService)
}

/** A pool whose members have other weights. */
export function reweighPool(
  pool: Pool,
  written: Body | null,
  weights: ReadonlyMap<string, number>,
  spellings: readonly unknown[],
): Reweighted<Pool> {
  const members = pool.members.map((member) => ({ ...member, weight: weights.get(member.name)! }))
  const value = { ...pool, members }
  const body = written ?? formatPool(pool)
  const fragments = Object.entries(body.members as Readonly<Record<string, Body>>).map(([name, member]) => [
    name,
    { ...member, weight: weights.get(name) },
  ])
  const parse = (each: unknown) => parsePool(pool.name, each, '', [])
  return spelled(
    value,
    [...spellings, { ...body, members: Object.fromEntries(fragments) }],
    parse,
    formatPool,
  )
}

/** The first spelling that says the value; ours, when none does. */
function spelled<T>(
  value: T,
  spellings: readonly unknown[],
  parse: (body: unknown) => T | null,
  format: (value: T) => Body,
): Reweighted<T> {
  const kept = spellings.find((each) => isDeepStrictEqual(parse(each), value))
  return { value, written: kept === undefined ? null : spellingOf(kept, format(value)) }
}

/** How a part was written by whoever gave it the weights of an end of the way; none in between. */
export function endSpellings({ before, after }: GradualFragments, percent: number): readonly unknown[] {
  return percent === 0 ? [before] : percent === 100 ? [after] : []
}
