import Type, { type Static } from 'typebox'
import type { Problem } from '../errors.ts'
import { allDownPolicies, type Service, serviceSteers } from '../model.ts'
import { formatSeconds } from './duration.ts'
import { durationSeconds, Name, readHostname, Seconds, Words } from './fields.ts'
import { joinPath } from './path.ts'
import { compileCheck } from './schema-check.ts'

export const ServiceSchema = Type.Object(
  {
    ttl: Type.Optional(Seconds()),
    steer: Type.Optional(Words(serviceSteers, ['weighted', 'geo', 'nearest', 'latency', 'hash'])),
    pools: Type.Array(Name(), { minItems: 1, maxItems: 100 }),
    whenAllDown: Type.Optional(Words(allDownPolicies)),
    fallback: Type.Optional(Name()),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a service' },
)
export type ServiceBody = Static<typeof ServiceSchema>

const check = compileCheck(ServiceSchema)

const defaultTtlSeconds = 30

/** The service that a fragment describes; null, and every problem reported, when it is not one. */
export function parseService(
  name: string,
  input: unknown,
  path: string,
  problems: Problem[],
): Service | null {
  const before = problems.length
  const canonical = readHostname(name, path, problems)
  const found = check(input, path)
  problems.push(...found.map((problem) => explainTtlRange(problem, input, path)))
  const bad = new Set(found.map((problem) => problem.path))
  if (bad.has(path)) return null
  const body = input as ServiceBody
  if (!bad.has(joinPath(path, 'pools'))) checkPoolsUnique(body.pools, joinPath(path, 'pools'), problems)
  if (!bad.has(joinPath(path, 'whenAllDown'))) checkFallback(body, joinPath(path, 'fallback'), problems)
  if (canonical === null || problems.length > before) return null
  return {
    name: canonical,
    ttlSeconds: body.ttl === undefined ? defaultTtlSeconds : durationSeconds(body.ttl),
    steer: body.steer ?? 'failover',
    pools: body.pools,
    whenAllDown: body.whenAllDown ?? 'serve-all',
    fallback: body.fallback ?? null,
  }
}

/** `ttl: { min, max }` is a word of the format that this version does not have. */
function explainTtlRange(problem: Problem, input: unknown, path: string): Problem {
  const ttl = (input as { ttl?: unknown } | null)?.ttl
  if (problem.path !== joinPath(path, 'ttl') || typeof ttl !== 'object' || ttl === null) return problem
  return {
    path: problem.path,
    message: 'a ttl with min and max is not supported by this version, which takes one duration',
  }
}

function checkPoolsUnique(pools: readonly unknown[], path: string, problems: Problem[]): void {
  const seen = new Set<unknown>()
  pools.forEach((pool, index) => {
    if (seen.has(pool)) {
      problems.push({ path: joinPath(path, index), message: `pool ${String(pool)} is named twice` })
    }
    seen.add(pool)
  })
}

function checkFallback(body: ServiceBody, path: string, problems: Problem[]): void {
  const wanted = body.whenAllDown === 'fallback'
  if (wanted && body.fallback === undefined) {
    problems.push({ path, message: 'is required when whenAllDown is fallback: the pool to serve then' })
  } else if (!wanted && body.fallback !== undefined) {
    problems.push({ path, message: 'is only for whenAllDown: fallback' })
  }
}

export function formatService(service: Service): ServiceBody {
  return {
    ttl: formatSeconds(service.ttlSeconds),
    steer: service.steer,
    pools: [...service.pools],
    whenAllDown: service.whenAllDown,
    ...(service.fallback === null ? {} : { fallback: service.fallback }),
  }
}
