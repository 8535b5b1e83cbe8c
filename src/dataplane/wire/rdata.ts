/**
 * RDATA of every type that we know: one table of field grammars, from which text, wire form and checks all come, so that
 * a new type is a line. A grammar is the list of the type's fields in wire order; each kind of field knows how to read
 * itself from presentation tokens, how to write itself as text, and how long it is in the wire form.
 *
 * Only the types of RFC 1035 may have their names compressed in a message (RFC 3597 section 4), which is why there are
 * two kinds of name.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts'
import { ByteWriter } from './bytes.ts'
import { formatName, formatOctet, parseName, parseOctet } from './name.ts'
import { TextError } from './text-error.ts'
import { splitTokens, type Token } from './tokens.ts'

/** Where a field stands in RDATA, for those who must know of the names in it. */
export interface NameField {
  readonly offset: number
  readonly length: number
  readonly compressible: boolean
}

interface FieldKind {
  /** Reads as many tokens as the field takes and appends its wire form. */
  parse(tokens: TokenReader, out: ByteWriter): void
  /** Length in octets of the field at `at`, or -1 when it is malformed or runs over the end. */
  measure(rdata: Uint8Array, at: number): number
  format(field: Uint8Array): string
  readonly name?: 'compressible' | 'plain'
}

interface Field {
  readonly label: string
  readonly kind: FieldKind
}

class TokenReader {
  readonly origin: Uint8Array
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[], origin: Uint8Array) {
    this.#tokens = tokens
    this.origin = origin
  }

  get done(): boolean {
    return this.#at === this.#tokens.length
  }

  next(): Token {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new TextError('is missing')
    this.#at++
    return token
  }
}

function unsigned(octets: 1 | 2 | 4): FieldKind {
  const most = 2 ** (8 * octets) - 1
  return {
    parse(tokens, out) {
      const { text } = tokens.next()
      const value = Number(text)
      if (!/^\d{1,10}$/.test(text) || value > most)
        throw new TextError(`"${text}" is not a number from 0 to ${most}`)
      for (let shift = 8 * (octets - 1); shift >= 0; shift -= 8) out.u8((value >>> shift) & 0xff)
    },
    measure: (rdata, at) => (at + octets <= rdata.length ? octets : -1),
    format: (field) => String(field.reduce((value, octet) => value * 256 + octet, 0)),
  }
}

const ipv4: FieldKind = {
  parse(tokens, out) {
    const { text } = tokens.next()
    const octets = parseIpv4(text)
    if (octets === null) throw new TextError(`"${text}" is not an IPv4 address`)
    out.append(octets)
  },
  measure: (rdata, at) => (at + 4 <= rdata.length ? 4 : -1),
  format: formatIpv4,
}

const ipv6: FieldKind = {
  parse(tokens, out) {
    const { text } = tokens.next()
    const octets = parseIpv6(text)
    if (octets === null) throw new TextError(`"${text}" is not an IPv6 address`)
    out.append(octets)
  },
  measure: (rdata, at) => (at + 16 <= rdata.length ? 16 : -1),
  format: formatIpv6,
}

function domainName(name: 'compressible' | 'plain'): FieldKind {
  return {
    parse: (tokens, out) => out.append(parseName(tokens.next().text, tokens.origin)),
    measure: measureName,
    format: formatName,
    name,
  }
}

function measureName(rdata: Uint8Array, at: number): number {
  let end = at
  for (;;) {
    const length = rdata[end]
    if (length === undefined || length > 63) return -1
    end += length + 1
    if (end - at > 255) return -1
    if (length === 0) return end - at
  }
}

/** One <character-string> of RFC 1035 section 3.3: a length octet and up to 255 octets. */
const string: FieldKind = {
  parse(tokens, out) {
    const octets = stringOctets(tokens.next().text)
    if (octets.length > 255) throw new TextError('is a string longer than 255 octets')
    out.u8(octets.length)
    out.append(octets)
  },
  measure(rdata, at) {
    const length = rdata[at]
    return length === undefined || at + 1 + length > rdata.length ? -1 : 1 + length
  },
  format: (field) => formatString(field.subarray(1)),
}

/** One or more <character-string>s to the end of the RDATA. */
const strings: FieldKind = {
  parse(tokens, out) {
    do string.parse(tokens, out)
    while (!tokens.done)
  },
  measure(rdata, at) {
    let end = at
    do {
      const length = string.measure(rdata, end)
      if (length < 0) return -1
      end += length
    } while (end < rdata.length)
    return end - at
  },
  format(field) {
    const parts: string[] = []
    for (let at = 0; at < field.length; at += field[at]! + 1) {
      parts.push(string.format(field.subarray(at, at + 1 + field[at]!)))
    }
    return parts.join(' ')
  },
}

