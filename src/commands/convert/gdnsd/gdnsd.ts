/**
 * gdnsd: a folder with the file `config`, which has service_types, plugins and their resources, and the folder `zones`, in which a file is
 * named for its zone. DYNA and DYNC lead from a name in a zone to a resource of a plugin; that name becomes a service.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from '../../../config.ts'
import { formatSeconds } from '../../../controlplane/document/duration.ts'
import { tokenOctets } from '../../../controlplane/zonefile/rr-text.ts'
import { parseHostname } from '../../../dataplane/wire/name.ts'
import { TextError } from '../../../dataplane/wire/text-error.ts'
import { Draft } from '../draft.ts'
import { Input, SyntaxProblem } from '../input.ts'
import { type OwnRr, ZoneSources } from '../zone-source.ts'
import { AddressResources } from './addresses.ts'
import { GdnsdMonitors } from './monitors.ts'
import { Plans } from './plans.ts'
import { hashOf, numberOf, textOf, valueAt } from './values.ts'
import { readVscf, type VscfHash } from './vscf.ts'

const topLevel = ['options', 'service_types', 'plugins']
const dayTtl = 86_400

/** @throws Error with all that is wrong with the files, UsageError for what is no folder of gdnsd */
export async function convertGdnsd(folder: string): Promise<Draft> {
  const draft = new Draft()
  const input = new Input()
  const zones = await zoneFiles(join(folder, 'zones'))
  const config = await readConfig(folder, input)
  const options = config === null ? undefined : valueAt(config, 'options')
  const types = config === null ? undefined : valueAt(config, 'service_types')
  const plugins = config === null ? undefined : valueAt(config, 'plugins')
  const nets = await netsFiles(folder, plugins === undefined ? undefined : asHash(input, plugins), input)
  const own: OwnRr[] = []
  const ttl = input.attempt(() => defaultTtl(options === undefined ? undefined : hashOf(options, 'options')))
  const sources = new ZoneSources(input, draft, {
    types: ['DYNA', 'DYNC'],
    defaultTtl: ttl ?? dayTtl,
    ofGdnsd: true,
  })
  for (const { path, apex } of zones) own.push(...(await sources.add(path, apex)))
  input.end()
  input.attempt(() => {
    const monitors = new GdnsdMonitors(
      draft,
      types === undefined ? undefined : hashOf(types, 'service_types'),
    )
    const resources = new AddressResources(draft, monitors)
    const known = plugins === undefined ? undefined : hashOf(plugins, 'plugins')
    const plans = new Plans(draft, resources, known, nets)
    for (const rr of own) addService(draft, plans, rr)
    plans.tellUnused()
    monitors.tellUnused()
    if (options !== undefined) tellOptions(draft, hashOf(options, 'options'))
  })
  input.end()
  return draft
}

function asHash(input: Input, value: NonNullable<ReturnType<typeof valueAt>>): VscfHash | undefined {
  return input.attempt(() => hashOf(value, 'plugins')) ?? undefined
}

async function readConfig(folder: string, input: Input): Promise<VscfHash | null> {
  const file = join(folder, 'config')
  const state = await stat(file).catch(() => null)
  // Without the file everything is as it is by default.
  if (state === null) return null
  try {
    const config = await readVscf(file, input)
    for (const [key, { place }] of config.entries)
      if (!topLevel.includes(key))
        input.problem(place, `${key} is none of ${topLevel.join(', ')}: this is no configuration of gdnsd`)
    return config
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error
    input.problem(error.place, error.message)
    return null
  }
}

/** Files that maps of geoip have their networks in, by the name of the map. */
async function netsFiles(
  folder: string,
  plugins: VscfHash | undefined,
  input: Input,
): Promise<ReadonlyMap<string, VscfHash>> {
  const found = new Map<string, VscfHash>()
  const geoip = plugins === undefined ? undefined : valueAt(plugins, 'geoip')
  const maps = geoip?.kind === 'hash' ? valueAt(geoip, 'maps') : undefined
  for (const [name, { value }] of maps?.kind === 'hash' ? maps.entries : []) {
    const nets = value.kind === 'hash' ? valueAt(value, 'nets') : undefined
    if (nets?.kind !== 'string') continue
    if (nets.text.includes('/') || nets.text.startsWith('.')) {
      input.problem(nets.place, `${nets.text} is outside of ${join(folder, 'geoip')}`)
      continue
    }
    try {
      found.set(name, await readVscf(join(folder, 'geoip', nets.text), input))
    } catch (error) {
      if (error instanceof SyntaxProblem) input.problem(error.place, error.message)
      else input.problem(nets.place, error instanceof Error ? error.message : String(error))
    }
  }
  return found
}

/** Files are named for their zones; those that begin with a dot are none (gdnsd(8), ZONE FILES). */
async function zoneFiles(folder: string): Promise<{ readonly path: string; readonly apex: string }[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new UsageError(
      `${folder}: ${error instanceof Error ? error.message : String(error)}; DIR is the folder that has "config" and "zones"`,
    )
  })
  const found: { readonly path: string; readonly apex: string }[] = []
  for (const name of names.filter((each) => !each.startsWith('.')).sort()) {
    const path = join(folder, name)
    if (!(await stat(path)).isFile()) continue
    try {
      // Of zones of reverse delegation (RFC 2317), whose names have what a file's can't.
      found.push({ path, apex: name === 'ROOT_ZONE' ? '.' : parseHostname(name.replaceAll('@', '/')) })
    } catch (error) {
      if (!(error instanceof TextError)) throw error
      throw new UsageError(`${path} is not named for a zone: ${error.message}`)
    }
  }
  return found
}

function defaultTtl(options: VscfHash | undefined): number {
  const value = options === undefined ? undefined : valueAt(options, 'zones_default_ttl')
  return value === undefined ? dayTtl : numberOf(value, 'zones_default_ttl')
}

function addService(draft: Draft, plans: Plans, rr: OwnRr): void {
  const [token] = rr.tokens
  const reference = token === undefined ? '' : Buffer.from(tokenOctets(token)).toString()
  const what = `${rr.owner} ${rr.type} ${reference}`
  if (reference === '' || rr.tokens.length > 1)
    throw new SyntaxProblem(rr.place, `${rr.type} takes one word, plugin!resource`)
  if (rr.owner.startsWith('*')) {
    draft.leftOut(rr.place, what, 'a service has a name of its own here, and no wildcard')
    return
  }
  const plan = plans.planOf(reference, rr.place)
  if (plan === null) {
    draft.leftOut(rr.place, what, 'its resource can not be carried over')
    return
  }
  const max = rr.ttlSeconds
  const min = Math.min(max, rr.minTtlSeconds ?? Math.floor(max / 2))
  const ttl = min === max ? formatSeconds(max) : { min: formatSeconds(min), max: formatSeconds(max) }
  draft.service(rr.owner, { ttl, ...plan, whenAllDown: 'serve-all' }, rr.place)
}

/** Settings of the process are variables here, and have other names. */
function tellOptions(draft: Draft, options: VscfHash): void {
  const clamps = ['min_ttl', 'max_ttl', 'max_ncache_ttl']
  for (const [key, { value, place }] of options.entries) {
    if (key === 'zones_default_ttl') continue
    const text = value.kind === 'string' ? ` ${textOf(value, key)}` : ''
    const why = clamps.includes(key)
      ? 'TTLs are served as zones have them'
      : 'settings of the process are variables of "pooldns serve", such as POOLDNS_DNS_LISTEN'
    draft.differs(place, `options: ${key}${text}`, why)
  }
}
