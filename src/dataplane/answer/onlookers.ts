/**
 * Those who are told what is answered, each of what it has chosen: a collector of dnstap, the query log, or both. Where there is nobody,
 * the responder has none to ask.
 */
import { countersAt } from '../counters.ts'
import type { AnswerSettings } from '../image/answer-settings.ts'
import type { Client } from './client.ts'
import { Tap, type TapParts } from './tap.ts'
import type { Walk } from './walk.ts'

/** Where frames are left (`tap-ring.ts`), as long as the settings have somebody to read them; nowhere when left out. */
export interface OnlookerRings {
  /** For a collector of dnstap. */
  readonly tap?: SharedArrayBuffer
  /** For the query log. */
  readonly queryLog?: SharedArrayBuffer
}

export class Onlookers {
  readonly #collector: Tap | null
  readonly #log: Tap | null
  /** Those that the settings have. */
  #told: readonly Tap[] = []

  constructor({ tap, queryLog }: OnlookerRings, parts: TapParts) {
    this.#collector = tap === undefined ? null : new Tap(tap, countersAt.tap, parts)
    this.#log = queryLog === undefined ? null : new Tap(queryLog, countersAt.queryLog, parts)
  }

  /** @returns whether anybody is told of anything from now on */
  configure({ tap, queryLog }: AnswerSettings): boolean {
    const told: Tap[] = []
    for (const [onlooker, messages] of [
      [this.#collector, tap],
      [this.#log, queryLog],
    ] as const) {
      if (onlooker === null || messages === undefined) continue
      onlooker.configure(messages)
      told.push(onlooker)
    }
    this.#told = told
    return told.length > 0
  }

  /** Tells of a query to those who want to know. @returns whether anybody is to be told of the response */
  query(request: Uint8Array, length: number, client: Client): boolean {
    let tells = false
    for (let i = 0; i < this.#told.length; i++)
      if (this.#told[i]!.query(request, length, client)) tells = true
    return tells
  }

  /** Notes who answers, while the walk knows. */
  note(walk: Walk): void {
    for (let i = 0; i < this.#told.length; i++) this.#told[i]!.note(walk)
  }

  /** Tells of the response to the last query. */
  response(message: Uint8Array, length: number, client: Client): void {
    for (let i = 0; i < this.#told.length; i++) this.#told[i]!.response(message, length, client)
  }

  /** Has those who read see what they were told since the last time. */
  publish(): void {
    for (let i = 0; i < this.#told.length; i++) this.#told[i]!.publish()
  }
}
