/**
 * Tells of a member's certificates when they come to their end, once of each, and when another one has taken its place. What has
 * been told is part of what is known of the member (`MemberHealth`), and goes through a restart with it.
 *
 * Several servers behind one address may show different ones from probe to probe, so one that was replaced and is seen again is
 * not told of again.
 */
import {
  endsSoonAtMs,
  formatEnding,
  type PeerCertificate,
  type ToldCertificate,
} from '../model/certificate.ts'

/** A certificate, and with how few days left it is to be told of; 0 for never. */
export interface PresentedCertificate {
  readonly certificate: PeerCertificate
  readonly warnDays: number
}

export interface CertificateNews {
  readonly what: 'ends-soon' | 'renewed'
  /** The one that ends, or that has taken the place of one that did. */
  readonly certificate: PeerCertificate
  readonly reason: string
}

/** Of those that were told of, the last so many are remembered. A member shows one, or a few. */
const mostTold = 16

/** There are thousands of members that were told of nothing. */
const nothing: readonly ToldCertificate[] = []

export class CertificateWatch {
  #told: readonly ToldCertificate[]

  constructor(told: readonly ToldCertificate[] = nothing) {
    this.#told = told === nothing ? nothing : told.slice(-mostTold)
  }

  /** In the order in which they were told of. */
  get told(): readonly ToldCertificate[] {
    return this.#told
  }

  /**
   * @param presented what the member's probes have been shown last
   * @param whole whether that is all: every probe with TLS has been shown one
   * @returns what is to be told, which counts as told then
   */
  look(
    presented: readonly PresentedCertificate[],
    whole: boolean,
    nowMs: number,
  ): readonly CertificateNews[] {
    const news: CertificateNews[] = []
    const ending = presented.filter(
      ({ certificate, warnDays }) => warnDays > 0 && nowMs >= endsSoonAtMs(certificate, warnDays),
    )
    for (const { certificate, warnDays } of ending) {
      if (this.#told.some(({ fingerprint }) => fingerprint === certificate.fingerprint)) continue
      const told = { fingerprint: certificate.fingerprint, renewed: false }
      this.#told = [...this.#told, told].slice(-mostTold)
      news.push({ what: 'ends-soon', certificate, reason: formatEnding(certificate, warnDays, nowMs) })
    }
    const isGone = ({ fingerprint, renewed }: ToldCertificate) =>
      !renewed && !presented.some(({ certificate }) => certificate.fingerprint === fingerprint)
    const [next] = presented
    if (!whole || next === undefined || ending.length > 0 || !this.#told.some(isGone)) return news
    this.#told = this.#told.map((told) => (isGone(told) ? { ...told, renewed: true } : told))
    const soonest = presented.reduce(sooner, next).certificate
    return [{ what: 'renewed', certificate: soonest, reason: `another certificate, ${lasts(soonest)}` }]
  }
}

const lasts = ({ notAfterMs }: PeerCertificate) => `good until ${new Date(notAfterMs).toISOString()}`

/** The one of two that ends first. */
export function sooner(one: PresentedCertificate, other: PresentedCertificate): PresentedCertificate {
  return other.certificate.notAfterMs < one.certificate.notAfterMs ? other : one
}
