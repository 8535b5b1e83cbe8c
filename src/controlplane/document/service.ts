/** Services in the document: what they choose among, and how. */
import Type from 'typebox'
import type { Problem } from '../model/errors.ts'
import { allDownPolicies } from '../model/pool.ts'
import { type Choice, type Service, serviceSteers } from '../model/service.ts'
import { formatSeconds } from './duration.ts'
import { Name, Plain, readHostname, Seconds, Share, Whole, Words } from './fields.ts'
import {
  type Body,
  converted,
  either,
  type Form,
  fieldsOf,
  ignored,
  list,
  type ParseNamed,
  type RecordForm,
  type Report,
  record,
  reporter,
  spread,
} from './forms.ts'
import { Geo, type GeoNames, namesOf, placesOf } from './geo.ts'
import { joinPath } from './path.ts'
import { checkFallback, defaultPrefix, HashPrefix, LocationForm } from './steering-fields.ts'

type Times = Pick<Service, 'ttlSeconds' | 'minTtlSeconds'>

const time = fieldsOf<{ ttlSeconds: number; minTtlSeconds: number }>()
const Ttl: Form<Times> = either<Times>(
  converted(
    Seconds,
    (ttlSeconds) => ({ ttlSeconds, minTtlSeconds: null }),
    ({ ttlSeconds }) => ttlSeconds,
  ),
  record(
    { min: time.required('minTtlSeconds', Seconds), max: time.required('ttlSeconds', Seconds) },
    {
      check({ minTtlSeconds: min, ttlSeconds: max }, report) {
        if (min === undefined || max === undefined || min <= max) return
        report(`must not be longer than max (${formatSeconds(min)} > ${formatSeconds(max)})`, 'min')
      },
    },
  ) as Form<Times>,
  {
    title: 'ServiceTtl',
    description:
      'whole seconds, as a number or as a duration such as 30s, 5m or 1h, or an object with min and max',
    isShort: ({ minTtlSeconds }) => minTtlSeconds === null,
  },
)

/** A choice as it is written, with its name under its kind. */
interface ChoiceFields extends Omit<Choice, 'kind' | 'name'> {
  readonly pool: string | null
  readonly service: string | null
}

const plain = { weight: 100, bias: 0, location: null }

const choice = fieldsOf<ChoiceFields>()
const choiceForm: Form<ChoiceFields> = either<ChoiceFields>(
  converted(
    Name,
    (pool) => ({ pool, service: null, ...plain }),
    ({ pool }) => pool!,
  ),
  record({
    pool: choice.optional('pool', Name, null),
    service: choice.optional(
      'service',
      Plain<string>(Type.String({ maxLength: 1024, description: 'the name of a service' })),
      null,
    ),
    weight: choice.optional('weight', Whole(0, 65535), plain.weight),
    bias: choice.optional('bias', Whole(-99, 99), plain.bias),
    location: choice.optional('location', LocationForm, plain.location),
  }),
  {
    title: 'Choice',
    description: 'the name of a pool, or an object with pool or service, and others',
    isShort: ({ pool, weight, bias, location }) =>
      pool !== null && weight === plain.weight && bias === plain.bias && location === plain.location,
  },
)

const Choices: Form<readonly Choice[]> = list(
  converted(
    choiceForm,
    ({ pool, service, ...rest }, path, problems): Choice | undefined => {
      if ((pool === null) === (service === null)) {
        problems.push({ path, message: 'must have one of pool and service' })
        return undefined
      }
      if (pool !== null) return { kind: 'pool', name: pool, ...rest }
      const name = readHostname(service!, joinPath(path, 'service'), problems)
      return name === null ? undefined : { kind: 'service', name, ...rest }
    },
    ({ kind, name, ...rest }) => ({
      pool: kind === 'pool' ? name : null,
      service: kind === 'service' ? name : null,
      ...rest,
    }),
  ),
  { minItems: 1, maxItems: 100 },
  checkChoices,
)

/** No two choices have the same kind and name. */
function checkChoices(choices: readonly (Choice | undefined)[], report: Report): void {
  const seen = new Set<string>()
  for (const [index, choice] of choices.entries()) {
    if (choice === undefined) continue
    const key = `${choice.kind} ${choice.name}`
    if (seen.has(key)) report(`${key} is named twice`, index)
    seen.add(key)
  }
}

/** The settings of a service that have no column of their own in the database. */
type ServiceSettings = Pick<Service, 'geo' | 'hashPrefix' | 'hysteresis'>

/** A service in whose rules choices are still called by their names. */
type ServiceFields = Omit<Service, 'name' | 'geo'> & { readonly geo: GeoNames | null }

const field = fieldsOf<ServiceFields>()
const settings = {
  geo: field.optional('geo', Geo, null),
  hashPrefix: field.optional('hashPrefix', HashPrefix, defaultPrefix),
  hysteresis: field.optional('hysteresis', Share, 0.2),
}
const settingsForm = record(settings, { description: 'an object with the settings of a service' })

const serviceForm: RecordForm<ServiceFields> = record(
  {
    ttl: spread(Ttl, { ttlSeconds: 30, minTtlSeconds: null }, { shown: true }),
    steer: field.shown('steer', Words(serviceSteers), 'failover'),
    pools: field.required('choices', Choices),
    whenAllDown: field.shown('whenAllDown', Words(allDownPolicies), 'serve-all'),
    fallback: field.optional('fallback', Name, null),
    ...settings,
    status: ignored,
  },
  {
    title: 'Service',
    description: 'an object with the fields of a service',
    check(values, report) {
      checkFallback(values, report)
      checkRules(values, report)
    },
  },
)
export const ServiceSchema = serviceForm.schema

/** Rules go with the steering of that name, and the steering with rules; what rules say is of choices that there are. */
function checkRules({ steer, geo, choices }: Partial<ServiceFields>, report: Report): void {
  if (steer === undefined || geo === undefined) return
  if (steer === 'geo' && geo === null) {
    report('is required when steer is geo: which clients get which pools', 'geo')
  } else if (steer !== 'geo' && geo !== null) {
    report('is only for steer: geo', 'geo')
  } else if (geo !== null && choices !== undefined) {
    placesOf(geo, choices, (message, ...steps) => report(message, 'geo', ...steps))
  }
}

/** Settings that have been checked against the service that they belong to, with the places of its choices. */
function placed<S extends Pick<ServiceFields, 'geo'>>(settings: S, choices: readonly Choice[]) {
  return { ...settings, geo: settings.geo && placesOf(settings.geo, choices, () => {}) }
}

export const parseService: ParseNamed<Service> = (name, input, path, problems) => {
  const canonical = readHostname(name, path, problems)
  const fields = serviceForm.parse(input, path, problems)
  if (fields === undefined || canonical === null) return null
  return { name: canonical, ...placed(fields, fields.choices) }
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
  const before = problems.length
  const fields = settingsForm.parse(input, path, problems)
  if (fields === undefined) return null
  checkRules({ ...service, ...fields }, reporter(path, problems))
  return problems.length > before ? null : placed(fields, service.choices)
}

/**
 * The shortest body of a service, but for what says most about it, which is always there.
 *
 * @param whole all of it in the place of the shortest
 */
export function formatService(service: Service, whole = false): Body {
  return serviceForm.format(named(service), whole)
}

/** What is not the default of the settings of a service. */
export function formatServiceSettings(service: ServiceSettings & Pick<Service, 'choices'>): Body {
  return settingsForm.format(named(service))
}

function named<S extends ServiceSettings & Pick<Service, 'choices'>>(service: S) {
  return { ...service, geo: service.geo && namesOf(service.geo, service.choices) }
}
