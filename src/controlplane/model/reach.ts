/**
 * What a token that has limits reaches: of each kind the things whose names its patterns stand for, and nothing of a kind without
 * patterns. Members, overrides and reports belong to their pools, RRsets to their zones; a service is reached by its own name alone,
 * whatever zone it lies in. Where a reach may be missing, null stands for no limits.
 *
 * A name may be a pattern itself, as those of overrides: it is reached when all that it stands for is.
 */
import type { Event } from './event.ts'
import { patternWithin } from './glob.ts'

export const reachKinds = ['zone', 'pool', 'service', 'monitor', 'feed'] as const
export type ReachKind = (typeof reachKinds)[number]

/** Patterns by the plurals of kinds. At least one; bounded by who makes them. */
export type Limits = { readonly [K in `${ReachKind}s`]?: readonly string[] }

/** Something that has a name. */
export interface Named {
  readonly kind: ReachKind
  readonly name: string
}

/**
 * A name, or a pattern of names, whose dots all stand between labels: one within a label (`evil\.shop.example` has the labels
 * `evil.shop` and `example`) is written by its number (RFC 1035 section 5.1), so that no pattern takes it for an end of a label.
 */
export function withoutEscapedDots(text: string): string {
  return text.replaceAll(/\\(.)/gs, (pair, character: string) => (character === '.' ? '\\046' : pair))
}

export class Reach {
  readonly limits: Limits

  constructor(limits: Limits) {
    this.limits = limits
  }

  patterns(kind: ReachKind): readonly string[] {
    return this.limits[`${kind}s`] ?? []
  }

  includes({ kind, name }: Named): boolean {
    const text = withoutEscapedDots(name)
    return this.patterns(kind).some((pattern) => patternWithin(text, withoutEscapedDots(pattern)))
  }

  /** Whether an event is of a pool, a service or a feed that is reached, and so of no node. */
  includesEvent(event: Event): boolean {
    if ('service' in event) return this.includes({ kind: 'service', name: event.service })
    if ('pool' in event) return this.includes({ kind: 'pool', name: event.pool })
    return 'feed' in event && this.includes({ kind: 'feed', name: event.feed })
  }
}

/** The test of names of a kind; everything passes where there are no limits. */
export function within(reach: Reach | null, kind: ReachKind): (name: string) => boolean {
  return reach === null ? () => true : (name) => reach.includes({ kind, name })
}
