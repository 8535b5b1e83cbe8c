/**
 * Holds text that comes from a member against what a monitor expects of it.
 *
 * Only the first 64 KiB count. Substrings are looked for while octets come and cost a few of them; patterns need the whole
 * text, and are matched by RE2, which takes time in proportion to it whatever the pattern: JavaScript's own expressions
 * could be made to run for ever, by a member or by whoever writes the pattern. It grows with the pattern, too, whose size the
 * document bounds. Text is matched as it came, as octets of UTF-8.
 */
import { RE2JS } from 're2js'
import type { TextExpectation } from '../../model/monitor.ts'
import { LeastRecentMap } from './least-recent.ts'

/** Octets of a text that are read and searched. */
export const textLimit = 64 * 1024

/** At most 256 patterns; each may use 8 MiB while it is matched, and a few KiB as a rule. */
const patterns = new LeastRecentMap<string, RE2JS>(256)

/** @throws Error when the text is not a pattern */
function compiled(pattern: string): RE2JS {
  const known = patterns.get(pattern)
  if (known !== undefined) return known
  const made = RE2JS.compile(pattern)
  patterns.set(pattern, made)
  return made
}

/** Looks for a substring in what comes piece by piece. Keeps no more octets than could begin a match. */
class SubstringSearch {
  readonly #wanted: Buffer
  #tail: Buffer = Buffer.alloc(0)
  found = false

  constructor(wanted: string) {
    this.#wanted = Buffer.from(wanted)
  }

  take(part: Buffer): void {
    if (this.found) return
    const window = this.#tail.length === 0 ? part : Buffer.concat([this.#tail, part])
    this.found = window.includes(this.#wanted)
    // A copy: a view would keep the socket's whole read buffer alive.
    this.#tail = Buffer.from(window.subarray(Math.max(0, window.length - this.#wanted.length + 1)))
  }
}

/** The text so far; copied, for the same reason. */
class KeptText {
  #octets: Buffer = Buffer.alloc(1024)
  #length = 0

  append(part: Buffer): void {
    const length = this.#length + part.length
    if (length > this.#octets.length) {
      const grown = Buffer.alloc(Math.max(length, 2 * this.#octets.length))
      this.#octets.copy(grown, 0, 0, this.#length)
      this.#octets = grown
    }
    part.copy(this.#octets, this.#length)
    this.#length = length
  }

  get octets(): Buffer {
    return this.#octets.subarray(0, this.#length)
  }
}

/** One text on its way. Memory: at most twice `textLimit`, and with substrings alone that of theirs. */
export class TextSearch {
  readonly #expected: TextExpectation
  readonly #contains: SubstringSearch | null
  readonly #lacks: SubstringSearch | null
  readonly #kept: KeptText | null
  #length = 0

  /** @param keep whether `text` will be asked for */
  constructor(expected: TextExpectation, keep = false) {
    this.#expected = expected
    this.#contains = expected.contains === null ? null : new SubstringSearch(expected.contains)
    this.#lacks = expected.lacks === null ? null : new SubstringSearch(expected.lacks)
    const patterned = expected.matches !== null || expected.mismatches !== null
    this.#kept = patterned || keep ? new KeptText() : null
  }

  /** Takes the next octets; those beyond the limit are passed over. */
  take(chunk: Buffer): void {
    const room = textLimit - this.#length
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk
    this.#length += part.length
    this.#contains?.take(part)
    this.#lacks?.take(part)
    this.#kept?.append(part)
  }

  /** Whether as much has come as counts. */
  get full(): boolean {
    return this.#length >= textLimit
  }

  /** The octets that have come and count; none unless they are kept. */
  get text(): Buffer {
    return this.#kept?.octets ?? Buffer.alloc(0)
  }

  /** What is missing in the text as it is now; null when nothing is, and then nothing will be. */
  missing(): string | null {
    const { contains, matches } = this.#expected
    if (contains !== null && this.#contains?.found === false) return `does not contain "${shown(contains)}"`
    if (matches !== null && !compiled(matches).test(this.text)) return `does not match "${shown(matches)}"`
    return null
  }

  /** What is in the text as it is now and should not be; null when nothing is. */
  unwanted(): string | null {
    const { lacks, mismatches } = this.#expected
    if (lacks !== null && this.#lacks?.found === true) return `contains "${shown(lacks)}"`
    if (mismatches !== null && compiled(mismatches).test(this.text)) return `matches "${shown(mismatches)}"`
    return null
  }
}

/** Whether any text will do. */
export function expectsNothing({ contains, matches, lacks, mismatches }: TextExpectation): boolean {
  return contains === null && matches === null && lacks === null && mismatches === null
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
