/**
 * The aliases that one answer has followed: what tells a loop, and where a DNAME stands that is applied once more. Bounded
 * by `maxChain`; one object is filled again for each query.
 */

/** Names looked up for one query; a longer chain ends where it is. Real ones have one or two links. */
export const maxChain = 8

export class AliasChain {
  #length = 0
  readonly #zones = new Int32Array(maxChain)
  readonly #rrsets = new Int32Array(maxChain)
  readonly #owners = new Int32Array(maxChain)
  readonly #names = new Int32Array(maxChain)
  readonly #rdata = new Int32Array(maxChain)
  readonly #inward = new Uint8Array(maxChain)

  clear(): void {
    this.#length = 0
  }

  /**
   * Notes an alias that was followed; at most `maxChain` since the last `clear`.
   *
   * @param zone slot of its zone
   * @param rrset index in the zone, or the number that stands for a service's CNAME
   * @param owner hash of the owner: one RRset stands for many names when its owner is a wildcard
   * @param name hash of the name that was looked up, which for a DNAME is below the owner
   * @param rdata offset of its RDATA in the message
   * @param inward whether it leads to its owner or below
   */
  note(zone: number, rrset: number, owner: number, name: number, rdata: number, inward: boolean): void {
    const at = this.#length++
    this.#zones[at] = zone
    this.#rrsets[at] = rrset
    this.#owners[at] = owner
    this.#names[at] = name
    this.#rdata[at] = rdata
    this.#inward[at] = inward ? 1 : 0
  }

  /** Offset in the message of the RDATA of an RRset that was followed; 0 when it was not. */
  rdataOf(zone: number, rrset: number, owner: number): number {
    for (let i = 0; i < this.#length; i++) {
      if (this.#is(i, zone, rrset, owner)) return this.#rdata[i]!
    }
    return 0
  }

  /**
   * Whether applying a DNAME that was followed to one more name would lead nowhere: to a name that it was applied to
   * before, or ever deeper below itself.
   */
  endsAt(zone: number, rrset: number, owner: number, name: number): boolean {
    for (let i = 0; i < this.#length; i++) {
      if (this.#is(i, zone, rrset, owner) && (this.#inward[i] === 1 || this.#names[i] === name)) return true
    }
    return false
  }

  #is(at: number, zone: number, rrset: number, owner: number): boolean {
    return this.#rrsets[at] === rrset && this.#zones[at] === zone && this.#owners[at] === owner
  }
}
