/**
 * Holds text that comes from a member against what a monitor expects of it.
 *
 * Only the first 64 KiB count. Substrings are looked for while octets come and cost a few of them; patterns need the whole
 * text, and are matched by RE2, which takes time in proportion to it whatever the pattern: JavaScript's own expressions
 * could be made to run for ever, by a member or by whoever writes the pattern. Even so it may be long, and is not the main
 * thread's (`pattern-matcher.ts`). Text is matched as it came, as octets of UTF-8.
 */
import type { TextExpectation } from '../../model/monitor.ts'
import { type Fault, fault } from '../verdict.ts'
import type { PatternMatcher } from './pattern-matcher.ts'

/** Octets of a text that are read and searched. */
export const textLimit = 64 * 1024

/** What is to be said of a text; null where nothing is. */
export interface Look {
  /** When it is null it stays so, whatever else comes. */
  readonly missing: string | null
  readonly unwanted: string | null
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
  #looking = false

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

  /** Whether a look takes its time. */
  get looking(): boolean {
    return this.#looking
  }

  /** What there is to say of the text as it is now. At once, unless there are patterns. Ends with `stop`, whatever it says then. A fault is this host's. */
  look(matcher: PatternMatcher, stop: AbortSignal): Look | Promise<Look | Fault> {
    return this.#kept === null || this.#patterns.length === 0 ? this.#judge([]) : this.#match(matcher, stop)
  }

  get #patterns(): string[] {
    const { matches, mismatches } = this.#expected
    return [matches, mismatches].flatMap((pattern) => pattern ?? [])
  }

  async #match(matcher: PatternMatcher, stop: AbortSignal): Promise<Look | Fault> {
    this.#looking = true
    const patterns = this.#patterns
    const matched = await matcher.match(patterns, this.text, stop)
    this.#looking = false
    if (matched !== null) return 'failure' in matched ? matched : this.#judge(matched)
    return { missing: `takes too long to match against "${shown(patterns.join('" and "'))}"`, unwanted: null }
  }

  /** @param matched of its patterns, in their order */
  #judge(matched: readonly boolean[]): Look {
    const { contains, matches, lacks, mismatches } = this.#expected
    let missing: string | null = null
    if (contains !== null && this.#contains?.found === false)
      missing = `does not contain "${shown(contains)}"`
    else if (matches !== null && matched[0] === false) missing = `does not match "${shown(matches)}"`
    let unwanted: string | null = null
    if (lacks !== null && this.#lacks?.found === true) unwanted = `contains "${shown(lacks)}"`
    else if (mismatches !== null && matched.at(-1) === true) unwanted = `matches "${shown(mismatches)}"`
    return { missing, unwanted }
  }
}

/** Says of a deadline that was over in the middle of a look that it was: then the member has answered, and we are slow. */
export function toldOfLook<T>(result: T | Fault, text: TextSearch): T | Fault {
  const isLate =
    typeof result === 'object' && result !== null && 'failure' in result && result.failure === 'timeout'
  if (!isLate || !text.looking) return result
  return fault('timeout', `${result.reason}, with a text that had come and was being matched`)
}

/** Whether any text will do. */
export function expectsNothing({ contains, matches, lacks, mismatches }: TextExpectation): boolean {
  return contains === null && matches === null && lacks === null && mismatches === null
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
