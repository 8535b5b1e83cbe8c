/**
 * Reads one response of HTTP/1.x (RFC 9112) to one request, as it arrives. There is one on a connection, and what comes
 * behind it is not looked at.
 *
 *   interim, at most eight       status 1xx, without a body; passed over
 *   status-line   HTTP/1.x SP 3DIGIT [ SP reason ]
 *   field-line    name ":" OWS value OWS; one that begins with a blank goes on with the one before
 *   an empty line
 *   the body      as `http-framing.ts` says
 *
 * ## How strict
 * A member that browsers and proxies can read is not down, so whatever the RFC lets a reader put up with is put up with: empty
 * lines before the response, lines that end with LF alone, more blanks than one before a status, blanks behind a field's name, fields that
 * are folded, blanks and extensions behind a chunk's size. What it calls invalid, or what two readers would read in two ways,
 * is malformed, and what is wrong is said: what has no right form is not the same as a lost connection.
 *
 * ## Bounds
 * 64 KiB for all header sections together, eight interim responses, 1 MiB for what delimits chunks and comes behind them,
 * 4 KiB for one such line. Time in proportion to the octets, in however many pieces they come.
 */
import { framingOf, type HeaderFields } from './http-framing.ts'

/** Octets of all header sections, interim ones included. */
const headLimit = 64 * 1024
/** Octets of a body's framing: chunks of one octet each, of which 64 KiB count, take five times as many. */
const framingLimit = 1024 * 1024
/** Octets of a line that begins a chunk, or of a trailer field. */
const framingLineLimit = 4096
export const mostInterim = 8

const noHttp = 'it does not begin with HTTP/'

export interface ResponseHandler {
  /** The final response has begun. */
  head(status: number, fields: HeaderFields): void
  /** The next octets of its body. A view that is good until the call returns. */
  data(octets: Buffer): void
  /** All of it has come. */
  end(): void
  /** What has come is no response; says why. */
  malformed(what: string): void
}

type State =
  | 'status line'
  | 'header section'
  | 'body by length'
  | 'body until the end'
  | 'chunk size'
  | 'chunk'
  | 'end of chunk'
  | 'trailer section'
  | 'over'

export class ResponseReader {
  readonly #method: string
  readonly #handler: ResponseHandler
  #state: State = 'status line'
  /** What has come of a line whose end has not; bounded by `#room`. */
  #line: string[] = []
  #lineLength = 0
  /** Octets that may still come of header sections, or of a body's framing. */
  #room = headLimit
  #status = 0
  #interims = 0
  #fields = new Map<string, string[]>()
  /** The values of the field that a folded line would go on with; null before the first. */
  #folding: string[] | null = null
  /** Octets that are still to come of a body by length, or of a chunk. */
  #missing = 0

  /** @param method of the request: a response to HEAD has no body */
  constructor(method: string, handler: ResponseHandler) {
    this.#method = method
    this.#handler = handler
  }

  /** Takes the next octets from the connection. Nothing is told once the response is over. */
  take(octets: Buffer): void {
    let at = 0
    while (this.#state !== 'over' && at < octets.length) {
      at = this.#readsBody ? this.#takeBody(octets, at) : this.#takeLine(octets, at)
    }
  }

  /** The peer has ended the connection in order, which is the end of some bodies. */
  finish(): void {
    if (this.#state === 'body until the end') this.#end()
  }

  /** Whether the response is whole, is none, or is not looked at any more. */
  get over(): boolean {
    return this.#state === 'over'
  }

  /** Tells nothing any more. */
  stop(): void {
    this.#state = 'over'
  }

  get #readsBody(): boolean {
    return this.#state === 'body by length' || this.#state === 'body until the end' || this.#state === 'chunk'
  }

