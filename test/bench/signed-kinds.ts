/** Of what `signed-verdicts.ts` measures from a verdict to answers. */

/** What fails, and what else goes on. */
export interface Kind {
  /** Fields of its pools. */
  readonly pool?: object
  readonly members: number
  /** Members that change at a time; 1 if left out. */
  readonly atATime?: number
  /** Services that are answered from the pool; 1 if left out. */
  readonly services?: number
  /** Other pools with a service each whose members change with those of this. */
  readonly otherPools?: number
  /** Another service stands between the one that is asked for and the pool. */
  readonly nested?: boolean
  readonly meanwhile?: 'rollover' | 'algorithm' | 'renewal' | 'edits' | 'steps'
}

export const kinds = {
  one: { members: 20 },
  shared: { members: 20, services: 1000 },
  'shared-few': { members: 4, services: 1000, pool: { answers: 2 } },
  many: { members: 20, atATime: 6, otherPools: 20 },
  window: { members: 20, pool: { select: 'rotate', answers: 3 } },
  'window-large': { members: 32, pool: { select: 'rotate', answers: 8 }, services: 100 },
  weighted: { members: 20, pool: { select: 'weighted', answers: 1 } },
  'k-of-n': { members: 16, pool: { select: 'weighted', answers: 3 } },
  drawn: { members: 32, pool: { select: 'weighted', answers: 4 } },
  'drawn-shared': { members: 32, pool: { select: 'weighted', answers: 4 }, services: 20 },
  hash: { members: 20, pool: { select: 'hash', answers: 1 } },
  'hash-some': { members: 20, pool: { select: 'hash', answers: 3 } },
  nested: { members: 4, nested: true },
  rollover: { members: 20, meanwhile: 'rollover' },
  algorithm: { members: 20, meanwhile: 'algorithm' },
  renewal: { members: 20, meanwhile: 'renewal' },
  edits: { members: 20, meanwhile: 'edits' },
  steps: { members: 20, meanwhile: 'steps' },
} as const satisfies Readonly<Record<string, Kind>>
export type KindName = keyof typeof kinds
export const kindNames = Object.keys(kinds) as readonly KindName[]
