/**
 * What a DYNA or DYNC of gdnsd names, as what a service needs: metafo is a list of pools, geoip rules of which client gets which list.
 * Meta-plugins name other resources; what one names is put in its place, since a service here that stands inside of another has a name of
 * its own in a zone.
 */
import { isIP } from 'node:net'
import type { Draft, Place } from '../draft.ts'
import { SyntaxProblem } from '../input.ts'
import {
  type AddressPlugin,
  type AddressResources,
  addressPlugins,
  mergedHash,
  type Resource,
} from './addresses.ts'
import { type GeoMap, geoRules, type Plan } from './geoip.ts'
import { booleanOf, hashOf, textOf, textsOf, valueAt } from './values.ts'
import type { VscfHash, VscfValue } from './vscf.ts'

const metaPlugins = ['metafo', 'geoip'] as const
const reserved = [
  'resources',
  'maps',
  'undefined_datacenters_ok',
  'datacenters',
  'dcmap',
  'skip_first',
  'map',
]

export class Plans {
  readonly #draft: Draft
  readonly #addresses: AddressResources
  readonly #plugins: VscfHash | undefined
  /** External files of `nets`, by map. */
  readonly #nets: ReadonlyMap<string, VscfHash>
  /** By `plugin!resource`. */
  readonly #pools = new Map<string, string[] | null>()
  /** Those that are being worked out: one that comes again leads in a circle. */
  readonly #open = new Set<string>()

  constructor(
    draft: Draft,
    addresses: AddressResources,
    plugins: VscfHash | undefined,
    nets: ReadonlyMap<string, VscfHash>,
  ) {
    this.#draft = draft
    this.#addresses = addresses
    this.#plugins = plugins
    this.#nets = nets
  }

  /** @param reference `plugin!resource`, as zones have it. Null when it can't be carried over, which is told. */
  planOf(reference: string, place: Place): Plan | null {
    const [plugin = '', resource = ''] = split(reference)
    if (plugin === 'geoip') return this.#geoip(resource, place)
    const pools = this.#poolsOf(plugin, resource, place)
    return pools === null ? null : { steer: 'failover', pools }
  }

