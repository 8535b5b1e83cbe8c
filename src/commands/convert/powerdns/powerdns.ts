/** PowerDNS: master files, as the bind backend reads them and `pdnsutil list-zone` prints them, with LUA and ALIAS records. */
import { basename } from 'node:path'
import { UsageError } from '../../../config.ts'
import { formatSeconds } from '../../../controlplane/document/duration.ts'
import { placeOf, tableOf, withCentres } from '../../../controlplane/location/location-table.ts'
import { Mmdb } from '../../../controlplane/location/mmdb.ts'
import { DamagedDatabase } from '../../../controlplane/location/mmdb-values.ts'
import { Scanner } from '../../../controlplane/zonefile/scanner.ts'
import { formatName, parseHostname, parseName, rootName } from '../../../dataplane/wire/name.ts'
import { TextError } from '../../../dataplane/wire/text-error.ts'
import { parsedOrNull } from '../../parsed-or-null.ts'
import { Draft } from '../draft.ts'
import { Input } from '../input.ts'
import { nameIn, type OwnRr, ZoneSources } from '../zone-source.ts'
import { addLuaOwner } from './lua-services.ts'
import { type Locate, Selections } from './selections.ts'

export interface PowerdnsOptions {
  /** A file in MaxMind's format, of which PowerDNS has taken where addresses are. */
  readonly locations: string | null
}

/** @throws Error with all that is wrong with the files */
export async function convertPowerdns(
  files: readonly string[],
  { locations }: PowerdnsOptions,
): Promise<Draft> {
  const draft = new Draft()
  const input = new Input()
  const locate = locations === null ? null : await locator(locations)
  const selections = new Selections(draft, locate)
  const sources = new ZoneSources(input, draft, { types: ['LUA', 'ALIAS'] })
  for (const file of files) {
    // Read twice, and counted once.
    const apex = apexOf(file, await new Input().read(file))
    const own = await sources.add(file, apex)
    const [aliases, lua] = [
      own.filter(({ type }) => type === 'ALIAS'),
      own.filter(({ type }) => type === 'LUA'),
    ]
    for (const rrs of Map.groupBy(lua, ({ owner }) => owner).values())
      addLuaOwner(draft, selections, apex, rrs)
    for (const rr of aliases) addAlias(draft, rr)
  }
  input.end()
  return draft
}

/** ALIAS gives the addresses of another name, as a member that is a host does. */
function addAlias(draft: Draft, rr: OwnRr): void {
  const text = rr.tokens.length === 1 ? rr.tokens[0]!.text : ''
  const host = nameIn(rr, text)
  const what = `${rr.owner} ALIAS ${text}`
  if (host === null) return void draft.leftOut(rr.place, what, 'it does not lead to a name')
  const pool = draft.pool(rr.owner, { members: { alias: { host } } }, rr.place)
  draft.service(rr.owner, { ttl: formatSeconds(rr.ttlSeconds), pools: [pool] }, rr.place)
}

async function locator(file: string): Promise<Locate> {
  const bytes = await readBytes(file)
  try {
    const table = withCentres(tableOf(new Mmdb(bytes)))
    return (address) => placeOf(table, address).location
  } catch (error) {
    if (error instanceof DamagedDatabase) throw new UsageError(`${file}: ${error.message}`)
    throw error
  }
}

async function readBytes(file: string): Promise<Buffer> {
  const { readFile } = await import('node:fs/promises')
  try {
    return await readFile(file)
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** The zone of a master file: where its SOA stands, if that is an absolute name, or what the file is named for. */
function apexOf(file: string, text: string): string {
  let origin: Uint8Array | null = null
  const scanner = new Scanner(() => undefined)
  for (const { tokens, broken, indented } of [...scanner.push(text), ...scanner.finish()]) {
    const [first, second] = tokens
    if (broken || first === undefined || first.quoted) continue
    if (first.text.toUpperCase() === '$ORIGIN' && second !== undefined)
      origin = parsedOrNull(() => parseName(second.text, origin ?? rootName)) ?? origin
    if (indented || !tokens.slice(1, 5).some((token) => !token.quoted && token.text.toUpperCase() === 'SOA'))
      continue
    const owner = parsedOrNull(() => parseName(first.text, origin ?? undefined))
    if (owner !== null) return parseHostname(formatName(owner))
    break
  }
  const bare = basename(file)
    .replace(/^db\.(?=.)/, '')
    .replace(/(?<=.)\.(?:zone|db)$/, '')
  try {
    return bare === '@' ? '.' : parseHostname(bare)
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    throw new UsageError(
      `${file}: which zone it is shows neither in its SOA nor in its name: ${error.message}`,
    )
  }
}
