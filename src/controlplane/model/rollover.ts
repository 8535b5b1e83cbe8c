/**
 * Rollovers of a zone's keys: what each key does in each step. How a rollover goes from step to step is in `dnssec/rollover-machine.ts`.
 *
 * ## What each key does
 * `entry` means: if it is a KSK or CSK; `data`: if it is a ZSK or CSK.
 *
 *     step       the keys that go                    the keys that come
 *     presign    all                                 sign, but are not published
 *     publish    all                                 published; entry: sign what is about keys
 *     parent     as before, but not at the parent    as before; entry: the parent is to have them (CDS, CDNSKEY)
 *     ds-out     as in `parent`                      as in `parent`
 *     switch     published, sign what is about keys  all
 *     unpublish  sign, but are not published         all
 *
 * Of another algorithm, keys that come sign data from the first step to the last, as keys that go do: whoever has a DNSKEY of an algorithm
 * may ask for a signature by it over all (RFC 4035 section 2.2, RFC 6840 section 5.11).
 *
 * A rollover that goes back has the keys change places: CDS names the keys that were there before, and those that came leave.
 */
import { type KeyDuties, type KeyRole, type KeyState, keyRoles } from './dnssec.ts'

export const rolloverSteps = ['presign', 'publish', 'parent', 'ds-out', 'switch', 'unpublish'] as const
export type RolloverStep = (typeof rolloverSteps)[number]

/** What each step does, and waits for. */
export const stepWords: Readonly<Record<RolloverStep, string>> = {
  presign: 'all is signed by the new algorithm too, until that is in all caches',
  publish: 'the new keys are published, until they are in all caches',
  parent: 'the parent is to have other DS',
  'ds-out': 'the parent has done its part, and the former DS runs out of caches',
  switch: 'the new key signs, until signatures of the old one are out of caches',
  unpublish: 'the old algorithm is not published any more, until it is out of caches',
}

/** `keys`: others take the place of those that there are. `unsigned`: the parent is asked to take the DS away, then nothing is signed. */
export const rolloverGoals = ['keys', 'unsigned'] as const
export type RolloverGoal = (typeof rolloverGoals)[number]

/** What a rollover changes; the same from its beginning to its end. */
export interface RolloverScope {
  readonly goal: RolloverGoal
  /** Keys change that the parent knows. */
  readonly entry: boolean
  /** Keys change that sign data. */
  readonly data: boolean
  /** The algorithm changes. */
  readonly algorithm: boolean
}

/** By which keys change: `all` that the zone has, one of two, those of another algorithm, or none that come. */
export const rolloverKinds = ['all', 'ksk', 'zsk', 'algorithm', 'unsigned'] as const
export type RolloverKind = (typeof rolloverKinds)[number]

export function kindOf({ goal, entry, data, algorithm }: RolloverScope): RolloverKind {
  if (goal === 'unsigned') return 'unsigned'
  if (algorithm) return 'algorithm'
  if (entry && data) return 'all'
  return entry ? 'ksk' : 'zsk'
}

/** What a step waits for: all servers serve it; the parent does its part; what was served before runs out of caches. */
export const rolloverWaits = ['servers', 'parent', 'caches'] as const
export type RolloverWait = (typeof rolloverWaits)[number]

/** Times are UNIX milliseconds by the clock of the database. */
export interface Rollover extends RolloverScope {
  readonly step: RolloverStep
  /** It goes back. */
  readonly reverting: boolean
  /** An operator has said that the parent has the DS. */
  readonly confirmed: boolean
  readonly stepSince: number
  /** From when the time of the step counts; null before: not all nodes serve it yet, or the parent has not done its part. */
  readonly countedFrom: number | null
  /** The greatest TTL of a DS that was seen at the parent; null before one was. */
  readonly parentTtlSeconds: number | null
}

/** A rollover of a zone, as it is stored. */
export interface ZoneRollover extends Rollover {
  readonly apex: string
  readonly startedAt: number
  /** What was last seen at the parent, in words; null before. */
  readonly parentSays: string | null
  /** Of its last step. */
  readonly revision: number
}

type Rolled = Pick<Rollover, 'goal' | 'step' | 'reverting' | 'algorithm'>

/** What a key does now. @param rollover null: there is none */
export function dutiesOf(role: KeyRole, state: KeyState, rollover: Rolled | null): KeyDuties {
  const [entry, data] = [role !== 'zsk', role !== 'ksk']
  const whole: KeyDuties = { published: true, signsKeys: entry, signsZone: data, atParent: entry }
  const hidden: KeyDuties = { published: false, signsKeys: entry, signsZone: data, atParent: false }
  if (state === 'retired') return { published: false, signsKeys: false, signsZone: false, atParent: false }
  if (rollover === null) return whole
  if (rollover.goal === 'unsigned') return { ...whole, atParent: false }
  if (state === 'active') return whole
  const { step, reverting, algorithm } = rollover
  const comes = state === 'incoming'
  switch (step) {
    case 'presign':
      return comes ? hidden : whole
    case 'publish':
      return comes ? { ...whole, signsZone: data && algorithm, atParent: false } : whole
    case 'parent':
    case 'ds-out':
      return {
        ...whole,
        signsZone: data && (!comes || algorithm),
        atParent: entry && comes !== reverting,
      }
    case 'switch':
      return comes ? whole : { ...whole, signsZone: false, atParent: false }
    case 'unpublish':
      return comes === reverting ? hidden : whole
  }
}

/** What keys do at rest, by their role: in each step of a rollover there is one that does something else. */
const atRest = keyRoles.map((role) => dutiesOf(role, 'active', null))

/** Whether the keys that a zone is served with are being rolled over. */
export function areRolledOver(keys: readonly { readonly duties: KeyDuties }[]): boolean {
  return keys.some(({ duties }) => !atRest.some((rest) => isSame(rest, duties)))
}

function isSame(a: KeyDuties, b: KeyDuties): boolean {
  return (
    a.published === b.published &&
    a.signsKeys === b.signsKeys &&
    a.signsZone === b.signsZone &&
    a.atParent === b.atParent
  )
}
