/** The kinds of scalar that documents are made of. Descriptions complete "must be ...". */
import Type, { type TSchema } from 'typebox'
import { canonicalAddress } from '../../dataplane/wire/address.ts'
import { formatName, hostnameToWire, lowerName, parseHostname, parseName } from '../../dataplane/wire/name.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { Problem } from '../model/errors.ts'
import { formatDuration, formatSeconds, parseDuration } from './duration.ts'
import { converted, type Form, type ParseNamed } from './forms.ts'
import { compileCheck, show } from './schema-check.ts'

/** Milliseconds of the longest time that a zone or a service can ask for: 2^31 - 1 seconds (RFC 2181 section 8). */
const maxTtlMs = 2_147_483_647_000

/** A value that the model keeps as it is written: whatever fits the schema. */
export function Plain<Value>(schema: TSchema): Form<Value> {
  const check = compileCheck(schema)
  return {
    schema,
    parse: (input, path, problems) => {
      const found = check(input, path)
      problems.push(...found)
      return found.length === 0 ? (input as Value) : undefined
    },
    format: (value) => value,
  }
}

/** A value that the model keeps in another way. @param parse null for what is none */
export function Scalar<Written, Value>(
  shape: { readonly type: string | readonly string[] },
  description: string,
  parse: (written: Written) => Value | null,
  format: (value: Value) => Written,
): Form<Value> {
  const schema = Type.Refine(
    Type.Unsafe<Written>({ ...shape, description }),
    (written) => parse(written) !== null,
    (written) => `must be ${description}, not ${show(written)}`,
  )
  return converted(Plain<Written>(schema), (written) => parse(written) ?? undefined, format)
}

/** One of a few words. */
export function Words<const Word extends string>(words: readonly Word[]): Form<Word> {
  return Plain(Type.Unsafe<Word>({ type: 'string', enum: [...words] }))
}

/** A word that says what the value around it is. */
export function Literal<const Word extends string>(word: Word): Form<Word> {
  return Plain(Type.Literal(word))
}

export const TrueOrFalse: Form<boolean> = Plain(Type.Boolean())

/** A whole number in a range. */
export function Whole(minimum: number, maximum: number): Form<number> {
  const description = `a whole number from ${minimum} to ${maximum}`
  return positiveZero(Type.Integer({ minimum, maximum, description }))
}

/** A number in a range. */
export function Fraction(minimum: number, maximum: number, description: string): Form<number> {
  return positiveZero(Type.Number({ minimum, maximum, description }))
}

/** JSON has no negative zero, so neither has the model. */
function positiveZero(schema: TSchema): Form<number> {
  return converted(
    Plain<number>(schema),
    (value) => value + 0,
    (value) => value,
  )
}

export const Port = Whole(1, 65535)

/** A share of a whole. */
export const Share = Fraction(0, 1, 'a number from 0 to 1')

/** A share in percent. */
export const Percent = Fraction(0, 100, 'a number from 0 to 100')

/** A duration from `fromMs` to `toMs`, in milliseconds. */
export function Duration(fromMs: number, toMs: number): Form<number> {
  const description =
    'a duration such as 500ms, 10s, 5m, 1h or 14d, or whole seconds, ' +
    `from ${formatDuration(fromMs)} to ${formatDuration(toMs)}`
  const read = (written: string | number) => {
    const ms = parseDuration(written)
    return ms !== null && ms >= fromMs && ms <= toMs ? ms : null
  }
  return Scalar<string | number, number>({ type: ['string', 'integer'] }, description, read, formatDuration)
}

/** A time of whole seconds, as DNS has them: 0 to 2^31 - 1 (RFC 2181 section 8). */
export const Seconds: Form<number> = Scalar<string | number, number>(
  { type: ['string', 'integer'] },
  'whole seconds, as a number or as a duration such as 30s, 5m or 1h, from 0 to 2147483647',
  (written) => {
    const ms = parseDuration(written)
    return ms !== null && ms <= maxTtlMs && ms % 1000 === 0 ? ms / 1000 : null
  },
  formatSeconds,
)

/** A text that the model keeps as `read` gives it. No text holds a NUL or half a surrogate pair: Postgres could not keep it. */
export function TextAs(description: string, read: (text: string) => string | null): Form<string> {
  const readable = (text: string) => (text.isWellFormed() && !text.includes('\0') ? read(text) : null)
  return Scalar<string, string>({ type: 'string' }, description, readable, (text) => text)
}

/** A text that `accept` agrees with. */
export function Text(description: string, accept: (text: string) => boolean): Form<string> {
  return TextAs(description, (text) => (accept(text) ? text : null))
}

/** A text of which more can be wrong than one description says. @param problem null when nothing is */
export function Checked(
  schema: { readonly maxLength?: number; readonly writeOnly?: boolean; readonly description: string },
  problem: (text: string) => string | null,
): Form<string> {
  const accept = (text: string) => problem(text) === null
  return Plain(Type.Refine(Type.String(schema), accept, (text) => problem(text) ?? ''))
}

