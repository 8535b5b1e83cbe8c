/** gdnsd's service_types as monitors. */
import { type Body, type Draft, partName } from '../draft.ts'
import { hashOf, numberOf, textOf, textsOf, valueAt } from './values.ts'
import type { VscfHash } from './vscf.ts'

/** Parameters of every type (gdnsd.config(5), SERVICE_TYPES). */
const timing = ['up_thresh', 'ok_thresh', 'down_thresh', 'interval', 'timeout']

/** What a document has at the most of rise, fall and clear. */
const maxCount = 1000

/** The one that gdnsd has besides those that are configured, and that asks nobody. */
const always = 'up'

export class GdnsdMonitors {
  readonly #draft: Draft
  readonly #types: VscfHash | undefined
  readonly #made = new Map<string, string | null>()

  constructor(draft: Draft, types: VscfHash | undefined) {
    this.#draft = draft
    this.#types = types
  }

  /**
   * The monitor that stands for some types, all of which must find a member up.
   *
   * @returns its name, null for members that count as up without being asked
   * @throws SyntaxProblem
   */
  monitorOf(types: readonly string[], place: VscfHash['place']): string | null {
    const asked = [...new Set(types)].filter((type) => type !== always)
    const names = asked.flatMap((type) => this.#one(type, place) ?? [])
    if (names.length <= 1) return names[0] ?? null
    return this.#draft.monitor(
      asked.join('-and-'),
      { type: 'composite', monitors: names, require: 'all' },
      place,
    )
  }

  /** Tells of types that nobody asked for. */
  tellUnused(): void {
    for (const [type, { place }] of this.#types?.entries ?? []) {
      if (!this.#made.has(type))
        this.#draft.leftOut(place, `service_type ${type}`, 'no resource that is carried over uses it')
    }
  }

  #one(type: string, usedAt: VscfHash['place']): string | null {
    const known = this.#made.get(type)
    if (known !== undefined) return known
    const name = this.#make(type, usedAt)
    this.#made.set(type, name)
    return name
  }

  #make(type: string, usedAt: VscfHash['place']): string | null {
    const entry = this.#types?.entries.get(type)
    if (entry === undefined) {
      if (type === 'down') return this.#draft.monitor('down', { type: 'static', state: 'down' }, usedAt)
      this.#draft.leftOut(
        usedAt,
        `service_type ${type}`,
        'it is not defined: members that it would watch count as up',
      )
      return null
    }
    const settings = hashOf(entry.value, `service_type ${type}`)
    const plugin = valueAt(settings, 'plugin')
    const known = plugin === undefined ? '' : textOf(plugin, 'plugin')
    const body = this.#bodyOf(known, type, settings)
    return body === null ? null : this.#draft.monitor(partName(type), body, entry.place)
  }

  #bodyOf(plugin: string, type: string, settings: VscfHash): Body | null {
    switch (plugin) {
      case 'tcp_connect': {
        const port = valueAt(settings, 'port')
        if (port === undefined) break
        this.#tellOthers(type, settings, ['port'])
        return { type: 'tcp', port: numberOf(port, 'port'), ...this.#timing(type, settings) }
      }
      case 'http_status':
        return this.#http(type, settings)
      case 'static':
      case 'null': {
        const state = valueAt(settings, 'state')
        const isUp =
          plugin === 'static' && (state === undefined || textOf(state, 'state').toUpperCase() !== 'DOWN')
        return { type: 'static', state: isUp ? 'up' : 'down' }
      }
      case 'extmon': {
        const cmd = valueAt(settings, 'cmd')
        const words = cmd === undefined ? [] : textsOf(cmd, 'cmd')
        return this.#reported(type, settings, `run it with "pooldns agent": ${words.join(' ')}`)
      }
      case 'extfile': {
        const file = valueAt(settings, 'file')
        const path = file === undefined ? 'its file' : textOf(file, 'file')
        return this.#reported(
          type,
          settings,
          `report what ${path} says, with "pooldns agent" or PUT /v1/pools/POOL/members/MEMBER/report`,
        )
      }
    }
    const why =
      plugin === 'tcp_connect' ? 'it has no port' : `the plugin ${JSON.stringify(plugin)} is not known here`
    this.#draft.leftOut(
      settings.place,
      `service_type ${type}`,
      `${why}: members that it would watch count as up`,
    )
    return null
  }

  #http(type: string, settings: VscfHash): Body {
    const text = (key: string, otherwise: string | null) => {
      const value = valueAt(settings, key)
      return value === undefined ? otherwise : textOf(value, key)
    }
    const codes = valueAt(settings, 'ok_codes')
    const port = valueAt(settings, 'port')
    const host = text('vhost', null)
    this.#tellOthers(type, settings, ['port', 'url_path', 'vhost', 'ok_codes'])
    return {
      type: 'http',
      port: port === undefined ? 80 : numberOf(port, 'port'),
      path: text('url_path', '/'),
      ...(host === null ? {} : { host }),
      expect: { codes: codes === undefined ? [200] : textsOf(codes, 'ok_codes').map(Number) },
      ...this.#timing(type, settings),
    }
  }

  /** Somebody has to say how members are: nothing here runs programs on the server. */
  #reported(type: string, settings: VscfHash, how: string): Body {
    const interval = this.#number(settings, 'interval', 10)
    this.#draft.leftOut(
      settings.place,
      `service_type ${type}`,
      `the server runs no programs and reads no files of others, so members wait for reports, and count as up until the first; ${how}`,
    )
    return { type: 'push', ttl: `${interval * 3}s` }
  }

  #timing(type: string, settings: VscfHash): Body {
    const interval = this.#number(settings, 'interval', 10)
    const timeout = this.#number(settings, 'timeout', interval / 2)
    const count = (key: string, otherwise: number) => {
      const wanted = this.#number(settings, key, otherwise)
      if (wanted > maxCount)
        this.#draft.differs(
          settings.place,
          `service_type ${type}: ${key}`,
          `${wanted} is more than the ${maxCount} that can be had`,
        )
      return Math.min(maxCount, wanted)
    }
    return {
      interval: `${interval}s`,
      timeout: `${Math.min(timeout, interval) * 1000}ms`,
      rise: count('up_thresh', 20),
      fall: count('down_thresh', 10),
      clear: count('ok_thresh', 10),
    }
  }

  #number(settings: VscfHash, key: string, otherwise: number): number {
    const value = valueAt(settings, key)
    return value === undefined ? otherwise : numberOf(value, key)
  }

  #tellOthers(type: string, settings: VscfHash, known: readonly string[]): void {
    for (const [key, { place }] of settings.entries) {
      if (key === 'plugin' || timing.includes(key) || known.includes(key)) continue
      this.#draft.leftOut(place, `service_type ${type}: ${key}`, 'it is not known here')
    }
  }
}
