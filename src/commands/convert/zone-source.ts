/**
 * Zones in master files, as the servers that are converted read them. What is DNS is read by the reader of master files
 * (`controlplane/zonefile/`). Types that only their server knows, such as DYNA of gdnsd or LUA of PowerDNS, are set aside: to the reader each
 * is an RR of a private type whose RDATA is its number, so that owner, TTL and class are read by the same code as those of all others.
 */
import { formatSeconds } from '../../controlplane/document/duration.ts'
import { addedTypes } from '../../controlplane/model/dnssec.ts'
import { absoluteName } from '../../controlplane/rules/owners.ts'
import type { StagedRr } from '../../controlplane/store/zone-staging.ts'
import { gatherZone } from '../../controlplane/zonefile/gather.ts'
import { ProblemList } from '../../controlplane/zonefile/problems.ts'
import { MasterFile } from '../../controlplane/zonefile/reader.ts'
import { readClass, tokenOctets } from '../../controlplane/zonefile/rr-text.ts'
import { type Entry, type PlacedToken, Scanner } from '../../controlplane/zonefile/scanner.ts'
import { looksLikeTtl } from '../../controlplane/zonefile/ttl.ts'
import { formatName, hostnameToWire, parseName } from '../../dataplane/wire/name.ts'
import { AssembledLines } from '../assembled-lines.ts'
import { IncludedFiles, type IncludeFolders } from '../included-files.ts'
import { parsedOrNull } from '../parsed-or-null.ts'
import type { Body, Draft, Place } from './draft.ts'
import type { Input } from './input.ts'

/** How a server's master files differ from those of the RFCs. */
export interface Dialect {
  /** Types that are its own. */
  readonly types: readonly string[]
  /** TTL of what has none, and no `$TTL` before it. */
  readonly defaultTtl?: number
  /** gdnsd: `@Z`, TTLs such as `300/30`, and texts of more than 255 octets. */
  readonly ofGdnsd?: boolean
}

/** An RR of one of a server's own types. */
export interface OwnRr {
  /** Absolute, without the final dot. */
  readonly owner: string
  readonly type: string
  readonly ttlSeconds: number
  /** Of a TTL such as `300/30`. */
  readonly minTtlSeconds: number | null
  /** What stands behind the type. */
  readonly tokens: readonly PlacedToken[]
  /** Of relative names in it, in wire form. */
  readonly origin: Uint8Array
  readonly place: Place
}

/** RRs of all zones: as many RRsets are the most that `pooldns export` puts into a document. */
const maxRrs = 200_000

const privateType = 'TYPE65281'
const mark = 'of pooldns convert: '

/** What signing makes anew: a zone that has some of it can't be signed. */
const madeBySigning: ReadonlySet<string> = new Set(addedTypes)

type Aside = Omit<OwnRr, 'owner' | 'ttlSeconds' | 'place'>

export class ZoneSources {
  readonly #input: Input
  readonly #draft: Draft
  readonly #dialect: Dialect
  #rrs = 0

  constructor(input: Input, draft: Draft, dialect: Dialect) {
    this.#input = input
    this.#draft = draft
    this.#dialect = dialect
  }

