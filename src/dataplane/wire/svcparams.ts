/**
 * The parameters of SVCB and HTTPS (RFC 9460 section 2.1): `alpn="h2,h3" port=8443 key65280="any octets"`. Their text
 * is in any order; the wire form has them by rising key, each once.
 *
 * A value is a <character-string> first, so its escapes are resolved before the parameter's own grammar sees it. Lists
 * have escapes of their own inside of that (appendix A.1): an alpn with a comma in it is written `alpn="f\\,oo"`.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts'
import {
  bigEndian,
  encoded,
  type FieldKind,
  formatString,
  parseBase64,
  stringOctets,
  toNumber,
} from './rdata-fields.ts'
import { naming, TextError } from './text-error.ts'
import type { Token } from './tokens.ts'

interface ParamKind {
  readonly name: string
  /** Octets of the value that the text (as octets) stands for. @throws TextError */
  parse(value: Uint8Array): Uint8Array
  valid(octets: Uint8Array): boolean
  /** What stands behind `=`, which is left out when there are no octets. */
  format(octets: Uint8Array): string
}

/** Reserved as "invalid key" (RFC 9460 section 14.3.2). */
const invalidKey = 65535
const keys = { mandatory: 0, alpn: 1, noDefaultAlpn: 2 } as const

// IANA "Service Parameter Keys (SvcParamKeys)"; the number is the place.
const kinds: readonly ParamKind[] = [
  {
    name: 'mandatory',
    parse(value) {
      const found = split(value).map(readKey)
      if (new Set(found).size < found.length) throw new TextError('names a key twice')
      return Buffer.concat(found.sort((a, b) => a - b).map((key) => bigEndian(key, 2)))
    },
    valid(octets) {
      const found = pairs(octets)
      return (
        octets.length > 0 &&
        octets.length % 2 === 0 &&
        found.every(
          (key, i) => key !== keys.mandatory && key !== invalidKey && (i === 0 || key > found[i - 1]!),
        )
      )
    },
    format: (octets) => pairs(octets).map(keyName).join(','),
  },
  {
    name: 'alpn',
    parse: (value) => Buffer.concat(splitEscaped(value).map(counted)),
    valid: (octets) => octets.length > 0 && splitCounted(octets) !== null,
    format: (octets) => formatString(joinEscaped(splitCounted(octets)!)),
  },
  withoutValue('no-default-alpn'),
  {
    name: 'port',
    parse(value) {
      const port = encoded(value, 'latin1')
      if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
        throw new TextError(`"${port}" is not a number from 0 to 65535`)
      }
      return bigEndian(Number(port), 2)
    },
    valid: (octets) => octets.length === 2,
    format: (octets) => String(toNumber(octets)),
  },
  addresses('ipv4hint', 4, 'an IPv4 address', parseIpv4, formatIpv4),
  {
    name: 'ech',
    parse: (value) => parseBase64(encoded(value, 'latin1')),
    valid: (octets) => octets.length > 0,
    format: (octets) => encoded(octets, 'base64'),
  },
  addresses('ipv6hint', 16, 'an IPv6 address', parseIpv6, formatIpv6),
  {
    // RFC 9461 section 5: a relative URI template in UTF-8, with the variable "dns".
    name: 'dohpath',
    parse: (value) => value,
    valid: (octets) => /^\/.*\{[^{}]*\bdns\b[^{}]*\}/s.test(readUtf8(octets)),
    format: formatString,
  },
  // RFC 9540 section 4.
  withoutValue('ohttp'),
]

function withoutValue(name: string): ParamKind {
  return { name, parse: (value) => value, valid: (octets) => octets.length === 0, format: formatString }
}

function addresses(
  name: string,
  size: 4 | 16,
  what: string,
  read: (text: string) => Uint8Array | null,
  format: (octets: Uint8Array) => string,
): ParamKind {
  return {
    name,
    parse(value) {
      const found = split(value).map((text) => {
        const octets = read(text)
        if (octets === null) throw new TextError(`"${text}" is not ${what}`)
        return octets
      })
      return Buffer.concat(found)
    },
    valid: (octets) => octets.length > 0 && octets.length % size === 0,
    format: (octets) =>
      Array.from({ length: octets.length / size }, (_, i) =>
        format(octets.subarray(i * size, (i + 1) * size)),
      ).join(','),
  }
}

/** All parameters, to the end of the RDATA. */
export const svcParams: FieldKind = {
  parse(tokens, out) {
    const params = new Map<number, Uint8Array>()
    while (!tokens.done) {
      const [key, octets] = readParam(tokens.nextParameter())
      if (params.has(key)) throw new TextError(`${keyName(key)} stands there twice`)
      params.set(key, octets)
    }
    const problem = contradiction(params)
    if (problem !== null) throw new TextError(problem)
    for (const [key, octets] of [...params].sort(([a], [b]) => a - b)) {
      out.u16(key)
      out.u16(octets.length)
      out.append(octets)
    }
  },
  measure(rdata, at) {
    const params = decode(rdata.subarray(at))
    return params !== null && contradiction(params) === null ? rdata.length - at : -1
  },
  format: (field) =>
    [...decode(field)!]
      .map(([key, octets]) => {
        if (octets.length === 0) return keyName(key)
        return `${keyName(key)}=${kinds[key]?.format(octets) ?? formatString(octets)}`
      })
      .join(' '),
}