/** Text that may be a secret: what is wrong is not shown, since what is said of a stored row goes to the log. */
export function Unshown(description: string, accept: (text: string) => boolean): Form<string> {
  return Checked({ description }, (text) => (accept(text) ? null : `must be ${description}`))
}

// RFC 3339 section 5.6. Date.parse alone would take local times and a dozen other spellings.
const instantPattern = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/

/**
 * Of the years 1 to 9999 in UTC, which an offset may lead out of: what can be written again, and kept by the database. A day that its
 * month does not have is none, nor is 24:00 (RFC 3339 section 5.7): JavaScript takes either for a later one.
 */
function readInstant(text: string): Date | null {
  const date =
    instantPattern.test(text) && isOfCalendar(text.slice(0, 19).toUpperCase()) ? new Date(text) : null
  return date !== null && /^(?!0000)\d{4}-/.test(Number.isNaN(date.getTime()) ? '' : date.toISOString())
    ? date
    : null
}

/** @param local an instant without its offset */
function isOfCalendar(local: string): boolean {
  const date = new Date(`${local}Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(local)
}

/** An instant. */
export const InstantText = Scalar<string, Date>(
  { type: 'string' },
  'an instant such as 2027-01-31T03:00:00Z (RFC 3339, with its offset)',
  readInstant,
  (instant) => instant.toISOString(),
)

export const InstantTextOrNull: Form<Date | null> = {
  ...InstantText,
  schema: Type.Unsafe({ ...InstantText.schema, type: ['string', 'null'] }),
  parse: (input, path, problems) => (input === null ? null : InstantText.parse(input, path, problems)),
}

/** An address of a member: what an A or AAAA RRset can carry. */
export const Address = TextAs('an IPv4 or IPv6 address (not IPv4-mapped, no zone index)', (text) => {
  const canonical = canonicalAddress(text)
  return canonical?.startsWith('::ffff:') ? null : canonical
})

/**
 * The host of a member: a name that resolvers will be asked for, so of letters that names of hosts are made of. There is
 * no origin that it could be relative to, so the final dot may be left out.
 */
export const Host = TextAs('a host name, such as lb.provider.example.', hostText)

const hostLabel = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** The name of a host in lower case with its final dot, at most 255 octets on the wire; null for what is none. */
export function hostText(text: string): string | null {
  const host = text.endsWith('.') ? text.toLowerCase() : `${text.toLowerCase()}.`
  const labels = host.slice(0, -1).split('.')
  // A last label of digits alone is the end of an IPv4 address that was mistyped.
  const isHost =
    host.length <= 254 && labels.every((label) => hostLabel.test(label)) && !/^\d+$/.test(labels.at(-1)!)
  return isHost ? host : null
}

const namePattern = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

const nameDescription =
  'a name of 1 to 63 lower-case letters, digits, ".", "_" or "-", that begins and ends with a letter or digit'

/** The name of a monitor, a pool or a member. */
export const Name = Text(nameDescription, (text) => namePattern.test(text))

/** Reads the fragment of a monitor, a pool or a member, and the name that it stands under. */
export function parseNamed<Value>(
  form: Form<Value>,
  ...[name, input, path, problems]: Parameters<ParseNamed<Value>>
): (Value & { readonly name: string }) | null {
  const isName = Name.parse(name, path, problems) !== undefined
  const value = form.parse(input, path, problems)
  return value === undefined || !isName ? null : { name, ...value }
}

/** What names members or pools in a URL (`glob.ts`). */
export const Pattern = Text(
  'a name, or a pattern of 1 to 128 of its characters in which "*" stands for any run of characters and "?" for one',
  (text) => /^[a-z0-9._*?-]{1,128}$/.test(text),
)

/** The same for zones and services, in lower case and without the final dot, as their names are kept. */
export const DomainPattern = TextAs(
  'a domain name, or a pattern of 1 to 255 characters such as *.example.test, in which "*" stands for any run of characters and "?" for one',
  (text) => {
    const lower = text.length > 1 ? text.toLowerCase().replace(/\.$/, '') : text
    return /^[\x21-\x7e]{1,255}$/.test(lower) ? lower : null
  },
)

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
  const { value, message } = textOf(work)
  if (value === null) problems.push({ path, message })
  return value
}

function textOf<T>(work: () => T): { readonly value: T | null; readonly message: string } {
  try {
    return { value: work(), message: '' }
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    return { value: null, message: error.message }
  }
}

/** An absolute name in presentation form, with its final dot. */
export const AbsoluteName = TextAs(
  'an absolute name with its final dot, such as ns1.example.test.',
  (text) => textOf(() => formatName(lowerName(parseName(text)))).value,
)