  /**
   * Puts a zone into the draft. What is wrong with it goes to the input.
   *
   * @param folders where files are included from; beside the zone file when left out
   * @returns its RRs of the server's own types
   */
  async add(file: string, apex: string, folders?: IncludeFolders): Promise<OwnRr[]> {
    const lines = new AssembledLines()
    let text = ''
    for await (const octets of new IncludedFiles(lines, folders ?? null).assemble(file, apex)) {
      this.#input.count(octets.length)
      text += Buffer.from(octets).toString('latin1')
    }
    if (text === '') {
      this.#input.problem({ file, line: 1 }, 'the file is empty')
      return []
    }
    const { defaultTtl } = this.#dialect
    const head = defaultTtl === undefined ? '' : `$TTL ${defaultTtl}\n`
    const shift = head === '' ? 0 : 1
    const placeOf = (found: { readonly line: number; readonly column: number }) => {
      const at = lines.translate({ ...found, line: Math.max(1, found.line - shift), message: '' })
      return { file: at.file, line: at.line, column: at.column }
    }
    const rewriting = new Rewriting(this.#dialect, apex)
    const plain = rewriting.rewrite(text)
    const problems = new ProblemList()
    const reader = new MasterFile(apex, problems)
    const rrs: StagedRr[] = []
    for await (const batch of reader.batches([Buffer.from(head + plain, 'latin1')])) {
      rrs.push(...batch)
      this.#rrs += batch.length
      if (this.#rrs > maxRrs) throw tooMany()
    }
    const own: OwnRr[] = []
    const standard: StagedRr[] = []
    for (const rr of rrs) {
      const aside = rr.type === privateType ? rewriting.asideOf(rr.data) : undefined
      if (aside === undefined) standard.push(rr)
      else
        own.push({
          ...aside,
          owner: absoluteName(rr.owner, apex),
          ttlSeconds: rr.ttlSeconds,
          place: placeOf(rr),
        })
    }
    const served = this.#withoutSignatures(standard, apex, placeOf)
    const gathered = gatherZone(served, 1000)
    for (const { line, column, owner, type, message } of gathered.problems)
      problems.add({ line, column, owner, type, message })
    for (const { path, message } of problems.finish()) {
      const [, line = '1', column = '1'] = /^line (\d+), column (\d+)$/.exec(path) ?? []
      const found = { line: Math.max(1, Number(line) - shift), column: Number(column), message }
      const { file, message: said, ...at } = lines.translate(found)
      this.#input.problem({ file, line: at.line, column: at.column }, said)
    }
    for (const { owner, type, message, ...at } of gathered.warnings)
      this.#draft.differs(placeOf(at), `${owner} ${type}`, message)
    const { soa } = reader
    if (soa === null) return []
    this.#draft.zone(apex, zoneBody(soa, gathered.rrsets), placeOf(reader.soaPlace!))
    return own
  }

  #withoutSignatures(
    rrs: readonly StagedRr[],
    apex: string,
    placeOf: (rr: StagedRr) => Place,
  ): readonly StagedRr[] {
    const first = rrs.find(({ type }) => madeBySigning.has(type))
    if (first === undefined) return rrs
    const kept = rrs.filter(({ type }) => !madeBySigning.has(type))
    this.#draft.leftOut(
      placeOf(first),
      `${rrs.length - kept.length} RRs of types ${[...madeBySigning].join(', ')} of zone ${apex}`,
      'they are made anew here: sign the zone by the key that it has ("pooldns dnssec import-key", then "dnssec enable") before you move it, or take the DS out of the parent zone',
    )
    return kept
  }
}

function tooMany(): Error {
  return new Error(
    `the zones have more than ${maxRrs} RRs together, more than a document holds: take them in with "pooldns import-zone"`,
  )
}

type GatheredRrsets = ReturnType<typeof gatherZone>['rrsets']

/** The zone as a document has it. The serial rises by itself there. */
function zoneBody({ soa, ttlSeconds }: NonNullable<MasterFile['soa']>, rrsets: GatheredRrsets): Body {
  const { mname, rname, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } = soa
  return {
    soa: {
      mname,
      rname,
      refresh: formatSeconds(refreshSeconds),
      retry: formatSeconds(retrySeconds),
      expire: formatSeconds(expireSeconds),
      minimum: formatSeconds(minimumSeconds),
    },
    ttl: formatSeconds(ttlSeconds),
    rrsets: rrsets.map((rrset) => ({
      name: rrset.owner,
      type: rrset.type,
      ...(rrset.ttlSeconds === ttlSeconds ? {} : { ttl: formatSeconds(rrset.ttlSeconds) }),
      data: rrset.data,
    })),
  }
}

/** Makes a master file of the RFCs of a server's own. Lines stay where they are. */
class Rewriting {
  readonly #dialect: Dialect
  readonly #apex: string
  readonly #aside: Aside[] = []
  #origin: Uint8Array

  constructor(dialect: Dialect, apex: string) {
    this.#dialect = dialect
    this.#apex = apex
    this.#origin = hostnameToWire(apex)
  }

  /** What was set aside behind RDATA of the private type; undefined for an RR that has that type itself. */
  asideOf(data: string): Aside | undefined {
    const [, octets] = /^\\# \d+ ([0-9a-f]+)$/i.exec(data) ?? []
    const text = Buffer.from(octets ?? '', 'hex').toString('latin1')
    return text.startsWith(mark) ? this.#aside[Number(text.slice(mark.length))] : undefined
  }

