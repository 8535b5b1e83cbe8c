/** Resources of gdnsd that hold addresses: simplefo, multifo, weighted and static. Each becomes pools, the ones that go first before. */
import { isIP } from 'node:net'
import { type Body, type Draft, type Place, partName, putNamed } from '../draft.ts'
import type { GdnsdMonitors } from './monitors.ts'
import { booleanOf, numberOf, textOf, textsOf, valueAt } from './values.ts'
import type { VscfHash, VscfValue } from './vscf.ts'

/** Weights above this are made smaller, all of a resource by the same factor. */
const maxWeight = 65_535

const families = ['addrs_v4', 'addrs_v6'] as const
const familyLabels = { addrs_v4: 'v4', addrs_v6: 'v6' } as const

/** Keys that are no labels of addresses. */
const parameters: readonly string[] = ['service_types', 'up_thresh', 'ignore_health', 'multi', 'plugin']

export const addressPlugins = ['simplefo', 'multifo', 'weighted', 'static'] as const
export type AddressPlugin = (typeof addressPlugins)[number]

/** A resource and where its settings come from when it has none itself: the plugin's. */
export interface Resource {
  /** What its pools are named for. */
  readonly name: string
  readonly value: VscfValue
  readonly place: Place
  /** From the most to the least particular. */
  readonly around: readonly VscfHash[]
}

interface Settings {
  readonly monitor: string | null
  readonly threshold: number
  readonly multi: boolean
}

interface Labelled {
  readonly label: string
  readonly value: VscfValue
}

/** What one family of a resource has, or all of it. */
interface Stanza {
  /** `v4`, `v6`; empty for a resource without families. */
  readonly family: string
  readonly settings: Settings
  readonly entries: readonly Labelled[]
}

export class AddressResources {
  readonly #draft: Draft
  readonly #monitors: GdnsdMonitors

  constructor(draft: Draft, monitors: GdnsdMonitors) {
    this.#draft = draft
    this.#monitors = monitors
  }

  /**
   * The pools of a resource, in the order in which they are taken; null when it can't be carried over, which is told.
   *
   * @throws SyntaxProblem
   */
  poolsOf(plugin: AddressPlugin, resource: Resource): string[] | null {
    switch (plugin) {
      case 'static':
        return [this.#single(resource, textOf(resource.value, resource.name), null)]
      case 'simplefo':
        return this.#simplefo(resource)
      case 'multifo':
        return this.#multifo(resource)
      case 'weighted':
        return this.#weighted(resource)
    }
  }

  /** The name of a CNAME, watched as what is around it says. */
  alias(resource: Resource, text: string): string {
    const { monitor } = this.#settings(resource.around, resource.place, resource.name)
    return this.#single(resource, text, monitor)
  }

  #single({ name, place }: Resource, text: string, monitor: string | null): string {
    const settings = { ...(monitor === null ? {} : { monitor }), select: 'all' }
    return this.#draft.pool(name, poolOf(settings, [['1', text, {}]]), place)
  }

