/** Signed zones. Bound: the zones of the configuration. */
import type { Registry } from 'prom-client'
import { expose, exposeValue } from './series.ts'

export interface SignedZoneNow {
  readonly zone: string
  /** When the first of its signatures ends, UNIX seconds; null when there are none. */
  readonly expiresAt: number | null
  /** Whether no signature can be made. */
  readonly isTroubled: boolean
}

const waits = ['servers', 'parent', 'parent-silent', 'caches'] as const

export interface ZoneRolloverNow {
  readonly zone: string
  readonly kind: string
  readonly step: string
  readonly waitsFor: (typeof waits)[number]
  readonly stepSeconds: number
  /** Null when it is not known yet. */
  readonly dueSeconds: number | null
}

export interface SigningNow {
  /** Zones whose keys are rolled over. */
  rollovers(): readonly ZoneRolloverNow[]
  signedZones(): readonly SignedZoneNow[]
  /** How many signatures were made. */
  signaturesMade(): number
  /** RRsets of services that are still to be signed: those that they could be answered with now, and those ahead. */
  unsignedSets(): { readonly answers: number; readonly ahead: number }
}

export function registerSigningMetrics(registry: Registry, now: SigningNow, nowMs: () => number): void {
  const expires =
    'Seconds until the first signature of a zone ends, as this node has them; below 0 when it has ended.'
  expose(registry, 'gauge', 'pooldns_dnssec_signature_expires_seconds', expires, () =>
    now.signedZones().map(({ zone, expiresAt }) => ({
      labels: { zone },
      value: expiresAt === null ? 0 : expiresAt - nowMs() / 1000,
    })),
  )
  const keys = "Whether a zone can't be signed by this node, most likely because its key can't be opened."
  expose(registry, 'gauge', 'pooldns_dnssec_signing_failed', keys, () =>
    now.signedZones().map(({ zone, isTroubled }) => ({ labels: { zone }, value: Number(isTroubled) })),
  )
  const waiting =
    'RRsets of services that are still to be signed: "answers" for those that they could be answered with now, "ahead" for those that may be needed next.'
  expose(registry, 'gauge', 'pooldns_dnssec_unsigned_sets', waiting, () =>
    Object.entries(now.unsignedSets()).map(([kind, value]) => ({ labels: { kind }, value })),
  )
  const made = 'Signatures that this node has made.'
  exposeValue(registry, 'counter', 'pooldns_dnssec_signatures_made_total', made, () => now.signaturesMade())
  const steps =
    'Seconds that a rollover of keys has been in its step, by what that waits for: "servers" that serve it, the "parent", "parent-silent" when not all of its servers could be asked, or "caches"; 0 for what it does not wait for.'
  expose(registry, 'gauge', 'pooldns_dnssec_rollover_step_seconds', steps, () =>
    now.rollovers().flatMap(({ zone, kind, step, waitsFor, stepSeconds }) =>
      waits.map((each) => ({
        labels: { zone, kind, step, waits_for: each },
        value: each === waitsFor ? stepSeconds : 0,
      })),
    ),
  )
  const due =
    'Seconds until a step of a rollover of keys has waited for caches long enough; below 0 when it is overdue.'
  expose(registry, 'gauge', 'pooldns_dnssec_rollover_due_seconds', due, () =>
    now
      .rollovers()
      .flatMap(({ zone, dueSeconds }) =>
        dueSeconds === null ? [] : [{ labels: { zone }, value: dueSeconds }],
      ),
  )
}