  #takeBody(octets: Buffer, at: number): number {
    const end = this.#state === 'body until the end' ? octets.length : at + this.#missing
    const part = at === 0 && end >= octets.length ? octets : octets.subarray(at, end)
    this.#missing -= part.length
    this.#handler.data(part)
    if (this.#state === 'body by length' && this.#missing === 0) this.#end()
    else if (this.#state === 'chunk' && this.#missing === 0) this.#state = 'end of chunk'
    return at + part.length
  }

  /** RFC 9112 section 2.2: a line may end with LF alone. */
  #takeLine(octets: Buffer, at: number): number {
    const found = octets.indexOf(0x0a, at)
    const end = found < 0 ? octets.length : found
    this.#lineLength += end - at
    this.#room -= end - at + (found < 0 ? 0 : 1)
    const inHead = this.#state === 'status line' || this.#state === 'header section'
    if (this.#room < 0 || (!inHead && this.#lineLength > framingLineLimit)) {
      this.#fail(inHead ? 'header section too large' : 'more framing than a body may have')
      return end
    }
    const part = octets.toString('latin1', at, end)
    if (found < 0) {
      this.#line.push(part)
      if (this.#state === 'status line') this.#checkBeginning()
      return end
    }
    const line = this.#line.length === 0 ? part : this.#line.join('') + part
    this.#line = []
    this.#lineLength = 0
    this.#readLine(line.endsWith('\r') ? line.slice(0, -1) : line)
    return end + 1
  }

  /** What is no HTTP is told so at once, and not when a deadline is over: many protocols greet, and then wait. */
  #checkBeginning(): void {
    const [first = '', second = ''] = this.#line
    if (first.length >= 5 && this.#line.length > 1) return
    const begun = first + second
    this.#line = [begun]
    if (!'HTTP/'.startsWith(begun.slice(0, 5)) && begun !== '\r') this.#fail(noHttp)
  }

  #readLine(line: string): void {
    switch (this.#state) {
      case 'status line':
        this.#readStatus(line)
        break
      case 'header section':
        if (line === '') this.#endHead()
        else this.#readField(line)
        break
      case 'chunk size':
        this.#readChunkSize(line)
        break
      case 'end of chunk':
        if (line === '') this.#state = 'chunk size'
        else this.#fail('a chunk is longer than it says')
        break
      case 'trailer section':
        // What is said behind a body is for nobody here.
        if (line === '') this.#end()
        break
    }
  }

  /** RFC 9112 section 4, with the blanks that it allows a reader to take. */
  #readStatus(line: string): void {
    // Section 2.2 speaks of requests; servers that send one line too many send it before responses, too.
    if (line === '') return
    const match = /^HTTP\/([0-9])\.[0-9][ \t]+([0-9]{3})(?:[ \t]|$)/.exec(line)
    if (match === null) this.#fail(line.startsWith('HTTP/') ? `status line "${line.slice(0, 40)}"` : noHttp)
    else if (match[1] !== '1') this.#fail(`version ${match[1]} of HTTP in an answer to version 1.1`)
    else if (match[2]! < '100') this.#fail(`status ${match[2]}`)
    else {
      this.#status = Number(match[2])
      this.#state = 'header section'
    }
  }

  /** RFC 9112 section 5. */
  #readField(line: string): void {
    // RFC 9110 section 5.5: to be refused, or made blanks; nobody sends them but to deceive.
    if (line.includes('\r') || line.includes('\0')) {
      this.#fail('CR or NUL in a header field')
    } else if (line[0] === ' ' || line[0] === '\t') {
      // Section 5.2: an obsolete way to go on.
      if (this.#folding === null) this.#fail('a blank before the first header field')
      else this.#folding.push(`${this.#folding.pop()} ${trimBlanks(line)}`)
    } else {
      const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)$/.exec(line)
      if (match === null) this.#fail(`header field "${line.slice(0, 40)}"`)
      else this.#addField(match[1]!.toLowerCase(), trimBlanks(match[2]!))
    }
  }

  #addField(name: string, value: string): void {
    const values = this.#fields.get(name) ?? []
    values.push(value)
    this.#fields.set(name, values)
    this.#folding = values
  }

  #endHead(): void {
    const status = this.#status
    if (status === 101) this.#fail('status 101, another protocol that nobody asked for')
    else if (status < 200) this.#passInterim()
    else this.#beginBody(status)
  }

  /** RFC 9110 section 15.2: one must be able to read them, asked for or not. */
  #passInterim(): void {
    if (++this.#interims > mostInterim) {
      this.#fail(`more than ${mostInterim} interim responses`)
      return
    }
    this.#fields = new Map()
    this.#folding = null
    this.#state = 'status line'
  }

  #beginBody(status: number): void {
    const framing = framingOf(this.#method, status, this.#fields)
    if (framing.kind === 'malformed') {
      this.#fail(framing.what)
      return
    }
    this.#room = framingLimit
    this.#handler.head(status, this.#fields)
    if (this.#state === 'over') return
    if (framing.kind === 'closed') this.#state = 'body until the end'
    else if (framing.kind === 'chunked') this.#state = 'chunk size'
    else if (framing.kind === 'length' && framing.length > 0) {
      this.#missing = framing.length
      this.#state = 'body by length'
    } else this.#end()
  }

  /** RFC 9112 section 7.1; extensions are passed over (section 7.1.1). */
  #readChunkSize(line: string): void {
    const digits = /^([0-9A-Fa-f]+)[ \t]*(?:;[^\r\0]*)?$/.exec(line)?.[1]
    if (digits === undefined) {
      this.#fail(`size of a chunk "${line.slice(0, 40)}"`)
      return
    }
    this.#missing = Number.parseInt(digits, 16)
    this.#state = this.#missing === 0 ? 'trailer section' : 'chunk'
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#handler.end()
  }

  #fail(what: string): void {
    this.#state = 'over'
    this.#handler.malformed(what)
  }
}

/** OWS, which is not all that `trim` takes for blanks. */
function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, '')
}
