/**
 * RDATA of every type that we know: one table of field grammars, from which text, wire form and checks all come, so that
 * a new type is a line. A grammar is the list of the type's fields in wire order; the kinds of field are in
 * `rdata-fields.ts` and beside it. Types that are not in the table are held as RFC 3597 has them: `TYPE123`, and RDATA
 * as `\# length hexadecimal`, which is taken for the types in the table too.
 *
 * The canonical text of RDATA is what the store keeps and what is parsed again when a zone is compiled, so the text of
 * whatever is taken must be taken back.
 *
 * Only the types of RFC 1035 may have their names compressed in a message (RFC 3597 section 4), which is why there are
 * two kinds of name.
 */
import { addressPrefixes } from './apl.ts'
import { ByteWriter } from './bytes.ts'
import { isMetaType, types } from './constants.ts'
import { amtRelay, ipsecGateway } from './gateway.ts'
import { hostIdentity } from './host-identity.ts'
import { location } from './loc.ts'
import { rootName } from './name.ts'
import { hashedOwner, salt } from './nsec3.ts'
import {
  base64,
  compressibleName,
  encoded,
  type FieldKind,
  hex,
  hyphenated,
  ipv4,
  ipv6,
  locator64,
  optionalBase64,
  parseHex,
  period,
  plainName,
  plainNames,
  string,
  strings,
  tag,
  text,
  u8,
  u16,
  u32,
  unsigned,
} from './rdata-fields.ts'
import {
  algorithm,
  certificateType,
  dsDigest,
  moment,
  sshDigest,
  tlsaDigest,
  zoneDigest,
} from './security-fields.ts'
import { svcParams } from './svcparams.ts'
import { naming, TextError } from './text-error.ts'
import { TokenReader } from './tokens.ts'
import { typeBitmap, typeField } from './type-bitmap.ts'
import { wellKnownServices } from './well-known-services.ts'

/** Where a name stands in RDATA, for those who must know. */
export interface NameField {
  readonly offset: number
  readonly length: number
  readonly compressible: boolean
}

interface Grammar {
  readonly type: number
  readonly fields: readonly (readonly [label: string, kind: FieldKind])[]
  /** Whether a field is a name. */
  readonly named: boolean
  /** Whether a field is a name or has one in it. */
  readonly folded: boolean
  /** Says what is allowed, and yet can hardly be meant, in RDATA whose fields are each sound. */
  readonly doubt?: (rdata: Uint8Array) => string | null
}

function grammar(
  type: number,
  fields: Readonly<Record<string, FieldKind>>,
  judgements: Pick<Grammar, 'doubt'> = {},
): Grammar {
  return {
    type,
    fields: Object.entries(fields),
    named: Object.values(fields).some((kind) => kind.name !== undefined),
    folded: Object.values(fields).some((kind) => kind.fold !== undefined),
    ...judgements,
  }
}

/** RFC 9859 section 2.1: of schemes only one has a mnemonic. */
const syncScheme = unsigned(1, { NOTIFY: 1 })

const typeNames = { read: readType, format: typeName }
const bitmap = typeBitmap(typeNames)

const dnskey = { flags: u16, protocol: u8, algorithm, publicKey: base64 }
const ds = { keyTag: u16, algorithm, digestType: u8, digest: hex }
const tlsa = { usage: u8, selector: u8, matchingType: u8, data: hex }
const svcb = { priority: u16, target: plainName, params: svcParams }
const preferred = { preference: u16, exchange: plainName }

/** RFC 9460 section 2.4.2: a priority of 0 makes an alias, which should have no parameters; who reads it ignores them. */
function aliasWithoutParams(rdata: Uint8Array): string | null {
  const [, target] = walk(types.svcb, rdata)
  return rdata[0] === 0 && rdata[1] === 0 && target!.offset + target!.length < rdata.length
    ? 'with priority 0 it is an alias, whose parameters are ignored (RFC 9460 section 2.4.2)'
    : null
}

