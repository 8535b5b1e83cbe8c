/**
 * Names, in wire form (labels with their length octets, the root's zero at the end) and in presentation form
 * (RFC 1035 section 5.1). Comparison and hashing are over the lower-cased wire form; only ASCII letters fold (RFC 4343).
 *
 * This is the control plane's side: it allocates and throws. The query path has its own decoder in `query.ts`.
 */
import { TextError } from './text-error.ts'

/** RFC 1035 section 3.1. */
export const maxNameLength = 255
export const maxLabelLength = 63

export const rootName = Uint8Array.of(0)

/**
 * Wire form of a name in presentation form. A name without a final dot is relative and takes `origin`
 * (a name in wire form); `@` alone is the origin itself.
 *
 * @throws TextError when the text is not a name, or is relative and there is no origin.
 */
export function parseName(text: string, origin?: Uint8Array): Uint8Array {
  if (text === '') throw new TextError('a name is missing')
  if (text === '.') return rootName
  if (text === '@') {
    if (origin === undefined) throw new TextError('"@" has no origin here')
    return origin
  }
  return parsePlainName(text, origin) ?? parseEscapedName(text, origin)
}

/** Bounds what `parsePlainName` reads; filled anew by each call. */
const plain = new Uint8Array(maxNameLength)

/** What nearly every name is: labels without escapes. Null for anything else, wrong names included. */
function parsePlainName(text: string, origin: Uint8Array | undefined): Uint8Array | null {
  if (text.length >= maxNameLength) return null
  let label = 0
  let at = 1
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === 0x2e) {
      const length = at - label - 1
      if (length === 0 || length > maxLabelLength) return null
      plain[label] = length
      label = at++
    } else if (char > 0x7f || char === 0x5c) return null
    else plain[at++] = char
  }
  const length = at - label - 1
  if (length === 0) {
    plain[label] = 0
    return plain.slice(0, at)
  }
  if (origin === undefined || length > maxLabelLength || at + origin.length > maxNameLength) return null
  plain[label] = length
  const name = new Uint8Array(at + origin.length)
  name.set(plain.subarray(0, at))
  name.set(origin, at)
  return name
}

/** @throws TextError as `parseName` */
function parseEscapedName(text: string, origin: Uint8Array | undefined): Uint8Array {
  const labels = parseLabels(text)
  const absolute = labels.at(-1)!.length === 0
  if (!absolute && origin === undefined) throw new TextError(`name "${text}" lacks its final dot`)
  // An empty last label is the root.
  const octets = labels.flatMap((label) => [label.length, ...label])
  const name = Uint8Array.from(absolute ? octets : [...octets, ...origin!])
  if (name.length > maxNameLength)
    throw new TextError(`name "${text}" is longer than ${maxNameLength} octets`)
  return name
}

/** Labels as octets; a final dot shows as an empty last label. */
function parseLabels(text: string): number[][] {
  const labels: number[][] = [[]]
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    if (char === '.') {
      if (labels.at(-1)!.length === 0) throw new TextError(`name "${text}" has an empty label`)
      labels.push([])
      at++
      continue
    }
    const { octet, next } = parseOctet(text, at)
    const label = labels.at(-1)!
    label.push(octet)
    if (label.length > maxLabelLength) {
      throw new TextError(`name "${text}" has a label longer than ${maxLabelLength} octets`)
    }
    at = next
  }
  return labels
}

/**
 * One octet of presentation text at `at`: a character, `\X` or `\DDD` (RFC 1035 section 5.1).
 *
 * @throws TextError on a broken escape or a character outside of ASCII, which must be written as `\DDD`.
 */
export function parseOctet(text: string, at: number): { octet: number; next: number } {
  const char = text.charCodeAt(at)
  if (char !== 0x5c) {
    if (char > 0x7f)
      throw new TextError(
        `"${text}" has a character outside of ASCII; names of hosts are written as xn--..., other octets as \\DDD`,
      )
    return { octet: char, next: at + 1 }
  }
  const digits = /^\d{3}/.exec(text.slice(at + 1, at + 4))?.[0]
  if (digits !== undefined) {
    const octet = Number(digits)
    if (octet > 255) throw new TextError(`"${text}" has the escape \\${digits}, above \\255`)
    return { octet, next: at + 4 }
  }
  const escaped = text.charCodeAt(at + 1)
  if (Number.isNaN(escaped) || escaped > 0x7f || (escaped >= 0x30 && escaped <= 0x39)) {
    throw new TextError(`"${text}" has a broken escape`)
  }
  return { octet: escaped, next: at + 2 }
}