function readParam({ text, quoted, valueAt }: Token): [number, Uint8Array] {
  const equals = valueAt === undefined ? text.indexOf('=') : valueAt - 1
  const name = equals < 0 ? text : text.slice(0, equals)
  if (quoted) throw new TextError(`"${text}" is not a parameter`)
  const key = readKey(name)
  return naming(name, () => {
    const value = stringOctets(equals < 0 ? '' : text.slice(equals + 1))
    const kind = kinds[key]
    // `key1` is the wire form of alpn, as it is: only the name has the grammar.
    const octets = kind === undefined || name !== kind.name ? value : kind.parse(value)
    if (octets.length > 65535) throw new TextError('is longer than 65535 octets')
    if (kind?.valid(octets) === false) throw new TextError(`does not fit: ${formatString(value)}`)
    return [key, octets]
  })
}

function readKey(name: string): number {
  const known = kinds.findIndex((kind) => kind.name === name)
  if (known >= 0) return known
  const digits = /^key(0|[1-9]\d{0,4})$/.exec(name)?.[1]
  if (digits === undefined || Number(digits) >= invalidKey) {
    throw new TextError(`"${name}" is not a parameter that is known, nor key and a number up to 65534`)
  }
  return Number(digits)
}

function keyName(key: number): string {
  return kinds[key]?.name ?? `key${key}`
}

/** What RFC 9460 sections 7.1.1 and 8 ask of the parameters together; null when they keep it. */
function contradiction(params: ReadonlyMap<number, Uint8Array>): string | null {
  if (params.has(keys.noDefaultAlpn) && !params.has(keys.alpn)) {
    return 'no-default-alpn stands there without alpn'
  }
  const missing = pairs(params.get(keys.mandatory) ?? new Uint8Array()).find((key) => !params.has(key))
  return missing === undefined ? null : `${keyName(missing)} is mandatory and is not there`
}

/** Parameters by rising key; null when they are malformed or in another order. */
function decode(field: Uint8Array): Map<number, Uint8Array> | null {
  const params = new Map<number, Uint8Array>()
  let before = -1
  for (let at = 0; at < field.length; ) {
    if (at + 4 > field.length) return null
    const key = toNumber(field.subarray(at, at + 2))
    const end = at + 4 + toNumber(field.subarray(at + 2, at + 4))
    const octets = field.subarray(at + 4, end)
    if (key <= before || key === invalidKey || end > field.length) return null
    if (kinds[key]?.valid(octets) === false) return null
    params.set(key, octets)
    before = key
    at = end
  }
  return params
}

/** Numbers of two octets each. */
function pairs(octets: Uint8Array): number[] {
  return Array.from({ length: octets.length >> 1 }, (_, i) => toNumber(octets.subarray(2 * i, 2 * i + 2)))
}

/** Items of a list whose grammar has no escapes. */
function split(value: Uint8Array): string[] {
  return encoded(value, 'latin1').split(',')
}

const comma = 0x2c
const backslash = 0x5c

/** Items of a list in which `\,` and `\\` stand for a comma and a backslash (RFC 9460 appendix A.1). */
function splitEscaped(value: Uint8Array): number[][] {
  const items: number[][] = [[]]
  for (let at = 0; at < value.length; at++) {
    let octet = value[at]!
    if (octet === comma) {
      items.push([])
      continue
    }
    if (octet === backslash) {
      octet = value[++at] ?? 0
      if (octet !== comma && octet !== backslash) throw new TextError('has a broken escape in its list')
    }
    items.at(-1)!.push(octet)
  }
  return items
}

function joinEscaped(items: readonly Uint8Array[]): Uint8Array {
  const octets = items.flatMap((item, i) => [
    ...(i === 0 ? [] : [comma]),
    ...[...item].flatMap((octet) => (octet === comma || octet === backslash ? [backslash, octet] : [octet])),
  ])
  return Uint8Array.from(octets)
}

function counted(item: readonly number[]): Uint8Array {
  if (item.length === 0 || item.length > 255)
    throw new TextError('has an item that is not of 1 to 255 octets')
  return Uint8Array.from([item.length, ...item])
}

/** Items behind their length octets; null when one is empty or cut off. */
function splitCounted(octets: Uint8Array): Uint8Array[] | null {
  const items: Uint8Array[] = []
  for (let at = 0; at < octets.length; ) {
    const length = octets[at]!
    const item = octets.subarray(at + 1, at + 1 + length)
    if (length === 0 || item.length < length) return null
    items.push(item)
    at += 1 + length
  }
  return items
}

/** Empty for octets that are not UTF-8. */
function readUtf8(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    return ''
  }
}
