/**
 * Judges members whose certificates have fewer days left than are wanted, against the rest of their pool.
 *
 * One that was forgotten when the others were renewed is to leave the answers before it ends. One that all share has become short
 * everywhere at the same moment, works until it ends, and must not take the pool out: nothing would be won by it. So a short
 * certificate counts against a member while at least half of those of its pool that answer as expected have one that lasts. Address
 * families are counted by themselves, as answers are made by family. Nobody's being out changes the count: it goes by what probes
 * say, so that the rule does not chase its own effects.
 *
 * Who is short goes by the clock and not by when a probe has noticed: the certificate that all share would else be one member's
 * alone from the first probe behind the moment to the last.
 *
 * Costs: constant time for each verdict; when a certificate becomes short, one pass over its pool. Bound: one place for each probed
 * address of a member.
 */
import { isIP } from 'node:net'
import type { AddressText } from '../model/pool.ts'

interface Group {
  readonly pool: string
  readonly places: Set<Entry>
  /** Places with a certificate, by what it is. */
  short: number
  lasting: number
  /** When the next of them becomes short, at the earliest. */
  nextMs: number
}

interface Entry {
  /** Null: no certificate is known, none is asked about, or its member does not answer as expected. */
  shortAtMs: number | null
  isShort: boolean
}

/** One address of a member among the others of its pool. */
export interface EndingPlace extends Disposable {
  /** Says from when on its certificate is short; null where that does not matter. */
  set(shortAtMs: number | null): void
  /** Whether its certificate is short, and whether that counts against it. */
  readonly verdict: 'lasts' | 'spared' | 'fails'
}

export interface EndingCertificatesOptions {
  /** Time of day. */
  readonly nowMs: () => number
  /** What short certificates of a pool come to has changed. May not look at them before the turn ends. */
  readonly onFlip: (pool: string) => void
}

export class EndingCertificates {
  readonly #options: EndingCertificatesOptions
  readonly #groups = new Map<string, Group>()

  constructor(options: EndingCertificatesOptions) {
    this.#options = options
  }

  place(pool: string, address: AddressText): EndingPlace {
    const key = `${isIP(address)} ${pool}`
    const group = this.#groups.get(key) ?? {
      pool,
      places: new Set(),
      short: 0,
      lasting: 0,
      nextMs: Number.POSITIVE_INFINITY,
    }
    this.#groups.set(key, group)
    const entry: Entry = { shortAtMs: null, isShort: false }
    group.places.add(entry)
    const verdict = () => this.#verdict(group, entry)
    return {
      set: (shortAtMs) => this.#change(group, () => enter(group, entry, shortAtMs, this.#options.nowMs())),
      get verdict() {
        return verdict()
      },
      [Symbol.dispose]: () => {
        this.#change(group, () => enter(group, entry, null, 0))
        group.places.delete(entry)
        if (group.places.size === 0) this.#groups.delete(key)
      },
    }
  }

  #verdict(group: Group, entry: Entry): EndingPlace['verdict'] {
    const nowMs = this.#options.nowMs()
    if (nowMs >= group.nextMs) {
      this.#change(group, () => {
        group.nextMs = Number.POSITIVE_INFINITY
        for (const each of group.places) enter(group, each, each.shortAtMs, nowMs)
      })
    }
    if (!entry.isShort) return 'lasts'
    return counts(group) ? 'fails' : 'spared'
  }

  #change(group: Group, change: () => void): void {
    const before = counts(group)
    change()
    if (group.short > 0 && counts(group) !== before) this.#options.onFlip(group.pool)
  }
}

const counts = ({ short, lasting }: Group): boolean => lasting >= short

function enter(group: Group, entry: Entry, shortAtMs: number | null, nowMs: number): void {
  if (entry.shortAtMs !== null) group[entry.isShort ? 'short' : 'lasting']--
  entry.shortAtMs = shortAtMs
  entry.isShort = shortAtMs !== null && nowMs >= shortAtMs
  if (shortAtMs === null) return
  group[entry.isShort ? 'short' : 'lasting']++
  if (!entry.isShort) group.nextMs = Math.min(group.nextMs, shortAtMs)
}
