import type { Prefix } from '../wire/prefix.ts'

/** What shapes responses besides zones and plans. Part of the serving state, since keys change while we run. */
export interface AnswerSettings {
  /** Identity of this node for those who ask by NSID (RFC 5001); null answers nobody. */
  readonly nsid: Uint8Array | null
  /** Text of each name of class CH that is answered; the names lower-cased in wire form. All others are refused. */
  readonly chaos: readonly { readonly name: Uint8Array; readonly text: string }[]
  /** Server secrets of DNS cookies (RFC 9018), 16 octets each: the one that signs, then those still accepted. None: no cookies. */
  readonly cookieKeys: readonly Uint8Array[]
  /** The most octets over UDP to a client without a valid cookie; 0 for as many as to anybody. */
  readonly noCookieOctets: number
  /** null limits nobody. */
  readonly rateLimit: RateLimit | null
  /** Whether a sample of the questions is kept (`sample.ts`). */
  readonly sample: boolean
  /** Who is told what is asked and answered; nobody when left out. */
  readonly tap?: TapSettings
  /** What the query log is told; nothing when left out. */
  readonly queryLog?: TapMessages
}

/** A collector of dnstap, and what it is told. */
export interface TapSettings extends TapMessages {
  readonly to: TapTarget
}

/** What somebody who looks on is told. */
export interface TapMessages {
  readonly queries: boolean
  readonly responses: boolean
  /** One query in so many is told, with its response. */
  readonly every: number
  /** Who tells it, and by which program; at most 127 octets each. */
  readonly identity: string
  readonly version: string
}

/** The path of a socket of this host, or an address of TCP. */
export type TapTarget = { readonly path: string } | { readonly host: string; readonly port: number }

/** Response rate limiting of UDP, by client prefix (/24 or /56) and question. */
export interface RateLimit {
  readonly perSecond: number
  /** One in this many of the responses above the limit goes out truncated; 0 sends none. */
  readonly slip: number
  /** Counts, but lets everything pass. */
  readonly logOnly: boolean
  /** Clients that are never limited. */
  readonly exempt: readonly Prefix[]
}

export const defaultAnswerSettings: AnswerSettings = {
  nsid: null,
  chaos: [],
  cookieKeys: [],
  noCookieOctets: 0,
  rateLimit: null,
  sample: false,
}
