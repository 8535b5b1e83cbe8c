/**
 * Reads a master file (RFC 1035 section 5, RFC 2308 section 4, `$GENERATE` of BIND) as a stream: chunks in, batches of
 * RRs out, the SOA aside, and every problem to a list. Memory: a chunk, an entry, a batch and the problems, however
 * long the file is; RRs of one RRset may stand anywhere in it, so whoever takes them brings them together.
 *
 * A problem costs its own entry. What follows it is read as if the entry had been sound, so that one mistake is
 * reported once: an owner that can't be read is no owner to the entries that inherit it, but their data is read too.
 *
 * Rules that need one RR are checked here; those that need more, by the store, over all of them at once.
 */

import {
  formatName,
  hostnameToWire,
  isSubdomain,
  lowerName,
  maxNameLength,
  parseName,
  relativeName,
} from '../../dataplane/wire/name.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import { show } from '../document/schema-check.ts'
import { checkRrset } from '../rules/zone-data.ts'
import type { StagedFinding, StagedRr, StagedZone } from '../store/zone-staging.ts'
import { maxGenerated, readGenerate } from './generate.ts'
import type { FilePlace, ProblemList } from './problems.ts'
import { type Rdata, readClass, readRdata, readType, shownText, unquoted } from './rr-text.ts'
import { type Entry, type FileSource, octetText, type PlacedToken, Scanner } from './scanner.ts'
import { looksLikeTtl, parseTtl } from './ttl.ts'

/** The SOA of the file. `ttlSeconds` is its own TTL, `$TTL` where it has none. */
export type FileSoa = Omit<StagedZone, 'apex'>

/** RRs of one batch, about. */
const batchSize = 4_000

/** RRs of one file: `$GENERATE` makes many out of few octets. */
const maxRrs = 10_000_000

/** Types of which one RR alone breaks no rule but its grammar, and of which files have many. */
const plainTypes: ReadonlySet<string> = new Set(['A', 'AAAA', 'MX', 'PTR', 'SRV', 'TXT'])

/** The owner of an entry. */
interface Owner {
  /** The name in lower case; relative to the apex, `@` for the apex itself, but absolute when it is outside. */
  readonly name: string
  /** It is not in the zone. */
  readonly outside: boolean
}

/** The shape that nearly all owners of a large file have: nothing to escape, no label too long. */
const plainOwner = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/

/** Where an RR stands, and what is known of it, for a problem. */
interface Subject {
  readonly place: FilePlace
  readonly owner: string | null
  readonly type: string | null
}

export class MasterFile {
  readonly #apex: string
  readonly #apexWire: Uint8Array
  readonly #problems: ProblemList
  #origin: Uint8Array
  /** `$TTL`. */
  #defaultTtl: number | null = null
  #lastTtl: number | null = null
  /** The owner of the entry before; null when it couldn't be read, undefined before the first. */
  #owner: Owner | null | undefined
  #soa: FileSoa | null = null
  /** The place of the first SOA, readable or not, and its RDATA, null when it was not. */
  #soaPlace: FilePlace | null = null
  #soaIdentity: string | null = null
  /** Where the same SOA stands again. */
  #soaAgain: FilePlace | null = null
  #rrs = 0
  #generated = 0

  /** @param apex of the zone, as the model has it; the first origin */
  constructor(apex: string, problems: ProblemList) {
    this.#apex = apex
    this.#apexWire = hostnameToWire(apex)
    this.#origin = this.#apexWire
    this.#problems = problems
  }

  /** Null when the file has none that can be read, which is among the problems then. */
  get soa(): FileSoa | null {
    return this.#soa
  }

