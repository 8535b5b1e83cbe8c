/** Words on members: what they would do, saying them, and taking them back. */
import { signal } from '@preact/signals'
import type { EffectReply } from '../controlplane/api/operations/override-preview.ts'
import type { OverviewReply } from '../controlplane/api/operations/overview.ts'
import { ask, get, path } from './api.ts'
import { refresh } from './live.ts'

export type Word = 'drain' | 'down' | 'up'
/** What holds a member: its state and the pattern that it was set for. */
export interface Held {
  readonly state: string
  readonly pattern: string
}
export interface Target {
  readonly pool: string
  /** `*` for every member of the pool. */
  readonly member: string
  readonly held: Held | null
  /** What is proposed first; null takes back what is held. */
  readonly word: Word | null
}

/** Of whom something is about to be said; null for nobody. */
export const acting = signal<Target | null>(null)

/** Opens the dialog. */
export function act(target: Target): void {
  acting.value = target
}

export type OverrideReply = Omit<OverviewReply['overrides'][number], 'pool' | 'member'>

export const nameOf = ({ pool, member }: Pick<Target, 'pool' | 'member'>) =>
  member === '*' ? `every member of ${pool}` : `${pool}/${member}`

function overridePath({ pool, member }: Pick<Target, 'pool' | 'member'>): string {
  if (member === '*') return path`/v1/pools/${pool}/override`
  if (/[*?]/.test(pool + member)) return path`/v1/overrides/${pool}/${member}`
  return path`/v1/pools/${pool}/members/${member}/override`
}

/** Of whom the word that holds a member was said. */
export function heldTarget({ pattern }: Held): Pick<Target, 'pool' | 'member'> {
  const [pool = '', member = ''] = pattern.split('/')
  return { pool, member }
}

/** What would be answered. */
export function tryWord(target: Pick<Target, 'pool' | 'member'>, state: Word | null, signal?: AbortSignal) {
  const { pool, member } = target
  return get<EffectReply>('/v1/overrides/preview', {
    method: 'POST',
    json: { overrides: [{ pool, member, state }] },
    ...(signal === undefined ? {} : { signal }),
  })
}

/** @param minutes null for as long as nobody takes it back */
export async function say(
  target: Pick<Target, 'pool' | 'member'>,
  word: { readonly state: Word; readonly reason: string; readonly minutes: number | null },
): Promise<{ readonly override: OverrideReply; readonly behind: string | null }> {
  const { state, reason, minutes } = word
  const until = untilOf(minutes)
  const response = await ask(`${overridePath(target)}?wait=fleet`, {
    method: 'PUT',
    json: { state, reason, until },
  })
  refresh()
  const fleet = response.headers.get('pooldns-fleet')
  const behind = fleet?.startsWith('pending') === true ? fleet.replace('pending', '').trim() : null
  return { override: (await response.json()) as OverrideReply, behind }
}

export async function takeBack(target: Pick<Target, 'pool' | 'member'>): Promise<void> {
  await ask(overridePath(target), { method: 'DELETE' })
  refresh()
}

/** Lets a member back that answers again, and waits for that. */
export async function letBack({ pool, member }: Pick<Target, 'pool' | 'member'>): Promise<void> {
  await ask(path`/v1/pools/${pool}/members/${member}/fail-back`, { method: 'POST' })
  refresh()
}

/** @param minutes null for as long as nobody takes it back */
export async function sayOfService(
  service: string,
  {
    state,
    reason,
    minutes,
  }: { readonly state: Word; readonly reason: string; readonly minutes: number | null },
): Promise<void> {
  const json = { state, reason, until: untilOf(minutes) }
  await ask(path`/v1/services/${service}/override?wait=fleet`, { method: 'PUT', json })
  refresh()
}

export async function takeServiceBack(service: string): Promise<void> {
  await ask(path`/v1/services/${service}/override`, { method: 'DELETE' })
  refresh()
}

/** As the API takes an end. */
const untilOf = (minutes: number | null) =>
  minutes === null ? null : new Date(Date.now() + minutes * 60_000).toISOString()

export const readOverride = (target: Pick<Target, 'pool' | 'member'>) =>
  get<OverrideReply>(overridePath(target))
