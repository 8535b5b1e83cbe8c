/**
 * What a gradual change moves, of all that a document changes. It moves weights and nothing else: going back takes
 * back what it has done, and whoever reads a step need not ask what came with it. So a document that changes anything besides is
 * refused; parts that stay the same and are only written in another way, or come into somebody's files, do so with the first step.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Body } from '../document/forms.ts'
import { joinPath } from '../document/path.ts'
import { formatPool } from '../document/pool.ts'
import { formatService } from '../document/service.ts'
import { poolWeights, reweighPool, reweighService, serviceWeights } from '../gradual/parts.ts'
import { weightsAt } from '../gradual/weights.ts'
import type { Problem } from '../model/errors.ts'
import type { GradualFragments, GradualPart } from '../model/gradual.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { ZoneHead } from '../model/zone.ts'
import { bodyOf } from '../store/stored.ts'
import type { PartChange, Target } from './target.ts'

/** Weights that one change has: each step writes all of them, and every node looks at them. */
const mostWeights = 1_000

interface Move<T> {
  readonly part: GradualPart
  readonly fragments: GradualFragments
  /** As it is with the weights of the first step. */
  readonly change: PartChange<T>
}

type Weights<T> = (value: T) => readonly (readonly [key: string, weight: number])[]

interface Telling<T> {
  readonly kind: GradualPart['kind']
  readonly isWeighted: (value: T) => boolean
  readonly weights: Weights<T>
  /** The same without its weights. */
  readonly rest: (value: T) => unknown
  readonly format: (value: T) => Body
  readonly reweigh: typeof reweighService | typeof reweighPool
}

const service: Telling<Service> = {
  kind: 'service',
  isWeighted: ({ steer }) => steer === 'weighted',
  weights: serviceWeights,
  rest: ({ choices, ...rest }) => [rest, choices.map(({ weight: _, ...choice }) => choice)],
  format: (value) => formatService(value),
  reweigh: reweighService,
}

const pool: Telling<Pool> = {
  kind: 'pool',
  isWeighted: ({ select }) => select === 'weighted',
  weights: poolWeights,
  // Their order says nothing.
  rest: ({ members, ...rest }) => [
    rest,
    members.map(({ weight: _, ...member }) => member).sort((a, b) => (a.name < b.name ? -1 : 1)),
  ],
  format: formatPool,
  reweigh: reweighPool,
}

/**
 * The first step of what a target comes to, at so many percent of the way. Its problems say what can't be moved gradually.
 *
 * @param target of a document
 */
export function firstStep(target: Target, percent: number): Target {
  const problems: Problem[] = [...target.problems]
  const services = target.services.map((change) => moveOf(change, service, percent, problems))
  const pools = target.pools.map((change) => moveOf(change, pool, percent, problems))
  for (const change of target.feeds) if (!staysTheSame(change)) refuse(problems, 'feeds', change.name)
  for (const change of target.monitors) if (!staysTheSame(change)) refuse(problems, 'monitors', change.name)
  for (const { rrsets, ...change } of target.zones) {
    const before = change.before === null ? null : { ...change.before, value: headOf(change.before.value) }
    if (rrsets.length > 0 || !staysTheSame({ ...change, before })) refuse(problems, 'zones', change.name)
  }
  const moves = [...services, ...pools].filter((move) => 'part' in move)
  const count = moves.reduce((sum, { part }) => sum + part.weights.length, 0)
  if (count > mostWeights) {
    const message = `has ${count} weights to move, more than ${mostWeights}: move some of them first`
    problems.push({ path: '', message })
  }
  return {
    ...target,
    services: services.map((move) => ('part' in move ? move.change : move)),
    pools: pools.map((move) => ('part' in move ? move.change : move)),
    problems,
    gradual: { parts: moves.map(({ part }) => part), fragments: moves.map(({ fragments }) => fragments) },
  }
}

function refuse(problems: Problem[], kind: string, name: string): void {
  const message =
    'changes in more than weights, which alone are moved gradually: apply that first, without --gradual'
  problems.push({ path: joinPath(kind, name), message })
}

const headOf = ({ apex, soa, ttlSeconds, dnssec }: ZoneHead): ZoneHead => ({ apex, soa, ttlSeconds, dnssec })

function staysTheSame<T>({ before, after }: Pick<PartChange<T>, 'before' | 'after'>): boolean {
  return before !== null && after !== null && isDeepStrictEqual(before.value, after.value)
}

/** How a part moves; the change itself, when it does not. */
function moveOf<T extends { readonly name: string }>(
  change: PartChange<T>,
  telling: Telling<T>,
  percent: number,
  problems: Problem[],
): Move<T> | PartChange<T> {
  const { name, before, after } = change
  const kind = `${telling.kind}s`
  if (staysTheSame(change)) return change
  if (
    before === null ||
    after === null ||
    !isDeepStrictEqual(telling.rest(before.value), telling.rest(after.value))
  ) {
    refuse(problems, kind, name)
    return change
  }
  const path = joinPath(kind, name)
  if (!telling.isWeighted(after.value)) {
    const how = telling.kind === 'service' ? 'steer' : 'select'
    problems.push({ path: `${path}.${how}`, message: 'must be weighted for weights to be moved gradually' })
    return change
  }
  const was = new Map(telling.weights(before.value))
  const weights = telling.weights(after.value).map(([key, weight]) => ({
    key,
    before: was.get(key)!,
    after: weight,
  }))
  for (const side of ['before', 'after'] as const) {
    if (weights.some((weight) => weight[side] > 0)) continue
    problems.push({ path, message: `has no weight above 0 ${side} the change: there are no shares to move` })
    return change
  }
  const part = { kind: telling.kind, name, weights }
  const reweigh = telling.reweigh as unknown as (
    ...given: readonly unknown[]
  ) => NonNullable<PartChange<T>['after']>
  return {
    part,
    fragments: { before: bodyOf(before, telling.format), after: bodyOf(after, telling.format) },
    change: {
      ...change,
      after: reweigh(
        after.value,
        after.written,
        weightsAt(part, percent),
        percent === 100 ? [after.written ?? telling.format(after.value)] : [],
      ),
    },
  }
}
