/** What a server's own certificate says, as far as it matters to whether the server will go on working. */

export interface PeerCertificate {
  /** SHA-256 of it, in hexadecimal with colons: which one it is. */
  readonly fingerprint: string
  readonly notAfterMs: number
  /** Whose it is: the first name in it, of bounded length; empty where it has none. */
  readonly name: string
}

/** A certificate that a warning has been given of. */
export interface ToldCertificate {
  readonly fingerprint: string
  /** Another one has taken its place. */
  readonly renewed: boolean
}

/** What becomes of a member whose certificate has fewer days left than are wanted. */
export const endingRules = ['minority', 'always'] as const
/**
 * - `minority`: it is down while at least half of its pool (of those up, of the address family) have one that lasts, so that a
 *   certificate that all share takes nobody out before it ends
 * - `always`: its probes fail
 */
export type EndingRule = (typeof endingRules)[number]

const dayMs = 86_400_000

/** Whole days, negative once it has ended. */
export function daysLeft({ notAfterMs }: PeerCertificate, nowMs: number): number {
  return Math.floor((notAfterMs - nowMs) / dayMs)
}

/** From when on a certificate has fewer days left than are wanted. */
export function endsSoonAtMs({ notAfterMs }: PeerCertificate, wantedDays: number): number {
  return notAfterMs - wantedDays * dayMs
}

/** @returns such as `certificate ends in 3 days, 14 wanted` */
export function formatEnding(certificate: PeerCertificate, wantedDays: number, nowMs: number): string {
  const days = daysLeft(certificate, nowMs)
  return `certificate ends in ${days} ${days === 1 ? 'day' : 'days'}, ${wantedDays} wanted`
}

/** Whether what was stored is what it should be. */
export function isToldCertificate(value: unknown): value is ToldCertificate {
  return (
    typeof value === 'object' &&
    value !== null &&
    'fingerprint' in value &&
    typeof value.fingerprint === 'string' &&
    'renewed' in value &&
    typeof value.renewed === 'boolean'
  )
}