  /** What is odd about the file and shows in it alone. */
  get warnings(): StagedFinding[] {
    if (this.#soaAgain === null) return []
    const message =
      'the SOA stands there again, as at the end of a transfer (RFC 5936 section 2.2); it is one'
    return [{ ...this.#soaAgain, owner: '@', type: 'SOA', message }]
  }

  /** Where the SOA stands. */
  get soaPlace(): FilePlace | null {
    return this.#soaPlace
  }

  /**
   * Reads the file to its end, or until the list of problems is full. Call it once.
   *
   * @param source octets, or text that is taken as UTF-8
   */
  async *batches(source: FileSource): AsyncGenerator<StagedRr[]> {
    const scanner = new Scanner((place, message) =>
      this.#complain({ place, owner: null, type: null }, message),
    )
    let batch: StagedRr[] = []
    for await (const entries of entriesOf(scanner, source)) {
      for (const rr of this.#entries(entries)) {
        if (batch.push(rr) < batchSize) continue
        yield batch
        batch = []
      }
      if (this.#stopped) break
    }
    if (batch.length > 0) yield batch
    if (this.#soaPlace === null && !this.#stopped) {
      const place = { line: Math.max(scanner.line, 1), column: 1 }
      this.#complain({ place, owner: '@', type: 'SOA' }, 'the file has none')
    }
  }

  get #stopped(): boolean {
    return this.#problems.full || this.#rrs > maxRrs
  }

  *#entries(entries: Iterable<Entry>): Generator<StagedRr> {
    for (const entry of entries) {
      if (this.#stopped) return
      const [first] = entry.tokens
      if (entry.broken) this.#noteOwner(entry)
      else if (first!.text.startsWith('$') && !first!.quoted) yield* this.#directive(entry, first!)
      else yield* this.#counted(this.#resourceRecord(entry))
    }
  }

  *#counted(rr: StagedRr | null): Generator<StagedRr> {
    if (rr === null) return
    if (++this.#rrs <= maxRrs) yield rr
    else this.#complain({ place: rr, owner: rr.owner, type: rr.type }, `the file has more than ${maxRrs} RRs`)
  }

  *#directive(entry: Entry, name: PlacedToken): Generator<StagedRr> {
    const [, ...words] = entry.tokens
    const directive = name.text.toUpperCase()
    if (directive === '$GENERATE' && !entry.indented) return yield* this.#generate(name, words)
    this.#attempt({ place: name, owner: null, type: null }, () => {
      if (entry.indented) throw new TextError(`${name.text} must begin in the first column`)
      if (directive === '$ORIGIN') {
        const origin = lowerName(parseName(only(name, words).text, this.#origin))
        this.#origin = Buffer.compare(origin, this.#apexWire) === 0 ? this.#apexWire : origin
      } else if (directive === '$TTL') this.#defaultTtl = parseTtl(only(name, words).text)
      else if (directive === '$INCLUDE') {
        throw new TextError(
          '$INCLUDE is refused here, where there is no folder to read from: `pooldns import-zone FILE` puts in what FILE includes',
        )
      } else throw new TextError(`${show(name.text)} is no directive of master files`)
    })
  }

  *#generate(name: PlacedToken, words: readonly PlacedToken[]): Generator<StagedRr> {
    const subject = { place: name, owner: null, type: null }
    const made = this.#attempt(subject, () => readGenerate(name, words))
    if (made === null) return
    const { range, entryOf } = made
    this.#generated += Math.floor((range.stop - range.start) / range.step) + 1
    if (this.#generated > maxGenerated) {
      this.#complain(subject, `the file's $GENERATEs make more than ${maxGenerated} RRs together`)
      return
    }
    const owner = this.#owner
    for (let number = range.start; number <= range.stop; number += range.step) {
      const before = this.#problems.count
      const entry = this.#attempt(subject, () => entryOf(number))
      const rr = entry === null ? null : this.#resourceRecord(entry)
      // As in BIND, a line without an owner has that of the entry before which stands in the file.
      this.#owner = owner
      // The others have the same mistake.
      if (this.#problems.count > before || this.#stopped) return
      yield* this.#counted(rr)
    }
  }

  #resourceRecord(entry: Entry): StagedRr | null {
    const { tokens } = entry
    if (!entry.indented) this.#takeOwner(tokens[0]!)
    const owner = this.#owner?.name ?? null
    const head = this.#head(tokens, entry.indented ? 0 : 1, owner)
    if (head === null) return null
    const { typeAt, type, ttl, sound } = head
    const words = tokens.slice(typeAt + 1)
    const subject = { place: words[0] ?? tokens[typeAt]!, owner, type }
    const data = this.#attempt(subject, () => readRdata(type, words, this.#origin))
    const start = { place: tokens[0]!, owner, type }
    if (type === 'SOA') {
      this.#takeSoa(start, ttl, sound ? data : null)
      return null
    }
    const ttlSeconds = sound ? (ttl ?? this.#inheritedTtl({ ...start, place: tokens[typeAt]! })) : null
    if (!this.#isInZone(start) || data === null || ttlSeconds === null) return null
    if (!plainTypes.has(type) && !this.#isSoundAlone(start, owner!, type, data.text)) return null
    const { line, column } = tokens[0]!
    const { text, identity, octets } = data
    return { line, column, owner: owner!, type, ttlSeconds, data: text, identity, octets }
  }

  /** TTL and class, in either order and both optional, and the type; null when there is no type to go on with. */
  #head(tokens: readonly PlacedToken[], start: number, owner: string | null) {
    let at = start
    let ttl: number | null = null
    let ttlGiven = false
    let classGiven = false
    let sound = true
    for (; at < tokens.length; at++) {
      const token = tokens[at]!
      const subject = { place: token, owner, type: null }
      const given = classGiven || token.quoted ? null : readClass(token.text)
      if (given !== null) {
        classGiven = true
        if (given === 'internet') continue
        this.#complain(subject, `class ${token.text} is not served; the only one is IN`)
        sound = false
      } else if (!ttlGiven && looksLikeTtl(token.text)) {
        ttlGiven = true
        ttl = this.#attempt(subject, () => parseTtl(token.text))
        if (ttl === null) sound = false
        else this.#lastTtl = ttl
      } else break
    }
    const token = tokens[at]
    if (token === undefined) {
      this.#complain({ place: tokens.at(-1)!, owner, type: null }, 'the type is missing')
      return null
    }
    const type = this.#attempt({ place: token, owner, type: null }, () => readType(unquoted(token)))
    return type === null ? null : { typeAt: at, type, ttl, sound }
  }

  /** RFC 2308 section 4: `$TTL`; without it the TTL of the RR before (RFC 1035 section 5.1). */
  #inheritedTtl(subject: Subject): number | null {
    const ttl = this.#defaultTtl ?? this.#lastTtl
    if (ttl === null) this.#complain(subject, 'there is no TTL: neither here, nor before, nor by $TTL')
    return ttl
  }

  #takeOwner(token: PlacedToken): void {
    this.#owner = this.#attempt({ place: token, owner: null, type: null }, () =>
      readOwner(token, this.#origin, this.#apexWire),
    )
  }

  /** The owner of an entry that is broken further on, for those that inherit it. */
  #noteOwner({ indented, tokens: [first] }: Entry): void {
    if (indented || (first?.text.startsWith('$') && !first.quoted)) return
    this.#owner = null
    try {
      if (first !== undefined) this.#owner = readOwner(first, this.#origin, this.#apexWire)
    } catch (error) {
      if (!(error instanceof TextError)) throw error
    }
  }