  rewrite(text: string): string {
    if (this.#dialect.types.length === 0) return text
    const lines = text.split('\n')
    // What is wrong is told by the reader, who sees the same.
    const scanner = new Scanner(() => undefined)
    const entries = [...scanner.push(text), ...scanner.finish()]
    for (const [index, entry] of entries.entries()) {
      const line = entry.broken ? null : this.#rewritten(entry)
      if (line === null) continue
      const end = (entries[index + 1]?.line ?? lines.length + 1) - 1
      lines.fill('', entry.line, end)
      lines[entry.line - 1] = line
    }
    return lines.join('\n')
  }

  /** The entry in one line; null when it may stay as it is. */
  #rewritten(entry: Entry): string | null {
    const tokens =
      this.#dialect.ofGdnsd === true ? entry.tokens.map((token) => this.#named(token)) : entry.tokens
    const [first, second] = tokens
    if (!entry.indented && first?.quoted === false && first.text.toUpperCase() === '$ORIGIN')
      this.#origin = parsedOrNull(() => parseName(second?.text ?? '', this.#origin)) ?? this.#origin
    const typeAt = typeIndex(tokens, entry.indented ? 0 : 1)
    const type = tokens[typeAt]?.quoted === false ? tokens[typeAt]!.text.toUpperCase() : ''
    if (this.#dialect.types.includes(type)) return this.#setAside(entry, tokens, typeAt, type)
    const split = type === 'TXT' && this.#dialect.ofGdnsd === true ? tokens.flatMap(splitString) : tokens
    const isSame =
      split.length === entry.tokens.length && split.every((token, index) => token === entry.tokens[index])
    return isSame ? null : textOf(split, entry.indented)
  }

  /** gdnsd: `@Z` ends a name in the zone's, as `@F` does in the file of the zone. */
  #named(token: PlacedToken): PlacedToken {
    if (token.quoted || !/(?:^|\.)@[ZF]$/.test(token.text)) return token
    return { ...token, text: `${token.text.slice(0, -2)}${this.#apex === '.' ? '' : this.#apex}.` }
  }

  #setAside(entry: Entry, tokens: readonly PlacedToken[], typeAt: number, type: string): string {
    const number = this.#aside.length
    let minTtlSeconds: number | null = null
    const head = tokens.slice(0, typeAt).map((token) => {
      const [, max, min] = /^(\d+)\/(\d+)$/.exec(token.text) ?? []
      if (max === undefined) return token
      minTtlSeconds = Number(min)
      return { ...token, text: max }
    })
    this.#aside.push({
      type,
      minTtlSeconds,
      tokens: tokens.slice(typeAt + 1),
      origin: this.#origin,
    })
    const octets = Buffer.from(`${mark}${number}`, 'latin1')
    return `${textOf(head, entry.indented)} ${privateType} \\# ${octets.length} ${octets.toString('hex')}`
  }
}

/** Where the type stands, behind TTL and class. */
function typeIndex(tokens: readonly PlacedToken[], start: number): number {
  let at = start
  for (; at < tokens.length; at++) {
    const { text, quoted } = tokens[at]!
    if (quoted || !(looksLikeTtl(text) || /^\d+\/\d+$/.test(text) || readClass(text) !== null)) break
  }
  return at
}

const longestString = 255

/** A string that is too long for DNS, as the several that gdnsd makes of it. */
function splitString(token: PlacedToken): PlacedToken | PlacedToken[] {
  if (token.text.length <= longestString) return token
  const octets = parsedOrNull(() => tokenOctets(token))
  if (octets === null || octets.length <= longestString) return token
  const strings: PlacedToken[] = []
  for (let at = 0; at < octets.length; at += longestString) {
    const part = octets.subarray(at, at + longestString)
    const text = Array.from(part, (octet) => `\\${String(octet).padStart(3, '0')}`).join('')
    strings.push({ ...token, quoted: true, text })
  }
  return strings
}

function textOf(tokens: readonly PlacedToken[], indented: boolean): string {
  const words = tokens.map(({ text, quoted }) => (quoted ? `"${text}"` : text))
  return `${indented ? ' ' : ''}${words.join(' ')}`
}

/** A name in the RDATA of an own RR: absolute, with its final dot. Null for what is none. */
export function nameIn({ origin }: OwnRr, text: string): string | null {
  return parsedOrNull(() => formatName(parseName(text, origin)))
}
