/**
 * Cuts a master file into entries (RFC 1035 section 5.1): what stands on one line, or on several within parentheses,
 * as tokens that know their places. Comments and parentheses are gone; escapes stay in the tokens, because only the
 * grammar of a field knows what they mean.
 *
 * Text comes in chunks, one character an octet. One entry is held at a time, and its length is bounded.
 *
 * A quote or a parenthesis that is not closed would swallow the rest of the file, and with it every other mistake. So
 * the lines of an open entry are kept: when it turns out that it doesn't end, the lines below its first one are read
 * again, as if it had ended there. That happens a few times at most, or a hostile file would be read over and over.
 */
import type { Token } from '../../dataplane/wire/tokens.ts'
import type { FilePlace } from './problems.ts'

/** What a master file comes from: chunks of octets, or of text that is taken as UTF-8. */
export type FileSource = AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>

export interface PlacedToken extends Token, FilePlace {}

export interface Entry {
  readonly line: number
  /** It begins with white space, so it has the owner of the entry before. */
  readonly indented: boolean
  /** At least one, unless it is broken. */
  readonly tokens: readonly PlacedToken[]
  /** Something is wrong with it, and that has been reported; what could be read of it is in the tokens. */
  readonly broken: boolean
}

/** Octets of an entry. RDATA of 65,535 octets, all of them escaped, with room for comments. */
export const maxEntryLength = 512 * 1024

/** How often the lines of an entry that doesn't end are read again. */
const maxRescans = 16

type Complain = (place: FilePlace, message: string) => void

interface OpenEntry {
  readonly line: number
  readonly indented: boolean
  readonly tokens: PlacedToken[]
  broken: boolean
  /** The outermost parenthesis that is open. */
  parenthesis: FilePlace | null
  depth: number
  /** A quoted string that goes on in the next line, only within parentheses. */
  quote: { readonly place: FilePlace; text: string } | null
  /** The physical lines so far. Bound: `maxEntryLength` octets. */
  readonly lines: string[]
  length: number
}

export class Scanner {
  readonly #complain: Complain
  #rest = ''
  /** The line that is too long is being skipped. */
  #skipping = false
  #line = 0
  #open: OpenEntry | null = null
  #rescans = 0

  constructor(complain: Complain) {
    this.#complain = complain
  }

  /** Number of the last line that was read whole. */
  get line(): number {
    return this.#line
  }

  /** The first line of an entry that goes on in the next line; null between entries. */
  get openLine(): number | null {
    return this.#open?.line ?? null
  }

