import Type, { type Static } from 'typebox'
import type { Problem } from '../model/errors.ts'
import { allDownPolicies, type ClientPrefix } from '../model/pool.ts'
import { type Choice, type GeoRules, type Service, serviceSteers } from '../model/service.ts'
import { formatSeconds } from './duration.ts'
import { durationSeconds, Name, readHostname, Seconds, Whole, Words } from './fields.ts'
import { formatGeo, Geo, readGeo } from './geo.ts'
import { joinPath } from './path.ts'
import { compileCheck, Either } from './schema-check.ts'
import {
  checkFallback,
  formatHashPrefix,
  HashPrefix,
  hashPrefixFrom,
  LocationSchema,
  locationFrom,
  Share,
} from './steering-fields.ts'

const ttlDescription =
  'whole seconds, as a number or as a duration such as 30s, 5m or 1h, or an object with min and max'

const Ttl = Either(
  Seconds(),
  Type.Object({ min: Seconds(), max: Seconds() }, { additionalProperties: false }),
  ttlDescription,
)

const ChoiceSchema = Either(
  Name(),
  Type.Object(
    {
      pool: Type.Optional(Name()),
      service: Type.Optional(Type.String({ maxLength: 1024, description: 'the name of a service' })),
      weight: Type.Optional(Whole(0, 65535)),
      bias: Type.Optional(Whole(-99, 99)),
      location: Type.Optional(LocationSchema),
    },
    { additionalProperties: false },
  ),
  'the name of a pool, or an object with pool or service, and others',
)
type ChoiceBody = Static<typeof ChoiceSchema>

/** What services have beside their choices that has no column of its own in the database. */
const settingsFields = {
  geo: Type.Optional(Geo),
  hashPrefix: Type.Optional(HashPrefix),
  hysteresis: Type.Optional(Share()),
}

export const ServiceSchema = Type.Object(
  {
    ttl: Type.Optional(Ttl),
    steer: Type.Optional(Words(serviceSteers)),
    pools: Type.Array(ChoiceSchema, { minItems: 1, maxItems: 100 }),
    whenAllDown: Type.Optional(Words(allDownPolicies)),
    fallback: Type.Optional(Name()),
    ...settingsFields,
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a service' },
)
export type ServiceBody = Static<typeof ServiceSchema>

const SettingsSchema = Type.Object(settingsFields, {
  additionalProperties: false,
  description: 'an object with the settings of a service',
})
export type ServiceSettingsBody = Static<typeof SettingsSchema>

/** What `ServiceSettingsBody` says. */
export interface ServiceSettings {
  readonly geo: GeoRules | null
  readonly hashPrefix: ClientPrefix
  readonly hysteresis: number
}

const check = compileCheck(ServiceSchema)
const checkSettings = compileCheck(SettingsSchema)

const defaultTtlSeconds = 30
const defaultWeight = 100
const defaultHysteresis = 0.2

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
  problems.push(...found)
  const bad = new Set(found.map((problem) => problem.path))
  if (bad.has(path)) return null
  const body = input as ServiceBody
  const ttl = readTtl(body.ttl, joinPath(path, 'ttl'), bad, problems)
  const choices = readChoices(body.pools, joinPath(path, 'pools'), bad, problems)
  checkFallback(body, path, bad, problems)
  const geo = choices === null ? null : readGeoOf(body, choices, path, bad, problems)
  if (canonical === null || choices === null || problems.length > before) return null
  return {
    name: canonical,
    ...ttl,
    steer: body.steer ?? 'failover',
    choices,
    ...settingsFrom(body, geo),
    whenAllDown: body.whenAllDown ?? 'serve-all',
    fallback: body.fallback ?? null,
  }
}

/**
 * Only the settings of a service, as `formatServiceSettings` gives them; null, and every problem reported, when it is none.
 *
 * @param service what the settings belong to
 */
export function parseServiceSettings(
  input: unknown,
  service: Pick<Service, 'steer' | 'choices'>,
  path: string,
  problems: Problem[],
): ServiceSettings | null {
  const found = checkSettings(input, path)
  problems.push(...found)
  if (found.length > 0) return null
  const before = problems.length
  const body = input as ServiceSettingsBody
  const geo = readGeoOf({ ...body, steer: service.steer }, service.choices, path, new Set(), problems)
  return problems.length > before ? null : settingsFrom(body, geo)
}

function settingsFrom(body: ServiceSettingsBody, geo: GeoRules | null): ServiceSettings {
  return {
    geo,
    hashPrefix: hashPrefixFrom(body.hashPrefix),
    hysteresis: (body.hysteresis ?? defaultHysteresis) + 0,
  }
}

