/** Health checks of Route 53 as monitors. A check names what it asks itself, so each member is probed where its check says. */
import { isMap } from '../../../controlplane/document/schema-check.ts'
import type { Body, Draft } from '../draft.ts'
import type { HealthCheck, RecordSet } from './records.ts'

/** How members of a record set are watched. */
export interface Watching {
  readonly monitor: string
  /** Where their check asks; empty for monitors that ask nobody. */
  readonly probe: Body
}

/** How long Route 53 waits: 4 s for the connection and 2 s for the answer, or 10 s for a connection alone. */
const timeoutSeconds = { http: 6, tcp: 10 }

export class Checks {
  readonly #draft: Draft
  readonly #checks: ReadonlyMap<string, HealthCheck>
  /** By the id of the check; null for one that can't be carried over. */
  readonly #made = new Map<string, Watching | null>()
  /** Monitors that ask alike and differ in their port alone are one. */
  readonly #byManner = new Map<string, string>()

  constructor(draft: Draft, checks: ReadonlyMap<string, HealthCheck>) {
    this.#draft = draft
    this.#checks = checks
  }

  /** Null for a set that nobody watches. */
  of({ healthCheck, name, type, alias, place }: RecordSet): Watching | null {
    if (healthCheck === null) return null
    if (alias !== null) {
      this.#draft.leftOut(
        place,
        `${name} ${type}: HealthCheckId ${healthCheck}`,
        'what an alias leads to has no check of its own here',
      )
      return null
    }
    const check = this.#checks.get(healthCheck)
    if (check === undefined) {
      this.#draft.leftOut(
        place,
        `${name} ${type}: HealthCheckId ${healthCheck}`,
        'it is in no file: give the output of "aws route53 list-health-checks" too',
      )
      return null
    }
    return this.#watching(check)
  }

  tellUnused(): void {
    for (const check of this.#checks.values())
      if (!this.#made.has(check.id))
        this.#draft.leftOut(
          check.place,
          `health check ${check.id}`,
          'no record set that is carried over uses it',
        )
  }

  #watching(check: HealthCheck): Watching | null {
    const known = this.#made.get(check.id)
    if (known !== undefined) return known
    // One that leads back to itself finds this.
    this.#made.set(check.id, null)
    const made = this.#make(check)
    this.#made.set(check.id, made)
    return made
  }

  #make(check: HealthCheck): Watching | null {
    const { Disabled, Inverted } = check.config
    if (Disabled === true) {
      const state = Inverted === true ? 'down' : 'up'
      return {
        monitor: this.#draft.monitor(`always-${state}`, { type: 'static', state }, check.place),
        probe: {},
      }
    }
    const watching = this.#plain(check)
    if (watching === null || Inverted !== true) return watching
    const body = { type: 'composite', monitors: [watching.monitor], invert: true }
    return { ...watching, monitor: this.#draft.monitor(`not-${watching.monitor}`, body, check.place) }
  }

  #plain(check: HealthCheck): Watching | null {
    const { Type } = check.config
    switch (Type) {
      case 'HTTP':
      case 'HTTPS':
      case 'HTTP_STR_MATCH':
      case 'HTTPS_STR_MATCH':
        return this.#probing(check, this.#http(check, Type.startsWith('HTTPS')))
      case 'TCP':
        return this.#probing(check, { type: 'tcp', ...this.#timing(check, timeoutSeconds.tcp) })
      case 'CALCULATED':
        return this.#calculated(check)
      case 'CLOUDWATCH_METRIC':
      case 'RECOVERY_CONTROL':
        return this.#reported(check, Type)
    }
    return this.#refuse(check, `the type ${String(Type)} is not known here`)
  }

  /** Somebody has to say how members are. */
  #reported({ id, place }: HealthCheck, type: string): Watching {
    this.#draft.leftOut(
      place,
      `health check ${id} (${type})`,
      'what it goes by is known to AWS alone: members wait for reports (PUT /v1/pools/POOL/members/MEMBER/report), and count as up until the first',
    )
    return { monitor: this.#draft.monitor(`reported-${id}`, { type: 'push', ttl: '3m' }, place), probe: {} }
  }

  #probing(check: HealthCheck, manner: Body): Watching | null {
    const { IPAddress: address, Port, Type } = check.config
    const port = typeof Port === 'number' ? Port : String(Type).startsWith('HTTPS') ? 443 : 80
    if (typeof address !== 'string')
      return this.#refuse(
        check,
        'it asks a host by its name, and members are probed at addresses: give it an IPAddress',
      )
    const key = JSON.stringify(manner)
    let monitor = this.#byManner.get(key)
    if (monitor === undefined) {
      monitor = this.#draft.monitor(`check-${check.id}`, { ...manner, port }, check.place)
      this.#byManner.set(key, monitor)
    }
    return { monitor, probe: { address, port } }
  }

  #http(check: HealthCheck, isTls: boolean): Body {
    const { ResourcePath, FullyQualifiedDomainName, SearchString } = check.config
    if (isTls)
      this.#draft.differs(
        check.place,
        `health check ${check.id}`,
        'Route 53 does not verify certificates, and monitors here do: see "tls" of monitors',
      )
    const path = typeof ResourcePath === 'string' && ResourcePath !== '' ? ResourcePath : '/'
    return {
      type: isTls ? 'https' : 'http',
      path: path.startsWith('/') ? path : `/${path}`,
      ...(typeof FullyQualifiedDomainName === 'string' ? { host: FullyQualifiedDomainName } : {}),
      expect: { codes: ['200-399'], ...(typeof SearchString === 'string' ? { body: SearchString } : {}) },
      ...this.#timing(check, timeoutSeconds.http),
    }
  }

  #timing({ config: { RequestInterval, FailureThreshold } }: HealthCheck, timeout: number): Body {
    const interval = typeof RequestInterval === 'number' ? RequestInterval : 30
    const threshold = typeof FailureThreshold === 'number' ? FailureThreshold : 3
    return {
      interval: `${interval}s`,
      timeout: `${Math.min(timeout, interval)}s`,
      rise: threshold,
      fall: threshold,
    }
  }

  /** Some of several checks, which must ask the same member. */
  #calculated(check: HealthCheck): Watching | null {
    const { ChildHealthChecks, HealthThreshold } = check.config
    const ids = Array.isArray(ChildHealthChecks) ? ChildHealthChecks.map(String) : []
    const children = ids.map((id) => {
      const child = this.#checks.get(id)
      return child === undefined ? null : this.#watching(child)
    })
    const found = children.flatMap((child) => child ?? [])
    const [first] = found
    if (first === undefined || found.length < ids.length)
      return this.#refuse(check, 'not all of its child checks can be carried over')
    if (found.some(({ probe }) => JSON.stringify(probe) !== JSON.stringify(first.probe)))
      return this.#refuse(
        check,
        'its child checks ask several addresses and ports, and a member has one to be probed at',
      )
    const required = typeof HealthThreshold === 'number' ? HealthThreshold : found.length
    if (required === 0)
      return {
        monitor: this.#draft.monitor('always-up', { type: 'static', state: 'up' }, check.place),
        probe: {},
      }
    if (required > found.length)
      return {
        monitor: this.#draft.monitor('always-down', { type: 'static', state: 'down' }, check.place),
        probe: {},
      }
    const body = { type: 'composite', monitors: found.map(({ monitor }) => monitor), require: required }
    return { monitor: this.#draft.monitor(`calculated-${check.id}`, body, check.place), probe: first.probe }
  }

  #refuse({ id, config, place }: HealthCheck, why: string): null {
    const type = isMap(config) ? String(config.Type) : ''
    this.#draft.leftOut(
      place,
      `health check ${id} (${type})`,
      `${why}; record sets with it are never taken out of the answers by it`,
    )
    return null
  }
}