/** Property tag of CAA: letters and digits behind a length octet (RFC 8659 section 4.1). */
const tag: FieldKind = {
  parse(tokens, out) {
    const { text } = tokens.next()
    if (!/^[a-z0-9]{1,255}$/i.test(text)) throw new TextError(`"${text}" is not letters and digits`)
    out.u8(text.length)
    out.append(Buffer.from(text.toLowerCase(), 'latin1'))
  },
  measure: string.measure,
  format: (field) => Buffer.from(field.subarray(1)).toString('latin1'),
}

/** Octets to the end of the RDATA, written as one quoted string (the value of CAA, RFC 8659 section 4.1). */
const text: FieldKind = {
  parse: (tokens, out) => out.append(stringOctets(tokens.next().text)),
  measure: (rdata, at) => rdata.length - at,
  format: formatString,
}

function stringOctets(source: string): Uint8Array {
  const octets: number[] = []
  for (let at = 0; at < source.length; ) {
    const { octet, next } = parseOctet(source, at)
    octets.push(octet)
    at = next
  }
  return Uint8Array.from(octets)
}

const stringSpecials = new Set([0x22, 0x5c])

function formatString(octets: Uint8Array): string {
  let inner = ''
  for (const octet of octets) inner += formatOctet(octet, stringSpecials, true)
  return `"${inner}"`
}

const u8 = unsigned(1)
const u16 = unsigned(2)
const u32 = unsigned(4)
const compressible = domainName('compressible')
const plain = domainName('plain')

interface Grammar {
  readonly type: number
  readonly fields: readonly Field[]
}

function grammar(type: number, fields: Record<string, FieldKind>): Grammar {
  return { type, fields: Object.entries(fields).map(([label, kind]) => ({ label, kind })) }
}

// A new type is a line here.
const grammars = {
  A: grammar(1, { address: ipv4 }),
  NS: grammar(2, { nsdname: compressible }),
  CNAME: grammar(5, { cname: compressible }),
  SOA: grammar(6, {
    mname: compressible,
    rname: compressible,
    serial: u32,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
  }),
  PTR: grammar(12, { ptrdname: compressible }),
  MX: grammar(15, { preference: u16, exchange: compressible }),
  TXT: grammar(16, { strings }),
  AAAA: grammar(28, { address: ipv6 }),
  SRV: grammar(33, { priority: u16, weight: u16, port: u16, target: plain }),
  CAA: grammar(257, { flags: u8, tag, value: text }),
} as const satisfies Record<string, Grammar>

export type KnownType = keyof typeof grammars

const byType = new Map<number, Grammar>(Object.values(grammars).map((entry) => [entry.type, entry]))
const mnemonics = new Map<number, string>(Object.entries(grammars).map(([name, entry]) => [entry.type, name]))

/** Number of every type that we know, by its mnemonic. */
export const rrTypes: ReadonlyMap<string, number> = new Map(
  Object.entries(grammars).map(([name, entry]) => [name, entry.type]),
)

/** Mnemonic of a type, or `TYPE123` (RFC 3597 section 5) for one that we don't know. */
export function typeName(type: number): string {
  return mnemonics.get(type) ?? `TYPE${type}`
}

/**
 * Wire form of RDATA in presentation form; relative names in it take `origin`.
 *
 * @throws TextError that names the field.
 */
export function parseRdata(type: string, source: string, origin: Uint8Array): Uint8Array {
  const entry = Object.hasOwn(grammars, type) ? grammars[type as KnownType] : undefined
  if (entry === undefined) throw new TextError(`type ${type} is not known`)
  const tokens = new TokenReader(splitTokens(source), origin)
  const out = new ByteWriter()
  for (const { label, kind } of entry.fields) {
    try {
      kind.parse(tokens, out)
    } catch (error) {
      if (error instanceof TextError) throw new TextError(`${type} ${label}: ${error.message}`)
      throw error
    }
  }
  if (!tokens.done) throw new TextError(`${type}: "${tokens.next().text}" is one field too many`)
  if (out.length > 65535) throw new TextError(`${type}: RDATA is longer than 65535 octets`)
  return out.finish()
}

/**
 * Canonical text of RDATA: absolute names, quoted strings, one space between fields.
 *
 * @throws TextError when the octets are not RDATA of the type.
 */
export function formatRdata(type: number, rdata: Uint8Array): string {
  return walk(type, rdata)
    .map(({ kind, offset, length }) => kind.format(rdata.subarray(offset, offset + length)))
    .join(' ')
}

/** The names inside RDATA; none for a type that we don't know (RFC 3597 section 4: its octets are opaque). */
export function nameFields(type: number, rdata: Uint8Array): NameField[] {
  if (!byType.has(type)) return []
  return walk(type, rdata)
    .filter(({ kind }) => kind.name !== undefined)
    .map(({ kind, offset, length }) => ({ offset, length, compressible: kind.name === 'compressible' }))
}

function walk(type: number, rdata: Uint8Array): { kind: FieldKind; offset: number; length: number }[] {
  const entry = byType.get(type)
  if (entry === undefined) throw new TextError(`type ${type} is not known`)
  let offset = 0
  const found = entry.fields.map(({ label, kind }) => {
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
