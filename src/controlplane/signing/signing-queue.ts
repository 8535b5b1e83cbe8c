/**
 * What is still to be signed of services, by how it is waited for. A rank is taken from only while those before it are empty; and what is
 * taken is small but for the first, so that the first waits for some milliseconds at the most; that of a step, for which nothing is answered
 * with anew meanwhile, may be larger.
 *
 *     rank      RRsets
 *     first     without which a service is answered as before: a few of each leaf of its plan that has no signature at all
 *     step      of a new configuration, whose writer waits
 *     answers   that a service could be answered with, and is answered with others meanwhile
 *     ahead     that may be needed next, or are to be made anew
 *
 * Bounded by what the books lack: what plans lack takes the place of what they lacked before.
 */
import type { ServedKey } from '../model/dnssec.ts'
import type { ServiceBook } from './service-book.ts'
import type { SigningRequest } from './set-signer.ts'

export const signingRanks = ['first', 'step', 'answers', 'ahead'] as const
export type SigningRank = (typeof signingRanks)[number]

/** RRsets of one message: some 80 ms of the signing thread, and 2. */
export const mostTaken: Readonly<Record<SigningRank, number>> = {
  first: 2000,
  step: 256,
  answers: 64,
  ahead: 64,
}

/** A request, and what it was made of. */
export interface Batch {
  readonly request: SigningRequest
  readonly parts: readonly (readonly [book: ServiceBook, keys: readonly string[]])[]
}

export interface Taken {
  readonly rank: SigningRank
  readonly batches: readonly Batch[]
  /** RRsets. */
  readonly count: number
}

type Queue = Map<ServiceBook, Set<string>>

export class SigningQueue {
  readonly #queues: Readonly<Record<SigningRank, Queue>> = {
    first: new Map(),
    step: new Map(),
    answers: new Map(),
    ahead: new Map(),
  }

  add(book: ServiceBook, keys: Iterable<string>, rank: SigningRank): void {
    const queue = this.#queues[rank]
    const waiting = queue.get(book) ?? new Set()
    for (const key of keys) waiting.add(key)
    if (waiting.size > 0) queue.set(book, waiting)
  }

  /** What the plan of a service lacks now, in the place of what it lacked before. */
  replace(book: ServiceBook, keys: ReadonlySet<string>, rank: 'first' | 'answers'): void {
    this.#queues.first.delete(book)
    this.#queues.answers.delete(book)
    this.add(book, keys, rank)
  }

  get isEmpty(): boolean {
    return signingRanks.every((rank) => this.#queues[rank].size === 0)
  }

  /** Null when there is nothing. */
  take(): Taken | null {
    const rank = signingRanks.find((each) => this.#queues[each].size > 0)
    if (rank === undefined) return null
    const parts = takeParts(this.#queues[rank], mostTaken[rank])
    const count = parts.reduce((sum, [, keys]) => sum + keys.length, 0)
    return { rank, batches: batchesOf(parts), count }
  }

  /** How many RRsets wait. @param book of this one */
  count(rank: SigningRank, book?: ServiceBook): number {
    const queue = this.#queues[rank]
    if (book !== undefined) return queue.get(book)?.size ?? 0
    let count = 0
    for (const keys of queue.values()) count += keys.size
    return count
  }

  forget(book: ServiceBook): void {
    for (const rank of signingRanks) this.#queues[rank].delete(book)
  }
}

function takeParts(queue: Queue, most: number): [ServiceBook, string[]][] {
  const parts: [ServiceBook, string[]][] = []
  let left = most
  for (const [book, keys] of queue) {
    if (left === 0) break
    const taken = keys.size <= left ? [...keys] : [...keys].slice(0, left)
    left -= taken.length
    parts.push([book, taken])
    if (taken.length === keys.size) queue.delete(book)
    else for (const key of taken) keys.delete(key)
  }
  return parts
}

/** Together by zone and keys. */
export function batchesOf(parts: readonly (readonly [ServiceBook, readonly string[]])[]): Batch[] {
  const alike = Map.groupBy(parts, ([{ apex, keys }]) => `${apex} ${textOf(keys)}`)
  return Array.from(alike.values(), (these) => {
    const [{ apex, keys }] = these[0]!
    const owners = these.map(([{ owner, ttlSeconds }, sets]) => {
      return { owner: Buffer.from(owner).toString('latin1'), ttlSeconds, sets }
    })
    return { request: { apex, keys, owners }, parts: these }
  })
}

/** Catalogs share the keys of zones that stay, and their objects never change. */
const texts = new WeakMap<readonly ServedKey[], string>()

export function textOf(keys: readonly ServedKey[]): string {
  const known = texts.get(keys)
  if (known !== undefined) return known
  const text = JSON.stringify(keys)
  texts.set(keys, text)
  return text
}