  /** The entries that end in this text. */
  *push(text: string): Generator<Entry> {
    const all = this.#rest + text
    let start = 0
    for (let end = all.indexOf('\n'); end >= 0; end = all.indexOf('\n', start)) {
      yield* this.#physicalLine(all.slice(start, end))
      start = end + 1
    }
    this.#rest = all.slice(start)
    if (this.#rest.length <= maxEntryLength) return
    if (!this.#skipping) yield* this.#tooLong(this.#line + 1)
    this.#skipping = true
    this.#rest = ''
  }

  /** The last entries, once there is no more text. */
  *finish(): Generator<Entry> {
    if (this.#rest !== '' || this.#skipping) yield* this.#physicalLine(this.#rest)
    while (this.#open !== null) yield* this.#giveUp()
  }

  *#physicalLine(text: string): Generator<Entry> {
    this.#line++
    if (this.#skipping) this.#skipping = false
    else if (text.length > maxEntryLength) yield* this.#tooLong(this.#line)
    else yield* this.#take(text.endsWith('\r') ? text.slice(0, -1) : text, this.#line)
  }

  *#tooLong(line: number): Generator<Entry> {
    while (this.#open !== null) yield* this.#giveUp()
    this.#complain({ line, column: 1 }, `the line is longer than ${maxEntryLength} octets`)
    yield { line, indented: false, tokens: [], broken: true }
  }

  *#take(text: string, line: number): Generator<Entry> {
    const entry = this.#open ?? startEntry(text, line)
    this.#open = null
    scanLine(entry, text, line, this.#complain)
    if (entry.quote !== null && entry.depth === 0) {
      this.#complain(entry.quote.place, 'a quote is not closed')
      entry.broken = true
      entry.quote = null
    }
    if (entry.depth === 0) {
      if (entry.tokens.length > 0 || entry.broken) yield entry
      return
    }
    this.#open = entry
    entry.lines.push(text)
    entry.length += text.length
    if (entry.length > maxEntryLength) yield* this.#giveUp()
  }

  /** Ends the open entry behind its first line, and reads the lines below that one again. */
  *#giveUp(): Generator<Entry> {
    const entry = this.#open!
    this.#open = null
    const long = entry.length > maxEntryLength ? `: it holds more than ${maxEntryLength} octets` : ''
    // An open quote hides what closes the parenthesis.
    if (entry.quote !== null) this.#complain(entry.quote.place, `a quote is not closed${long}`)
    else this.#complain(entry.parenthesis!, `a parenthesis is not closed${long}`)
    yield { ...entry, tokens: entry.tokens.filter(({ line }) => line === entry.line), broken: true }
    if (++this.#rescans > maxRescans) return
    for (const [index, text] of entry.lines.entries()) {
      if (index > 0) yield* this.#take(text, entry.line + index)
    }
  }
}

function startEntry(text: string, line: number): OpenEntry {
  const state = { broken: false, parenthesis: null, depth: 0, quote: null, length: 0 }
  return { line, indented: text.startsWith(' ') || text.startsWith('\t'), tokens: [], lines: [], ...state }
}

const tab = 0x09
const carriageReturn = 0x0d
const space = 0x20
const doubleQuote = 0x22
const open = 0x28
const close = 0x29
const semicolon = 0x3b
const backslash = 0x5c

/** Reads one physical line into the entry. */
function scanLine(entry: OpenEntry, text: string, line: number, complain: Complain): void {
  let at = entry.quote === null ? 0 : continueQuote(entry, text)
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === space || code === tab || code === carriageReturn) at++
    else if (code === semicolon) return
    else if (code === open) {
      if (entry.depth++ === 0) entry.parenthesis = { line, column: at + 1 }
      at++
    } else if (code === close) {
      if (entry.depth === 0) {
        complain({ line, column: at + 1 }, 'a parenthesis is closed that is not open')
        entry.broken = true
      } else entry.depth--
      at++
    } else if (code === doubleQuote) {
      const end = quoteEnd(text, at + 1)
      const place = { line, column: at + 1 }
      if (end < 0) {
        entry.quote = { place, text: `${text.slice(at + 1)}\n` }
        return
      }
      entry.tokens.push({ text: text.slice(at + 1, end), quoted: true, ...place })
      at = end + 1
    } else {
      const end = wordEnd(text, at)
      if (end > text.length || end < 0) {
        const message = end < 0 ? 'a quote is not closed' : 'a backslash stands at the end of the line'
        complain({ line, column: at + 1 }, message)
        entry.broken = true
        return
      }
      entry.tokens.push({ text: text.slice(at, end), quoted: false, line, column: at + 1 })
      at = end
    }
  }
}

/** Where to go on behind a string from the line before; the end of the text when it goes on further. */
function continueQuote(entry: OpenEntry, text: string): number {
  const { place, text: before } = entry.quote!
  const end = quoteEnd(text, 0)
  if (end < 0) {
    entry.quote!.text = `${before}${text}\n`
    return text.length
  }
  entry.tokens.push({ text: before + text.slice(0, end), quoted: true, ...place })
  entry.quote = null
  return end + 1
}

/** The closing quote; -1 when it is not on this line. */
function quoteEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === backslash) at++
    else if (code === doubleQuote) return at
  }
  return -1
}

/**
 * End of a word. A quote in it, as in `alpn="h2,h3"` (RFC 9460 section 2.1), goes on to the closing one: -1 when that is
 * not on this line. Beyond the text when a backslash is its last character.
 */
function wordEnd(text: string, start: number): number {
  let at = start
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > semicolon && code !== backslash) continue
    if (code === backslash) at++
    else if (code === doubleQuote) {
      at = quoteEnd(text, at + 1)
      if (at < 0) return -1
    } else if (
      code === space ||
      code === tab ||
      code === carriageReturn ||
      code === open ||
      code === close ||
      code === semicolon
    )
      return at
  }
  return at
}

/** U+FEFF in UTF-8, octet by octet. */
const byteOrderMark = '\xef\xbb\xbf'

/**
 * Octets as characters, so that columns count octets and nothing is decoded that may not be text. Leaves out the byte
 * order mark that some editors put before UTF-8.
 */
export async function* octetText(source: FileSource): AsyncGenerator<string> {
  /** What may be the beginning of the mark; null behind it. */
  let start: string | null = ''
  for await (const chunk of source) {
    const octets = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1')
    if (start === null) {
      yield text
      continue
    }
    start += text
    if (byteOrderMark.startsWith(start)) continue
    yield start.startsWith(byteOrderMark) ? start.slice(byteOrderMark.length) : start
    start = null
  }
  if (start !== null && start !== byteOrderMark) yield start
}
