import type { Dispatcher } from 'undici'
import type { HttpMonitor } from '../../model/monitor.ts'
import { type Fault, fault, type Passed } from '../verdict.ts'
import { valueAt, weightPercent } from './member-weight.ts'
import { TextSearch } from './text-expectation.ts'

type Headers = Dispatcher.ResponseData['headers']

export interface Redirection {
  readonly status: number
  readonly location: string
}

/** RFC 9110 section 15.4, those that name a new target by Location. */
const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Judges one response while it arrives.
 *
 * A response counts when all of it, or the first 64 KiB of its body, have come. Judging by the headers alone would call a
 * member healthy that sends headers and then stalls.
 */
export class HttpJudge {
  readonly #monitor: HttpMonitor
  readonly #finish: (result: Passed | Fault | Redirection) => void
  readonly #body: TextSearch
  #weight: unknown

  constructor(monitor: HttpMonitor, finish: (result: Passed | Fault | Redirection) => void) {
    this.#monitor = monitor
    this.#finish = finish
    this.#body = new TextSearch(monitor.expectBody, monitor.weight?.kind === 'json')
  }

  start(status: number, headers: Headers): void {
    if (status < 200) return // an interim response; the final one follows (RFC 9110 section 15.2)
    const { location } = headers
    // Where redirects are followed, one with a Location is not judged.
    const follows = this.#monitor.followRedirects > 0 && redirectCodes.has(status)
    if (follows && typeof location === 'string') {
      this.#finish({ status, location })
      return
    }
    const expected = this.#monitor.expectCodes.some(({ from, to }) => from <= status && status <= to)
    if (!expected) this.#finish(fault('status', `status ${status}`))
    const { weight } = this.#monitor
    if (weight?.kind === 'header') this.#weight = headers[weight.name.toLowerCase()]
  }

  data(chunk: Buffer): void {
    this.#body.take(chunk)
    if (this.#body.full) this.end()
  }

  end(): void {
    const complaint = this.#body.missing() ?? this.#body.unwanted()
    if (complaint !== null) {
      this.#finish(fault('body', `body ${complaint}`))
      return
    }
    const { weight } = this.#monitor
    if (weight?.kind === 'json') this.#weight = valueAt(weight.pointer, this.#body.text.toString())
    this.#finish({ weightPercent: weightPercent(this.#weight) })
  }
}