function readTtl(
  ttl: ServiceBody['ttl'],
  path: string,
  bad: ReadonlySet<string>,
  problems: Problem[],
): Pick<Service, 'ttlSeconds' | 'minTtlSeconds'> {
  if (ttl === undefined) return { ttlSeconds: defaultTtlSeconds, minTtlSeconds: null }
  if (typeof ttl !== 'object') return { ttlSeconds: durationSeconds(ttl), minTtlSeconds: null }
  const [minAt, maxAt] = [joinPath(path, 'min'), joinPath(path, 'max')]
  if (bad.has(path) || bad.has(minAt) || bad.has(maxAt)) return { ttlSeconds: 0, minTtlSeconds: null }
  const [min, max] = [durationSeconds(ttl.min), durationSeconds(ttl.max)]
  if (min > max) {
    const message = `must not be longer than max (${formatSeconds(min)} > ${formatSeconds(max)})`
    problems.push({ path: minAt, message })
  }
  return { ttlSeconds: max, minTtlSeconds: min }
}

/** Null when some can't be read, so that nothing can be said of names in other places. */
function readChoices(
  bodies: readonly ChoiceBody[],
  path: string,
  bad: ReadonlySet<string>,
  problems: Problem[],
): Choice[] | null {
  if (bad.has(path)) return null
  const seen = new Set<string>()
  const choices = bodies.map((body, index) => {
    const at = joinPath(path, index)
    if ([...bad].some((one) => one === at || one.startsWith(`${at}.`))) return null
    const choice = readChoice(body, at, problems)
    if (choice === null) return null
    const { kind, name } = choice
    if (seen.has(`${kind} ${name}`)) problems.push({ path: at, message: `${kind} ${name} is named twice` })
    seen.add(`${kind} ${name}`)
    return choice
  })
  return choices.every((choice) => choice !== null) ? choices : null
}

function readChoice(body: ChoiceBody, path: string, problems: Problem[]): Choice | null {
  const fields = typeof body === 'string' ? { pool: body } : body
  const { pool, service, weight, bias, location } = fields as Exclude<ChoiceBody, string>
  if ((pool === undefined) === (service === undefined)) {
    problems.push({ path, message: 'must have one of pool and service' })
    return null
  }
  const name = pool ?? readHostname(service!, joinPath(path, 'service'), problems)
  if (name === null) return null
  return {
    kind: pool === undefined ? 'service' : 'pool',
    name,
    weight: weight ?? defaultWeight,
    bias: (bias ?? 0) + 0,
    location: locationFrom(location),
  }
}

/** Rules go with the steering of that name, and the steering with rules. */
function readGeoOf(
  body: Pick<ServiceBody, 'steer' | 'geo'>,
  choices: readonly Choice[],
  path: string,
  bad: ReadonlySet<string>,
  problems: Problem[],
): GeoRules | null {
  const at = joinPath(path, 'geo')
  if ([...bad].some((one) => one === joinPath(path, 'steer') || one.startsWith(at))) return null
  if (body.steer !== 'geo') {
    if (body.geo !== undefined) problems.push({ path: at, message: 'is only for steer: geo' })
    return null
  }
  if (body.geo !== undefined) return readGeo(body.geo, choices, at, problems)
  problems.push({ path: at, message: 'is required when steer is geo: which clients get which pools' })
  return null
}

/** The shortest body of a service, but for what says most about it, which is always there. */
export function formatService(service: Service): ServiceBody {
  const { ttlSeconds, minTtlSeconds } = service
  return {
    ttl:
      minTtlSeconds === null
        ? formatSeconds(ttlSeconds)
        : { min: formatSeconds(minTtlSeconds), max: formatSeconds(ttlSeconds) },
    steer: service.steer,
    pools: service.choices.map(formatChoice),
    whenAllDown: service.whenAllDown,
    ...(service.fallback === null ? {} : { fallback: service.fallback }),
    ...formatServiceSettings(service),
  }
}

/** What is not the default of the settings of a service. */
export function formatServiceSettings({
  geo,
  choices,
  hashPrefix,
  hysteresis,
}: ServiceSettings & Pick<Service, 'choices'>): ServiceSettingsBody {
  return {
    ...(geo === null ? {} : { geo: formatGeo(geo, choices) }),
    ...formatHashPrefix(hashPrefix),
    ...(hysteresis === defaultHysteresis ? {} : { hysteresis }),
  }
}

function formatChoice({ kind, name, weight, bias, location }: Choice): ChoiceBody {
  const fields = {
    ...(weight === defaultWeight ? {} : { weight }),
    ...(bias === 0 ? {} : { bias }),
    ...(location === null ? {} : { location: { ...location } }),
  }
  if (kind === 'service') return { service: name, ...fields }
  return Object.keys(fields).length === 0 ? name : { pool: name, ...fields }
}
