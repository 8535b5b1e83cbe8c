/** A rule that a configuration breaks, and where. Whoever judged says it by the paths of its own input. */
export interface Breach {
  /** `invalid` for a name of nothing, `conflict` for what can't be together. */
  readonly code: 'invalid' | 'conflict'
  readonly kind: 'feeds' | 'monitors' | 'pools' | 'services'
  /** The name of the feed, monitor, pool or service. */
  readonly name: string
  /** The way from it to the field; empty for the whole of it. */
  readonly at: readonly (string | number)[]
  readonly message: string
  /** What it names and is not there, where that is what is wrong. */
  readonly missing?: { readonly kind: 'feeds' | 'monitors' | 'pools' | 'services'; readonly name: string }
  /** The type that a zone has in the service's way, at its name or, for a DNAME, above. */
  readonly rrset?: { readonly name: string; readonly type: string }
}