// A new type is a line here.
const grammars: Readonly<Record<string, Grammar>> = {
  A: grammar(1, { address: ipv4 }),
  NS: grammar(2, { nsdname: compressibleName }),
  CNAME: grammar(5, { cname: compressibleName }),
  SOA: grammar(6, {
    mname: compressibleName,
    rname: compressibleName,
    serial: u32,
    refresh: period,
    retry: period,
    expire: period,
    minimum: period,
  }),
  MB: grammar(7, { madname: compressibleName }),
  MG: grammar(8, { mgmname: compressibleName }),
  MR: grammar(9, { newname: compressibleName }),
  WKS: grammar(11, { address: ipv4, services: wellKnownServices }),
  PTR: grammar(12, { ptrdname: compressibleName }),
  HINFO: grammar(13, { cpu: string, os: string }),
  MINFO: grammar(14, { rmailbx: compressibleName, emailbx: compressibleName }),
  MX: grammar(15, { preference: u16, exchange: compressibleName }),
  TXT: grammar(16, { strings }),
  RP: grammar(17, { mbox: plainName, txt: plainName }),
  AFSDB: grammar(18, { subtype: u16, hostname: plainName }),
  X25: grammar(19, { address: string }),
  RT: grammar(21, preferred),
  KEY: grammar(25, { ...dnskey, publicKey: optionalBase64 }),
  PX: grammar(26, { preference: u16, map822: plainName, mapx400: plainName }),
  AAAA: grammar(28, { address: ipv6 }),
  LOC: grammar(29, { location }),
  SRV: grammar(33, { priority: u16, weight: u16, port: u16, target: plainName }),
  NAPTR: grammar(35, {
    order: u16,
    preference: u16,
    flags: string,
    services: string,
    regexp: string,
    replacement: plainName,
  }),
  KX: grammar(36, preferred),
  CERT: grammar(37, { type: certificateType, keyTag: u16, algorithm, certificate: base64 }),
  DNAME: grammar(39, { target: plainName }),
  APL: grammar(42, { prefixes: addressPrefixes }),
  DS: grammar(43, ds, { doubt: dsDigest }),
  SSHFP: grammar(44, { algorithm: u8, fingerprintType: u8, fingerprint: hex }, { doubt: sshDigest }),
  IPSECKEY: grammar(45, { gateway: ipsecGateway, publicKey: optionalBase64 }),
  RRSIG: grammar(46, {
    covered: typeField(typeNames),
    algorithm,
    labels: u8,
    originalTtl: period,
    expiration: moment,
    inception: moment,
    keyTag: u16,
    signer: plainName,
    signature: base64,
  }),
  NSEC: grammar(47, { next: plainName, types: bitmap }),
  DNSKEY: grammar(48, dnskey),
  DHCID: grammar(49, { digest: base64 }),
  NSEC3: grammar(50, {
    algorithm: u8,
    flags: u8,
    iterations: u16,
    salt,
    next: hashedOwner,
    types: bitmap,
  }),
  NSEC3PARAM: grammar(51, { algorithm: u8, flags: u8, iterations: u16, salt }),
  TLSA: grammar(52, tlsa, { doubt: tlsaDigest }),
  SMIMEA: grammar(53, tlsa, { doubt: tlsaDigest }),
  HIP: grammar(55, { identity: hostIdentity, servers: plainNames }),
  CDS: grammar(59, ds, { doubt: dsDigest }),
  CDNSKEY: grammar(60, dnskey),
  OPENPGPKEY: grammar(61, { publicKey: base64 }),
  CSYNC: grammar(62, { serial: u32, flags: u16, types: bitmap }),
  ZONEMD: grammar(63, { serial: u32, scheme: u8, hash: u8, digest: hex }, { doubt: zoneDigest }),
  SVCB: grammar(types.svcb, svcb, { doubt: aliasWithoutParams }),
  HTTPS: grammar(65, svcb, { doubt: aliasWithoutParams }),
  DSYNC: grammar(66, { covered: typeField(typeNames), scheme: syncScheme, port: u16, target: plainName }),
  SPF: grammar(99, { strings }),
  NID: grammar(104, { preference: u16, nodeId: locator64 }),
  L32: grammar(105, { preference: u16, locator: ipv4 }),
  L64: grammar(106, { preference: u16, locator: locator64 }),
  LP: grammar(107, { preference: u16, fqdn: plainName }),
  EUI48: grammar(108, { address: hyphenated(6) }),
  EUI64: grammar(109, { address: hyphenated(8) }),
  URI: grammar(256, { priority: u16, weight: u16, target: text(1) }),
  CAA: grammar(257, { flags: u8, tag, value: text(0) }),
  AMTRELAY: grammar(260, { relay: amtRelay }),
  RESINFO: grammar(261, { strings }),
  WALLET: grammar(262, { strings }),
  DLV: grammar(32769, ds, { doubt: dsDigest }),
}

