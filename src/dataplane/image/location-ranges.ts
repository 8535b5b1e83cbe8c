/**
 * Which area an address is in, as ranges: an area begins at an address and goes on to where the next one begins. What areas
 * mean is a matter of whoever made the ranges; 0 is that of addresses about which nothing is known.
 */

/** At most as many areas as 16 bits number. */
export const maxAreas = 65_536

/** The first start is 0, starts ascend, and no two neighbours have the same area. */
export interface LocationRanges {
  readonly ipv4: { readonly starts: Uint32Array; readonly areas: Uint16Array }
  /** By the first 64 bits of an address: no allocation is finer than that. */
  readonly ipv6: { readonly starts: BigUint64Array; readonly areas: Uint16Array }
}
