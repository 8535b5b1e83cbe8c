/** The kinds of field that the resources' schemas are made of. Descriptions complete "must be ...". */
import Type from 'typebox'
import { canonicalAddress } from '../../dataplane/wire/address.ts'
import { hostnameToWire, lowerName, parseHostname, parseName } from '../../dataplane/wire/name.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { Problem } from '../model/errors.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { show } from './schema-check.ts'

/** Milliseconds of the longest time that a zone or a service can ask for: 2^31 - 1 seconds (RFC 2181 section 8). */
const maxTtlMs = 2_147_483_647_000

/** One of a few words. */
export function Words<const Word extends string>(words: readonly Word[]) {
  return Type.Unsafe<Word>({
    type: 'string',
    enum: [...words],
  })
}

/** A whole number in a range. */
export function Whole(minimum: number, maximum: number) {
  return Type.Integer({ minimum, maximum, description: `a whole number from ${minimum} to ${maximum}` })
}

export const Port = () => Whole(1, 65535)

/** A duration from `fromMs` to `toMs`. */
export function Duration(fromMs: number, toMs: number) {
  const description =
    'a duration such as 500ms, 10s, 5m, 1h or 14d, or whole seconds, ' +
    `from ${formatDuration(fromMs)} to ${formatDuration(toMs)}`
  return durationSchema(description, (ms) => ms >= fromMs && ms <= toMs)
}

/** A time of whole seconds, as DNS has them: 0 to 2^31 - 1 (RFC 2181 section 8). */
export function Seconds() {
  return durationSchema(
    'whole seconds, as a number or as a duration such as 30s, 5m or 1h, from 0 to 2147483647',
    (ms) => ms <= maxTtlMs && ms % 1000 === 0,
  )
}

function durationSchema(description: string, fits: (ms: number) => boolean) {
  return Type.Refine(
    Type.Unsafe<string | number>({ type: ['string', 'integer'], description }),
    (value) => {
      const ms = parseDuration(value)
      return ms !== null && fits(ms)
    },
    (value) => `must be ${description}, not ${show(value)}`,
  )
}

/** Milliseconds of a field that its schema has already checked. */
export function durationMs(value: string | number): number {
  return parseDuration(value) ?? 0
}

/** Seconds of a field that its schema has already checked. */
export function durationSeconds(value: string | number): number {
  return durationMs(value) / 1000
}

/** A text that `accept` agrees with. No text holds a NUL or half a surrogate pair: Postgres could not keep it. */
export function Text(description: string, accept: (text: string) => boolean) {
  return Type.Refine(
    Type.String({ description }),
    (value) => value.isWellFormed() && !value.includes('\0') && accept(value),
    (value) => `must be ${description}, not ${show(value)}`,
  )
}

/** An address of a member: what an A or AAAA RRset can carry. */
export function Address() {
  return Text('an IPv4 or IPv6 address (not IPv4-mapped, no zone index)', isMemberAddress)
}

function isMemberAddress(text: string): boolean {
  const canonical = canonicalAddress(text)
  return canonical !== null && !canonical.startsWith('::ffff:')
}

/**
 * The host of a member: a name that resolvers will be asked for, so of letters that names of hosts are made of. There is
 * no origin that it could be relative to, so the final dot may be left out.
 */
export function Host() {
  return Text('a host name, such as lb.provider.example.', isHost)
}

const hostLabel = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

export function isHost(text: string): boolean {
  const labels = hostText(text).slice(0, -1).split('.')
  // A last label of digits alone is the end of an IPv4 address that was mistyped.
  return text.length <= 254 && labels.every((label) => hostLabel.test(label)) && !/^\d+$/.test(labels.at(-1)!)
}

/** Canonical text of a host that its schema has already checked. */
export function hostText(value: string): string {
  const lower = value.toLowerCase()
  return lower.endsWith('.') ? lower : `${lower}.`
}

/** Canonical text of a field that its schema has already checked. */
export function addressText(value: string): string {
  return canonicalAddress(value) ?? value
}

const namePattern = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

const nameDescription =
  'a name of 1 to 63 lower-case letters, digits, ".", "_" or "-", that begins and ends with a letter or digit'

/** The name of a monitor, a pool or a member. */
export function Name() {
  return Text(nameDescription, isName)
}

function isName(text: string): boolean {
  return namePattern.test(text)
}

/** Reports a map key (or a part of a URL) that can't name a monitor, a pool or a member. */
export function checkName(name: string, path: string, problems: Problem[]): void {
  if (!isName(name)) problems.push({ path, message: `must be ${nameDescription}, not ${show(name)}` })
}

const patternPattern = /^[a-z0-9._*?-]{1,128}$/

const patternDescription =
  'a name, or a pattern of 1 to 128 of its characters in which "*" stands for any run of characters and "?" for one'

/** Reports a part of a URL that can't name members or pools, by a name or by a pattern (`glob.ts`). */
export function checkPattern(pattern: string, path: string, problems: Problem[]): void {
  if (patternPattern.test(pattern)) return
  problems.push({ path, message: `must be ${patternDescription}, not ${show(pattern)}` })
}

/** A domain name of a service or a zone, canonical as in the model; null (and a problem) when it is none. */
export function readHostname(text: string, path: string, problems: Problem[]): string | null {
  return reading(path, problems, () => {
    const name = parseHostname(text)
    hostnameToWire(name)
    return name
  })
}

/** Runs `work`; a TextError becomes a problem at `path`, and null the result. */
export function reading<T>(path: string, problems: Problem[], work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    problems.push({ path, message: error.message })
    return null
  }
}

/** An absolute name in presentation form, with its final dot. */
export function AbsoluteName() {
  return Text('an absolute name with its final dot, such as ns1.example.test.', (text) => {
    try {
      return lowerName(parseName(text)).length > 0
    } catch (error) {
      if (error instanceof TextError) return false
      throw error
    }
  })
}