  #isInZone(subject: Subject): boolean {
    if (this.#ownerIsMissing(subject)) return false
    if (this.#owner?.outside === true) {
      this.#complain(subject, `the owner is outside of the zone ${formatName(this.#apexWire)}`)
    }
    return this.#owner?.outside === false
  }

  /** Says so once: those that would inherit it as well have the same mistake. */
  #ownerIsMissing(subject: Subject): boolean {
    if (this.#owner !== undefined) return false
    this.#complain(subject, 'the owner is missing, and there is none before to inherit')
    this.#owner = null
    return true
  }

  #takeSoa(subject: Subject, ttl: number | null, data: Rdata | null): void {
    const identity = data === null ? null : (data.identity ?? data.text)
    if (this.#soaPlace !== null) {
      if (subject.owner === '@' && identity !== null && identity === this.#soaIdentity) {
        this.#soaAgain ??= { line: subject.place.line, column: subject.place.column }
        return
      }
      this.#complain(subject, `a zone has one SOA, and there is one in line ${this.#soaPlace.line}`)
      return
    }
    this.#soaPlace = { line: subject.place.line, column: subject.place.column }
    this.#soaIdentity = identity
    if (this.#ownerIsMissing(subject) || this.#owner === null) return
    if (subject.owner !== '@') {
      this.#complain(subject, 'the SOA stands at the apex of the zone')
      return
    }
    if (data === null) return
    // Names in canonical text hold no blanks.
    const [mname, rname, ...numbers] = data.text.split(' ')
    const [serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds] = numbers.map(Number)
    const times = [refreshSeconds!, retrySeconds!, expireSeconds!, minimumSeconds!]
    if (times.some((seconds) => seconds > 0x7fff_ffff)) {
      this.#complain(subject, 'its times must be below 2^31 seconds')
      return
    }
    this.#lastTtl ??= minimumSeconds!
    this.#soa = {
      serial: serial!,
      // RFC 1035 section 3.3.13: MINIMUM was the default of TTLs, before RFC 2308 gave it another meaning.
      ttlSeconds: ttl ?? this.#defaultTtl ?? this.#lastTtl,
      soa: {
        mname: mname!.toLowerCase(),
        rname: rname!.toLowerCase(),
        fixedSerial: null,
        refreshSeconds: refreshSeconds!,
        retrySeconds: retrySeconds!,
        expireSeconds: expireSeconds!,
        minimumSeconds: minimumSeconds!,
      },
    }
  }

  /** The rules that one RR breaks whatever else stands there. */
  #isSoundAlone(subject: Subject, owner: string, type: string, data: string): boolean {
    const broken = checkRrset(this.#apex, { owner, type, data: [data] })
    for (const message of broken) this.#complain(subject, message)
    return broken.length === 0
  }

  /** What `work` gives; null, and the problem reported, when it throws a TextError. */
  #attempt<T>(subject: Subject, work: () => T): T | null {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof TextError)) throw error
      this.#complain(subject, error.message)
      return null
    }
  }

  #complain({ place: { line, column }, owner, type }: Subject, message: string): void {
    // Messages of a type's own rules begin with what is said of the subject already.
    const said = [owner === null ? '' : `${owner} ${type}: `, `${type} `, `${type}: `]
    const prefix = type === null ? undefined : said.find((text) => text !== '' && message.startsWith(text))
    const rest = prefix === undefined ? message : message.slice(prefix.length)
    this.#problems.add({ line, column, owner, type, message: shownText(rest) })
  }
}

/**
 * The owner that a token names.
 *
 * @param origin of relative names; the very same array as `apex` where the apex is the origin
 * @throws TextError when it is no name
 */
function readOwner(token: PlacedToken, origin: Uint8Array, apex: Uint8Array): Owner {
  const text = unquoted(token)
  if (origin === apex && text.length + 1 + apex.length <= maxNameLength && plainOwner.test(text)) {
    return { name: text, outside: false }
  }
  const wire = lowerName(parseName(text, origin))
  return isSubdomain(wire, apex)
    ? { name: relativeName(wire, apex), outside: false }
    : { name: formatName(wire), outside: true }
}

function only(directive: PlacedToken, words: readonly PlacedToken[]): PlacedToken {
  const [word] = words
  if (word === undefined || words.length > 1) throw new TextError(`${directive.text} takes one word`)
  return word
}

async function* entriesOf(scanner: Scanner, source: FileSource): AsyncGenerator<Iterable<Entry>> {
  for await (const text of octetText(source)) yield scanner.push(text)
  yield scanner.finish()
}