const byType = new Map(Object.entries(grammars).map(([name, entry]) => [entry.type, { name, ...entry }]))

/** Number of every type that we know, by its mnemonic. */
export const rrTypes: ReadonlyMap<string, number> = new Map(
  Object.entries(grammars).map(([name, entry]) => [name, entry.type]),
)

/** Types that stand for an operation or a question and own no data, by the names that people may try. */
const pseudoTypes: ReadonlyMap<string, number> = new Map([
  ['OPT', 41],
  ['NXNAME', 128],
  ['TKEY', 249],
  ['TSIG', 250],
  ['IXFR', 251],
  ['AXFR', 252],
  ['MAILB', 253],
  ['MAILA', 254],
  ['ANY', 255],
  ['*', 255],
])

/** Names that other servers give to what stands for the addresses of another name, an apex mostly. */
const aliasNames: ReadonlySet<string> = new Set(['ALIAS', 'ANAME', 'FLATTEN'])

/** Mnemonic of a type, or `TYPE123` (RFC 3597 section 5) for one that we don't know. */
export function typeName(type: number): string {
  return byType.get(type)?.name ?? `TYPE${type}`
}

/** Types that only a question has. */
const questionTypes: Readonly<Record<number, string>> = { 251: 'IXFR', 252: 'AXFR', 255: 'ANY' }

/** The same of a type that is asked for. */
export function queriedTypeName(type: number): string {
  return questionTypes[type] ?? typeName(type)
}

/**
 * Number of a type that an RRset can have, from its mnemonic or from `TYPE123`, in either case.
 *
 * @throws TextError when the text is no type, or one that owns no data (0, 65535, OPT, and the meta and question types,
 *   RFC 6895 section 3.1).
 */
export function parseType(source: string): number {
  const type = readType(source)
  if (type === null) {
    const instead = aliasNames.has(source.toUpperCase())
      ? 'what it does, a service does whose pool has the host as a member'
      : 'one without a name here is written TYPE123'
    throw new TextError(`type ${source} is not known; ${instead}`)
  }
  if (type === 0 || type === 65535 || type === types.any || isMetaType(type)) {
    throw new TextError(`type ${source} stands for no data, so no RRset has it`)
  }
  return type
}

/** Any type, pseudo types too; null when the text is none. */
function readType(source: string): number | null {
  const name = source.toUpperCase()
  const known = rrTypes.get(name) ?? pseudoTypes.get(name)
  if (known !== undefined) return known
  const digits = /^TYPE(0|[1-9]\d{0,4})$/.exec(name)?.[1]
  return digits === undefined || Number(digits) > 65535 ? null : Number(digits)
}

/**
 * Wire form of RDATA in presentation form; relative names in it take `origin`.
 *
 * @param typeText as `parseType` takes it
 * @throws TextError that names the type and the field.
 */
export function parseRdata(typeText: string, source: string, origin: Uint8Array): Uint8Array {
  const type = parseType(typeText)
  const name = typeName(type)
  const tokens = new TokenReader(source, origin)
  const first = tokens.peek()
  // A quoted "\#" is a string.
  const opaque = first?.text === '\\#' && !first.quoted
  if (!opaque && !byType.has(type)) throw new TextError(`${name}: must be written \\# length hexadecimal`)
  const rdata = opaque ? parseOpaque(type, tokens) : parseFields(type, tokens)
  if (!tokens.done) throw new TextError(`${name}: "${tokens.nextParameter().text}" is one field too many`)
  if (rdata.length > 65535) throw new TextError(`${name}: RDATA is longer than 65535 octets`)
  return rdata
}

function parseFields(type: number, tokens: TokenReader): Uint8Array {
  const out = new ByteWriter()
  for (const [label, kind] of byType.get(type)!.fields) {
    naming(`${typeName(type)} ${label}`, () => kind.parse(tokens, out))
  }
  return out.finish()
}