  #simplefo(resource: Resource): string[] | null {
    const stanzas = this.#stanzas(resource)
    for (const { entries } of stanzas) {
      const labels = entries.map(({ label }) => label)
      if (labels.length !== 2 || !labels.includes('primary') || !labels.includes('secondary'))
        return this.#refuse(
          resource,
          `it must have primary and secondary, and has ${labels.join(', ') || 'none'}`,
        )
    }
    return bySettings(stanzas).flatMap((group) =>
      ['primary', 'secondary'].map((role) => {
        const members = group.map(({ family, entries }): MemberOf => {
          const entry = entries.find(({ label }) => label === role)!
          return [family || role, textOf(entry.value, role), {}]
        })
        return this.#pool(
          resource,
          suffix(stanzas, group, role),
          group[0]!.settings,
          { select: 'all' },
          members,
        )
      }),
    )
  }

  #multifo(resource: Resource): string[] | null {
    const stanzas = this.#stanzas(resource)
    if (stanzas.some(({ entries }) => entries.length === 0))
      return this.#refuse(resource, 'it has no addresses')
    return bySettings(stanzas).map((group) => {
      const { settings } = group[0]!
      const members = group.flatMap(({ family, entries }) =>
        entries.map(
          ({ label, value }): MemberOf => [
            family === '' ? label : `${family}-${label}`,
            textOf(value, label),
            {},
          ],
        ),
      )
      const body = { select: 'all', minUp: settings.threshold }
      return this.#pool(resource, suffix(stanzas, group), settings, body, members)
    })
  }

  #weighted(resource: Resource): string[] | null {
    const pools: string[] = []
    const stanzas = this.#stanzas(resource)
    if (stanzas.some(({ entries }) => entries.length === 0))
      return this.#refuse(resource, 'it has no addresses')
    for (const stanza of stanzas) {
      const { family, settings, entries } = stanza
      if (entries.some(({ value }) => value.kind === 'hash'))
        return this.#refuse(
          resource,
          'groups of addresses are not known here: an answer holds members of one pool by their own weights',
        )
      const items = entries.map(({ label, value }) => {
        const [target = '', weight = ''] = textsOf(value, label)
        return { label, target, weight: Number(weight) }
      })
      const wrong = items.find(({ weight }) => !Number.isInteger(weight) || weight < 1)
      if (wrong !== undefined) return this.#refuse(resource, `${wrong.label} must be [ address, weight ]`)
      const weights = items.map(({ weight }) => weight)
      const isEven = weights.every((weight) => weight === weights[0])
      if (settings.multi && !isEven)
        return this.#refuse(
          resource,
          'multi = true with different weights is not known here: each address is there in a share of the answers',
        )
      const scaled = this.#scaled(resource, weights)
      const members = items.map(
        ({ label, target }, index): MemberOf => [label, target, { weight: scaled[index] }],
      )
      // With multi and equal weights, all that are up are in every answer.
      const body = {
        select: settings.multi ? 'all' : 'weighted',
        minUp: this.#minUp(resource, settings, weights),
      }
      const label = stanzas.length > 1 ? family : ''
      pools.push(this.#pool(resource, label, settings, body, members))
    }
    return pools
  }

  /** gdnsd's threshold is a share of weights, and here it is one of members. */
  #minUp({ name, place }: Resource, { monitor, threshold }: Settings, weights: readonly number[]): number {
    if (monitor === null) return 0
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    if (Math.ceil(threshold * total) <= Math.min(...weights)) return 0
    if (weights.some((weight) => weight !== weights[0])) {
      this.#draft.differs(
        place,
        `${name}: up_thresh ${threshold}`,
        'in gdnsd it is a share of the weights that must be up, here one of the members',
      )
    }
    return threshold
  }

  #scaled({ name, place }: Resource, weights: readonly number[]): number[] {
    const most = Math.max(...weights)
    if (most <= maxWeight) return [...weights]
    this.#draft.differs(
      place,
      `${name}: weights`,
      `made smaller by the same factor, since ${maxWeight} is the most`,
    )
    return weights.map((weight) => Math.max(1, Math.round((weight * maxWeight) / most)))
  }

  #pool(
    { name, place }: Resource,
    suffix: string,
    { monitor }: Settings,
    body: Body,
    members: readonly MemberOf[],
  ): string {
    const whole = poolOf({ ...(monitor === null ? {} : { monitor }), ...body }, members)
    return this.#draft.pool(suffix === '' ? name : `${name}-${suffix}`, whole, place)
  }

  #stanzas({ name, value, around, place }: Resource): Stanza[] {
    if (value.kind !== 'hash') {
      const items = value.kind === 'array' ? value.items : [value]
      const entries = items.map((item, index) => ({ label: String(index + 1), value: item }))
      return [{ family: '', settings: this.#settings(around, place, name), entries }]
    }
    const present = families.filter((family) => value.entries.has(family))
    if (present.length === 0)
      return [
        { family: '', settings: this.#settings([value, ...around], place, name), entries: labelled(value) },
      ]
    const beside = labelled(value).filter(({ label }) => !families.some((family) => family === label))
    for (const { label } of beside)
      this.#draft.leftOut(
        place,
        `${name}: ${label}`,
        'it stands beside addrs_v4 and addrs_v6, where addresses have no place',
      )
    return present.map((family) => {
      const inner = valueAt(value, family)!
      const levels = inner.kind === 'hash' ? [inner, value, ...around] : [value, ...around]
      const items = inner.kind === 'array' ? inner.items : [inner]
      const entries =
        inner.kind === 'hash'
          ? labelled(inner)
          : items.map((item, index) => ({ label: String(index + 1), value: item }))
      return { family: familyLabels[family], settings: this.#settings(levels, place, name), entries }
    })
  }

  #settings(levels: readonly VscfHash[], place: Place, name: string): Settings {
    const find = (key: string) =>
      levels.map((level) => valueAt(level, key)).find((value) => value !== undefined)
    const types = find('service_types')
    const threshold = find('up_thresh')
    const multi = find('multi')
    const ignore = find('ignore_health')
    const ignores = ignore !== undefined && booleanOf(ignore, 'ignore_health')
    if (ignores)
      this.#draft.leftOut(
        place,
        `${name}: ignore_health`,
        'members are answered unwatched here, so that nothing fails over when they are down',
      )
    const isWatched = types !== undefined && !ignores
    return {
      monitor: isWatched ? this.#monitors.monitorOf(textsOf(types, 'service_types'), place) : null,
      threshold: threshold === undefined ? 0.5 : numberOf(threshold, 'up_thresh'),
      multi: multi !== undefined && booleanOf(multi, 'multi'),
    }
  }

  #refuse({ name, place }: Resource, why: string): null {
    this.#draft.leftOut(place, `resource ${name}`, why)
    return null
  }
}

type MemberOf = readonly [label: string, target: string, settings: Body]

/** A pool of addresses, or of names that it is answered with as CNAMEs. */
function poolOf(body: Body, members: readonly MemberOf[]): Body {
  const written: Body = {}
  const isHosts = members.every(([, target]) => isIP(target) === 0)
  for (const [label, target, settings] of members)
    putNamed(
      written,
      partName(label),
      isHosts ? { host: target, ...settings } : { address: target, ...settings },
    )
  return { ...body, ...(isHosts ? { hosts: 'cname' } : {}), members: written }
}

function labelled(hash: VscfHash): Labelled[] {
  return [...hash.entries].flatMap(([label, { value }]) =>
    parameters.includes(label) ? [] : [{ label, value }],
  )
}

/** Families whose settings are the same can be one pool: it judges each by itself. */
function bySettings(stanzas: readonly Stanza[]): Stanza[][] {
  return [...Map.groupBy(stanzas, ({ settings }) => JSON.stringify(settings)).values()]
}

function suffix(stanzas: readonly Stanza[], group: readonly Stanza[], role = ''): string {
  const family = group.length < stanzas.length ? group.map((each) => each.family).join('-') : ''
  return [family, role].filter((part) => part !== '').join('-')
}

/** What a hash inherits from those around it, but for some keys. */
export function mergedHash(
  inner: VscfHash,
  around: readonly VscfHash[],
  without: readonly string[],
): VscfHash {
  const entries = new Map(inner.entries)
  for (const hash of around) {
    for (const [key, entry] of hash.entries)
      if (!entries.has(key) && !without.includes(key)) entries.set(key, entry)
  }
  return { ...inner, entries }
}
