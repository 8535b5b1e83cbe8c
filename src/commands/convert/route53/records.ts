/** What `aws route53 list-resource-record-sets` and `list-health-checks` print, as it is meant. */
import { isMap, show } from '../../../controlplane/document/schema-check.ts'
import { readYaml, type YamlText } from '../../../controlplane/document/yaml-text.ts'
import { formatName, lowerName, parseName } from '../../../dataplane/wire/name.ts'
import { TextError } from '../../../dataplane/wire/text-error.ts'
import type { Draft, Place } from '../draft.ts'
import type { Input } from '../input.ts'

/** Where and on whose behalf a record set is answered with. */
export type Policy =
  | 'simple'
  | 'weighted'
  | 'failover'
  | 'multivalue'
  | 'geolocation'
  | 'latency'
  | 'geoproximity'
  | 'cidr'

export interface RecordSet {
  /** Absolute, in lower case, without the final dot. */
  readonly name: string
  readonly type: string
  readonly policy: Policy
  /** Names it among those of its name and type; empty for `simple`. */
  readonly id: string
  readonly ttlSeconds: number
  readonly data: readonly string[]
  /** Absolute, with its final dot; null for a set that has data. */
  readonly alias: string | null
  readonly healthCheck: string | null
  /** All of it, for what policies have of their own. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly place: Place
}

export interface HealthCheck {
  readonly id: string
  readonly config: Readonly<Record<string, unknown>>
  readonly place: Place
}

/** Fields of a record set that are read. */
const knownFields = [
  'Name',
  'Type',
  'TTL',
  'ResourceRecords',
  'SetIdentifier',
  'AliasTarget',
  'HealthCheckId',
  'Weight',
  'Failover',
  'MultiValueAnswer',
  'GeoLocation',
  'Region',
  'GeoProximityLocation',
  'CidrRoutingConfig',
]

/** What says that a set has a policy. */
const policies: Readonly<Record<string, Policy>> = {
  Weight: 'weighted',
  Failover: 'failover',
  MultiValueAnswer: 'multivalue',
  GeoLocation: 'geolocation',
  Region: 'latency',
  GeoProximityLocation: 'geoproximity',
  CidrRoutingConfig: 'cidr',
}

/** TTL of an alias to another name of AWS; the documentation of Route 53 says so. */
const aliasTtl = 60

export interface Export {
  readonly sets: readonly RecordSet[]
  readonly checks: ReadonlyMap<string, HealthCheck>
}

export class ExportReader {
  readonly #draft: Draft
  readonly #input: Input
  readonly #sets: RecordSet[] = []
  readonly #checks = new Map<string, HealthCheck>()

  constructor(draft: Draft, input: Input) {
    this.#draft = draft
    this.#input = input
  }

  get found(): Export {
    return { sets: this.#sets, checks: this.#checks }
  }

  /** Reads a file that has one of both lists, or both. */
  async add(file: string): Promise<void> {
    const yaml = readYaml(await this.#input.read(file))
    if (!yaml.ok) {
      for (const { message, place } of yaml.problems)
        this.#input.problem({ file, ...(place ?? { line: 1, column: 1 }) }, message)
      return
    }
    const { input } = yaml
    const lists = isMap(input) ? input : {}
    const { ResourceRecordSets: sets, HealthChecks: checks } = lists
    if (!Array.isArray(sets) && !Array.isArray(checks)) {
      this.#input.problem(
        { file, line: 1, column: 1 },
        'there is neither a list ResourceRecordSets nor a list HealthChecks: this is no output of "aws route53"',
      )
      return
    }
    if (lists.IsTruncated === true || typeof lists.NextToken === 'string')
      this.#input.problem(
        { file, ...yaml.placeOf('') },
        'the list goes on in another one (IsTruncated, NextToken): leave out --max-items',
      )
    for (const [index, set] of (Array.isArray(sets) ? sets : []).entries())
      this.#addSet(set, this.#placer(file, yaml, `ResourceRecordSets[${index}]`))
    for (const [index, check] of (Array.isArray(checks) ? checks : []).entries())
      this.#addCheck(check, this.#placer(file, yaml, `HealthChecks[${index}]`))
  }

  #placer(file: string, yaml: YamlText, path: string) {
    return (field = '') => ({ file, ...yaml.placeOf(field === '' ? path : `${path}.${field}`) })
  }

  #addSet(set: unknown, at: (field?: string) => Place): void {
    const fields = isMap(set) ? set : {}
    const { Name, Type, TTL, ResourceRecords, SetIdentifier, AliasTarget, HealthCheckId } = fields
    const name = typeof Name === 'string' ? nameOf(Name) : null
    if (name === null || typeof Type !== 'string') {
      this.#input.problem(
        at(),
        `a record set has a Name and a Type, and this has ${show(Name)} and ${show(Type)}`,
      )
      return
    }
    const target = isMap(AliasTarget) ? AliasTarget.DNSName : undefined
    const alias = typeof target === 'string' ? nameOf(target) : null
    const records = Array.isArray(ResourceRecords) ? ResourceRecords : []
    const data = records.flatMap((record) =>
      isMap(record) && typeof record.Value === 'string' ? [record.Value] : [],
    )
    if (data.length !== records.length || (data.length === 0) === (alias === null)) {
      this.#input.problem(
        at(),
        `${name} ${Type} has either ResourceRecords, each with a Value, or an AliasTarget with a DNSName`,
      )
      return
    }
    const place = at()
    for (const field of Object.keys(fields))
      if (!knownFields.includes(field))
        this.#draft.leftOut(at(field), `${name} ${Type}: ${field}`, 'it is not known here')
    const chosen = Object.keys(policies).find(
      (field) => fields[field] !== undefined && fields[field] !== false,
    )
    this.#sets.push({
      name,
      type: Type,
      policy: chosen === undefined ? 'simple' : policies[chosen]!,
      id: typeof SetIdentifier === 'string' ? SetIdentifier : '',
      ttlSeconds: typeof TTL === 'number' ? TTL : aliasTtl,
      data,
      alias: alias === null ? null : `${alias}.`,
      healthCheck: typeof HealthCheckId === 'string' ? HealthCheckId : null,
      fields,
      place,
    })
  }

  #addCheck(check: unknown, at: (field?: string) => Place): void {
    const { Id, HealthCheckConfig } = isMap(check) ? check : {}
    if (typeof Id === 'string' && isMap(HealthCheckConfig))
      this.#checks.set(Id, { id: Id, config: HealthCheckConfig, place: at() })
    else this.#input.problem(at(), 'a health check has an Id and a HealthCheckConfig')
  }
}

/** Route 53 writes octets of names in octal: `\052` is an asterisk. Without the final dot; null for what is no name. */
function nameOf(text: string): string | null {
  const decimal = text.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => {
    const octet = Number.parseInt(octal, 8)
    return octet === 42 ? '*' : `\\${String(octet).padStart(3, '0')}`
  })
  try {
    const name = formatName(lowerName(parseName(decimal.endsWith('.') ? decimal : `${decimal}.`)))
    return name === '.' ? '.' : name.slice(0, -1)
  } catch (error) {
    if (error instanceof TextError) return null
    throw error
  }
}