/** The form of RFC 3597 section 5; octets of a type that we know come out as its text would make them. */
function parseOpaque(type: number, tokens: TokenReader): Uint8Array {
  const rdata = naming(typeName(type), () => {
    tokens.next()
    const { text: length } = tokens.next()
    if (!/^\d{1,5}$/.test(length)) throw new TextError(`"${length}" is not a length`)
    const octets = parseHex(tokens.rest())
    if (octets.length !== Number(length)) {
      throw new TextError(`the length is ${length}, and ${octets.length} octets stand there`)
    }
    return octets
  })
  if (!byType.has(type)) return rdata
  return parseFields(type, new TokenReader(formatFields(type, rdata), tokens.origin))
}

/**
 * Canonical text of RDATA: absolute names, quoted strings, one space between fields.
 *
 * @throws TextError when the octets are not RDATA of the type.
 */
export function formatRdata(type: number, rdata: Uint8Array): string {
  const written = byType.has(type) ? formatFields(type, rdata) : ''
  if (written !== '') return written
  // No octets have a text as well, so that a line of a master file never ends with its type.
  return `\\# ${rdata.length} ${encoded(rdata, 'hex').toUpperCase()}`.trimEnd()
}

function formatFields(type: number, rdata: Uint8Array): string {
  return walk(type, rdata)
    .map(({ kind, offset, length }) => kind.format(rdata.subarray(offset, offset + length)))
    .filter((written) => written !== '')
    .join(' ')
}

/** Mnemonics of the types of which `rdataDoubt` may have something to say. */
export const doubtedTypes: readonly string[] = Object.entries(grammars)
  .filter(([, { doubt }]) => doubt !== undefined)
  .map(([name]) => name)

/**
 * What in RDATA is allowed and can yet hardly be meant: a digest that is not as long as its kind, an alias with parameters. Null
 * when nothing is.
 *
 * It is no error, because zones that are served elsewhere hold such data, NSD loads it, and what is stored must be readable
 * again: from the database, from a snapshot, from an export. So whoever takes data from a person asks this.
 *
 * @param type mnemonic
 * @param canonical text, as `formatRdata` writes it
 */
export function rdataDoubt(type: string, canonical: string): string | null {
  // Canonical text has no relative names, so that any origin does.
  return grammars[type]?.doubt?.(parseRdata(type, canonical, rootName)) ?? null
}

/**
 * The octets by which RRs of one owner and type are told apart: all names in them are in lower case, since names that differ in
 * case are one name (RFC 4343). RFC 3597 section 6 compares types that are younger than it octet by octet, for servers that
 * don't know them; to whoever reads the names, two such RRs say the same. What is signed is another form (`canonical.ts`).
 *
 * @param rdata sound octets of the type
 */
export function foldedRdata(type: number, rdata: Uint8Array): Uint8Array {
  if (byType.get(type)?.folded !== true) return rdata
  const fields = walk(type, rdata).map(({ kind, offset, length }) => {
    const field = rdata.subarray(offset, offset + length)
    return kind.fold?.(field) ?? field
  })
  return Buffer.concat(fields)
}

/**
 * The same as text: RDATA that is one has one.
 *
 * @param type mnemonic, or `TYPE123`
 * @param canonical text, as `formatRdata` writes it
 */
export function rdataIdentity(type: string, canonical: string): string {
  // What has no capitals has none in its names; escapes by number are of octets that are no letters.
  if (grammars[type]?.folded !== true || !/[A-Z]/.test(canonical)) return canonical
  const number = parseType(type)
  return formatRdata(number, foldedRdata(number, parseRdata(type, canonical, rootName)))
}

/**
 * The names that are fields of RDATA; none for a type that we don't know (RFC 3597 section 4: its octets are opaque),
 * and not the names inside a larger field, which are never compressed.
 */
export function nameFields(type: number, rdata: Uint8Array): readonly NameField[] {
  if (byType.get(type)?.named !== true) return []
  return walk(type, rdata)
    .filter(({ kind }) => kind.name !== undefined)
    .map(({ kind, offset, length }) => ({ offset, length, compressible: kind.name === 'compressible' }))
}

function walk(type: number, rdata: Uint8Array): { kind: FieldKind; offset: number; length: number }[] {
  let offset = 0
  const found = byType.get(type)!.fields.map(([label, kind]) => {
    const length = kind.measure(rdata, offset)
    if (length < 0) throw new TextError(`${typeName(type)} ${label}: the octets are malformed`)
    const field = { kind, offset, length }
    offset += length
    return field
  })
  if (offset !== rdata.length)
    throw new TextError(`${typeName(type)}: ${rdata.length - offset} octets too many`)
  return found
}