  /** Tells of resources that no zone asks for. */
  tellUnused(): void {
    for (const [plugin, { value, place }] of this.#plugins?.entries ?? []) {
      if (value.kind !== 'hash') continue
      const isMeta = metaPlugins.some((meta) => meta === plugin)
      const named = isMeta ? valueAt(value, 'resources') : value
      if (!isMeta && !addressPlugins.some((known) => known === plugin)) {
        if (value.entries.size > 0) this.#draft.leftOut(place, `plugin ${plugin}`, 'it is not known here')
        continue
      }
      if (named?.kind !== 'hash') continue
      for (const [name, entry] of named.entries) {
        const isSetting = !isMeta && ['service_types', 'up_thresh', 'ignore_health', 'multi'].includes(name)
        if (!isSetting && !this.#isUsed(plugin, name))
          this.#draft.leftOut(entry.place, `resource ${plugin}!${name}`, 'no zone asks for it')
      }
    }
  }

  #isUsed(plugin: string, name: string): boolean {
    const key = `${plugin}!${name}`
    return [...this.#pools.keys()].some((used) => used === key || used.startsWith(`${key}/`))
  }

  /** The pools that a resource is answered from, in order. */
  #poolsOf(plugin: string, name: string, place: Place): string[] | null {
    const key = `${plugin}!${name}`
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    if (this.#open.has(key)) throw new SyntaxProblem(place, `${key} leads back to itself`)
    this.#open.add(key)
    const pools = this.#find(plugin, name, place)
    this.#open.delete(key)
    this.#pools.set(key, pools)
    return pools
  }

  #find(plugin: string, name: string, place: Place): string[] | null {
    if (plugin === 'metafo') return this.#metafo(name, place)
    if (plugin === 'geoip') {
      const [, resource, datacenter] = /^([^/]*)\/(.*)$/.exec(name) ?? []
      if (datacenter !== undefined) return this.#datacenter('geoip', resource!, datacenter, place)
      return this.#refuse(
        place,
        `geoip!${name}`,
        'a resource of geoip inside of another one is not known here',
      )
    }
    if (!addressPlugins.some((known) => known === plugin))
      return this.#refuse(place, `${plugin}!${name}`, `the plugin ${plugin} is not known here`)
    const hash = this.#plugin(plugin)
    const entry = hash?.entries.get(name)
    if (hash === undefined || entry === undefined)
      return this.#refuse(place, `${plugin}!${name}`, 'there is no such resource')
    const resource = { name, value: entry.value, place: entry.place, around: [hash] }
    return this.#addresses.poolsOf(plugin as AddressPlugin, resource)
  }

  #metafo(name: string, place: Place): string[] | null {
    const [, inner, datacenter] = /^([^/]*)\/(.*)$/.exec(name) ?? []
    if (datacenter !== undefined) return this.#datacenter('metafo', inner!, datacenter, place)
    const resource = this.#metaResource('metafo', name, place)
    if (resource === null) return null
    const list = valueAt(resource.hash, 'datacenters')
    if (list === undefined) return this.#refuse(resource.place, `metafo!${name}`, 'it has no datacenters')
    const datacenters = this.#skipFirst(resource.hash, textsOf(list, 'datacenters'))
    return this.#joined('metafo', name, datacenters, place)
  }

  #geoip(name: string, place: Place): Plan | null {
    if (name.includes('/')) {
      const pools = this.#poolsOf('geoip', name, place)
      return pools === null ? null : { steer: 'failover', pools }
    }
    const resource = this.#metaResource('geoip', name, place)
    if (resource === null) return null
    this.#pools.set(`geoip!${name}`, null)
    const mapName = valueAt(resource.hash, 'map')
    const maps = this.#plugin('geoip')?.entries.get('maps')
    const mapEntry =
      mapName === undefined || maps === undefined
        ? undefined
        : hashOf(maps.value, 'maps').entries.get(textOf(mapName, 'map'))
    if (mapEntry === undefined) return this.#refuse(resource.place, `geoip!${name}`, 'there is no such map')
    const map: GeoMap = {
      name: textOf(mapName!, 'map'),
      hash: hashOf(mapEntry.value, 'a map'),
      nets: this.#nets.get(textOf(mapName!, 'map')),
    }
    const skips = booleanAt(resource.hash, 'skip_first')
    if (skips) return this.#refuse(resource.place, `geoip!${name}`, 'skip_first is not known here')
    const pools = new Map<string, string[]>()
    for (const datacenter of textsOf(valueAt(map.hash, 'datacenters') ?? map.hash, 'datacenters')) {
      const found = this.#joined('geoip', name, [datacenter], place)
      if (found === null) return null
      pools.set(datacenter, found)
    }
    return geoRules(this.#draft, map, pools, `geoip!${name}`)
  }

  /** The pools of datacenters, one after the other; null when one of them can't be had. */
  #joined(
    plugin: 'metafo' | 'geoip',
    name: string,
    datacenters: readonly string[],
    place: Place,
  ): string[] | null {
    const pools: string[] = []
    for (const datacenter of datacenters) {
      const found = this.#poolsOf(plugin, `${name}/${datacenter}`, place)
      if (found === null)
        return this.#refuse(
          place,
          `${plugin}!${name}`,
          `datacenter ${datacenter} of it can not be carried over`,
        )
      this.#tellFamilies(found, `${plugin}!${name}/${datacenter}`, place)
      pools.push(...found.filter((pool) => !pools.includes(pool)))
    }
    return pools
  }

  /** A datacenter with both families fails over with both in gdnsd. */
  #tellFamilies(pools: readonly string[], what: string, place: Place): void {
    const members = pools.flatMap((pool) =>
      Object.values(this.#draft.parts.pools.get(pool)?.body.members ?? {}),
    )
    const families = new Set(members.map((member) => isIP((member as { address?: string }).address ?? '')))
    if (families.has(4) && families.has(6))
      this.#draft.differs(
        place,
        what,
        'IPv4 and IPv6 fail over each by itself, and in gdnsd both when one of them is down',
      )
  }

  /** What `dcmap` says of a datacenter. */
  #datacenter(plugin: 'metafo' | 'geoip', name: string, datacenter: string, place: Place): string[] | null {
    const resource = this.#metaResource(plugin, name, place)
    if (resource === null) return null
    const dcmap = valueAt(resource.hash, 'dcmap')
    const entry = dcmap === undefined ? undefined : hashOf(dcmap, 'dcmap').entries.get(datacenter)
    if (entry === undefined)
      return this.#refuse(resource.place, `${plugin}!${name}`, `datacenter ${datacenter} is not in its dcmap`)
    const around = [resource.hash, ...resource.around]
    const inherited = around.map((hash) => valueAt(hash, 'plugin')).find((value) => value !== undefined)
    const usual = inherited === undefined ? 'multifo' : textOf(inherited, 'plugin')
    const made = { name: `${name}-${datacenter}`, place: entry.place }
    return this.#madeOf(entry.value, usual, { ...made, value: entry.value, around })
  }

  #madeOf(value: VscfValue, usual: string, resource: Resource): string[] | null {
    const settings = mergedHash(
      { kind: 'hash', entries: new Map(), place: value.place },
      resource.around,
      reserved,
    )
    if (value.kind === 'string') {
      const [plugin, named] = /^%?[^!]*!/.test(value.text) ? split(value.text.replace(/^%/, '')) : []
      if (named !== undefined) return this.#poolsOf(plugin || usual, named, value.place)
      if (isIP(value.text) === 0)
        return [this.#addresses.alias({ ...resource, around: [settings] }, value.text)]
    }
    if (value.kind !== 'hash')
      return this.#addresses.poolsOf('multifo', { ...resource, around: this.#defaults('multifo', settings) })
    const own = valueAt(value, 'plugin')
    const plugin = own === undefined ? usual : textOf(own, 'plugin')
    if (!addressPlugins.some((known) => known === plugin))
      return this.#refuse(
        value.place,
        resource.name,
        `a datacenter that is made of the plugin ${plugin} is not known here`,
      )
    return this.#addresses.poolsOf(plugin as AddressPlugin, {
      ...resource,
      around: this.#defaults(plugin, settings),
    })
  }

  /** What is inherited goes before what the plugin has for all of its resources. */
  #defaults(plugin: string, inherited: VscfHash): VscfHash[] {
    const hash = this.#plugin(plugin)
    return hash === undefined ? [inherited] : [inherited, hash]
  }

  #metaResource(plugin: 'metafo' | 'geoip', name: string, place: Place) {
    const hash = this.#plugin(plugin)
    const resources = hash === undefined ? undefined : valueAt(hash, 'resources')
    const entry = resources === undefined ? undefined : hashOf(resources, 'resources').entries.get(name)
    if (hash === undefined || entry === undefined)
      return this.#refuse(place, `${plugin}!${name}`, 'there is no such resource')
    return { hash: hashOf(entry.value, `resource ${name}`), place: entry.place, around: [hash] }
  }

  #skipFirst(hash: VscfHash, datacenters: readonly string[]): readonly string[] {
    return booleanAt(hash, 'skip_first') && datacenters.length > 1 ? datacenters.slice(1) : datacenters
  }

  #plugin(name: string): VscfHash | undefined {
    const value = this.#plugins === undefined ? undefined : valueAt(this.#plugins, name)
    return value === undefined ? undefined : hashOf(value, `plugin ${name}`)
  }

  #refuse(place: Place, what: string, why: string): null {
    this.#draft.leftOut(place, what, why)
    return null
  }
}

function booleanAt(hash: VscfHash, key: string): boolean {
  const value = valueAt(hash, key)
  return value !== undefined && booleanOf(value, key)
}

/** `plugin!resource`; the resource may be left out where its plugin needs none. */
function split(reference: string): [plugin: string, resource: string] {
  const at = reference.indexOf('!')
  return at < 0 ? [reference, ''] : [reference.slice(0, at), reference.slice(at + 1)]
}