/** Absolute presentation form with the final dot. */
export function formatName(wire: Uint8Array): string {
  if (wire[0] === 0) return '.'
  let text = ''
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) {
    for (let i = 1; i <= wire[at]!; i++) text += formatOctet(wire[at + i]!, nameSpecials)
    text += '.'
  }
  return text
}

const nameSpecials = new Set('.\\"();@$'.split('').map((char) => char.charCodeAt(0)))

/** Presentation form of one octet, escaped when it is in `specials` or not printable. */
export function formatOctet(octet: number, specials: ReadonlySet<number>, space = false): string {
  if (specials.has(octet)) return `\\${String.fromCharCode(octet)}`
  if (octet < (space ? 0x20 : 0x21) || octet > 0x7e) return `\\${String(octet).padStart(3, '0')}`
  return String.fromCharCode(octet)
}

/** A copy with ASCII letters in lower case (RFC 4343). Label lengths stay below 0x41, so that they never fold. */
export function lowerName(wire: Uint8Array): Uint8Array {
  const name = new Uint8Array(wire.length)
  for (let i = 0; i < wire.length; i++) {
    const octet = wire[i]!
    name[i] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
  }
  return name
}

/** Offsets at which the labels of a name begin, the root's not counted. */
export function labelOffsets(wire: Uint8Array): number[] {
  const offsets: number[] = []
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1) offsets.push(at)
  return offsets
}

export function labelCount(wire: Uint8Array): number {
  return labelOffsets(wire).length
}

/** The name without its first label; the root stays the root. */
export function parentName(wire: Uint8Array): Uint8Array {
  return wire[0] === 0 ? wire : wire.subarray(wire[0]! + 1)
}

/** Whether `name` is `ancestor` or below it. Both in lower-cased wire form. */
export function isSubdomain(name: Uint8Array, ancestor: Uint8Array): boolean {
  const start = name.length - ancestor.length
  if (start < 0) return false
  for (let i = 0; i < ancestor.length; i++) if (name[start + i] !== ancestor[i]) return false
  let at = 0
  while (at < start) at += name[at]! + 1
  return at === start
}

/**
 * A zone's or a service's name as the document writes it: absolute, with or without the final dot. Gives it in lower
 * case without the final dot (the root is `.`).
 *
 * @throws TextError when the text is not a name.
 */
export function parseHostname(text: string): string {
  // A dot behind an odd number of backslashes is escaped, so it doesn't end the name.
  const absolute = text === '' || /(?<!\\)(?:\\\\)*\.$/.test(text)
  const canonical = formatName(lowerName(parseName(absolute ? text : `${text}.`)))
  return canonical === '.' ? '.' : canonical.slice(0, -1)
}

/** Wire form, in lower case, of what `parseHostname` gives. */
export function hostnameToWire(hostname: string): Uint8Array {
  return lowerName(parseName(hostname === '.' ? '.' : `${hostname}.`))
}

/** A hostname and every name that it lies in, the longest first: itself, its ancestors, the root. */
export function enclosingHostnames(hostname: string): string[] {
  const names: string[] = []
  for (let wire = hostnameToWire(hostname); wire[0] !== 0; wire = parentName(wire)) {
    names.push(formatName(wire).slice(0, -1))
  }
  return [...names, '.']
}

/** `name` relative to `apex` in presentation form, `@` for the apex; both in wire form, `name` at or below `apex`. */
export function relativeName(name: Uint8Array, apex: Uint8Array): string {
  const length = name.length - apex.length
  if (length === 0) return '@'
  const prefix = new Uint8Array(length + 1)
  prefix.set(name.subarray(0, length))
  return formatName(prefix).slice(0, -1)
}
