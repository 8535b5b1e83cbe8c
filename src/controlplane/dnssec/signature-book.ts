/**
 * The signatures of a zone, found again by what they sign: a hash of the key and of the RRset in canonical form. So what has not changed
 * is not signed again, whatever the zone was compiled for: an edit, a restart, a roll back.
 *
 * Bounded by what the zone serves: of what is used no more a book forgets the signatures.
 *
 * ## Why it is a table of octets
 * A zone of a million RRsets has two million signatures. As objects they are six million, which every collection of garbage goes through;
 * as octets they are one, in the form in which they are written to disk. Entries stand one behind the other; slots hold their places,
 * by the first octets of the hash (open addressing with linear probing, at most half full).
 */

/** RFC 4034 section 3.1. Times are UNIX seconds. */
export interface Signature {
  readonly inception: number
  readonly expiration: number
  /** 64 octets in either algorithm. */
  readonly octets: Uint8Array
}

/** Of all signatures of a book, in UNIX seconds. */
export interface SignatureTimes {
  readonly lastBegins: number
  readonly firstEnds: number
  readonly lastEnds: number
}

const idLength = 32
const signatureLength = 64
const expirationAt = idLength + 4
const octetsAt = idLength + 8
const entryLength = octetsAt + signatureLength
const magic = Buffer.from('poolsig\x01', 'latin1')
const leastEntries = 16

export class SignatureBook {
  /** The first `#size` entries are there: id, inception, expiration and signature each. */
  #entries: Buffer
  #size: number
  /** Place of an entry + 1; 0 for none. */
  #slots: Int32Array
  /** The id that is looked for. */
  readonly #wanted = Buffer.alloc(idLength)
  /** What `times` gives; null when it has to be looked for. */
  #times: SignatureTimes | null = null

  constructor(entries: Buffer = Buffer.alloc(0)) {
    this.#entries = entries
    this.#size = entries.length / entryLength
    this.#slots = new Int32Array(0)
    this.#placeAll()
  }

  get size(): number {
    return this.#size
  }

  /** @param id SHA-256 in base64 */
  find(id: string): Signature | undefined {
    const slot = this.#slotOf(id)
    if (this.#slots[slot] === 0) return undefined
    return this.#signatureAt(entryLength * (this.#slots[slot]! - 1))
  }

  keep(id: string, signature: Signature): void {
    this.#times = null
    if (entryLength * this.#size === this.#entries.length) this.#grow()
    const slot = this.#slotOf(id)
    if (this.#slots[slot] === 0) this.#slots[slot] = ++this.#size
    const at = entryLength * (this.#slots[slot]! - 1)
    this.#wanted.copy(this.#entries, at)
    this.#entries.writeUInt32BE(signature.inception, at + idLength)
    this.#entries.writeUInt32BE(signature.expiration, at + expirationAt)
    this.#entries.set(signature.octets, at + octetsAt)
  }

  /** Forgets some, and then takes over those of another book. */
  change(forgotten: Iterable<string>, added: SignatureBook): void {
    const before = this.#times
    const gone: Signature[] = []
    const forget = (id: string) => {
      const signature = this.#forget(id)
      if (signature !== null) gone.push(signature)
    }
    for (const id of forgotten) forget(id)
    for (let at = 0; at < entryLength * added.#size; at += entryLength) {
      const id = added.#entries.toString('base64', at, at + idLength)
      forget(id)
      this.keep(id, added.#signatureAt(at))
    }
    this.#times = before === null ? null : timesAfter(before, gone, added.times())
  }

  /** When the last of them begins, when the first ends and when the last does, in UNIX seconds; without any, at once, never and at once. */
  times(): SignatureTimes {
    this.#times ??= this.#lookForTimes()
    return this.#times
  }

  #lookForTimes(): SignatureTimes {
    let lastBegins = 0
    let firstEnds = Number.POSITIVE_INFINITY
    let lastEnds = 0
    for (let at = 0; at < entryLength * this.#size; at += entryLength) {
      const begin = this.#entries.readUInt32BE(at + idLength)
      const end = this.#entries.readUInt32BE(at + expirationAt)
      if (begin > lastBegins) lastBegins = begin
      if (end < firstEnds) firstEnds = end
      if (end > lastEnds) lastEnds = end
    }
    return { lastBegins, firstEnds, lastEnds }
  }

  /** As octets, to be written. */
  format(): Uint8Array {
    return Buffer.concat([magic, this.#entries.subarray(0, entryLength * this.#size)])
  }

  /** @throws Error for what is no book */
  static parse(given: Uint8Array): SignatureBook {
    const octets = Buffer.from(given.buffer, given.byteOffset, given.length)
    const rest = octets.length - magic.length
    if (!octets.subarray(0, magic.length).equals(magic) || rest % entryLength !== 0) {
      throw new Error('it holds no signatures of this version')
    }
    // A copy: the octets are the caller's.
    return new SignatureBook(Buffer.from(octets.subarray(magic.length)))
  }

  #signatureAt(at: number): Signature {
    return {
      inception: this.#entries.readUInt32BE(at + idLength),
      expiration: this.#entries.readUInt32BE(at + expirationAt),
      octets: new Uint8Array(this.#entries.subarray(at + octetsAt, at + entryLength)),
    }
  }

  /** The slot of an id, which is in `#wanted` then; an empty one when there is none. */
  #slotOf(id: string): number {
    this.#wanted.fill(0)
    this.#wanted.write(id, 'base64')
    const mask = this.#slots.length - 1
    let slot = this.#wanted.readInt32LE() & mask
    while (this.#slots[slot] !== 0 && !this.#isWanted(this.#slots[slot]! - 1)) slot = (slot + 1) & mask
    return slot
  }

  #isWanted(place: number): boolean {
    const at = entryLength * place
    return this.#entries.compare(this.#wanted, 0, idLength, at, at + idLength) === 0
  }

  /** @returns what it was; null when it was not there */
  #forget(id: string): Signature | null {
    const slot = this.#slotOf(id)
    if (this.#slots[slot] === 0) return null
    const place = this.#slots[slot]! - 1
    const forgotten = this.#signatureAt(entryLength * place)
    this.#empty(slot)
    const last = --this.#size
    if (place === last) return forgotten
    // The last entry moves into the gap.
    this.#slots[this.#slotAt(last)] = place + 1
    this.#entries.copyWithin(entryLength * place, entryLength * last, entryLength * (last + 1))
    return forgotten
  }

  /** The slot that holds a place. */
  #slotAt(place: number): number {
    const mask = this.#slots.length - 1
    let slot = this.#homeOf(place)
    while (this.#slots[slot] !== place + 1) slot = (slot + 1) & mask
    return slot
  }

  /** The slot that an entry would have if it were alone. */
  #homeOf(place: number): number {
    return this.#entries.readInt32LE(entryLength * place) & (this.#slots.length - 1)
  }

  /** Empties a slot, and moves up what has come to stand behind it, so that whatever is there is found. */
  #empty(slot: number): void {
    const mask = this.#slots.length - 1
    let gap = slot
    for (let next = (slot + 1) & mask; this.#slots[next] !== 0; next = (next + 1) & mask) {
      const home = this.#homeOf(this.#slots[next]! - 1)
      // Whether its home lies behind the gap: then it stays.
      if (((next - home) & mask) < ((next - gap) & mask)) continue
      this.#slots[gap] = this.#slots[next]!
      gap = next
    }
    this.#slots[gap] = 0
  }

  #grow(): void {
    const entries = Buffer.alloc(entryLength * Math.max(leastEntries, Math.ceil(1.5 * this.#size)))
    this.#entries.copy(entries, 0, 0, entryLength * this.#size)
    this.#entries = entries
    this.#placeAll()
  }

  /** As many slots as what there is room for needs, and each entry in its own. */
  #placeAll(): void {
    let slots = 2 * leastEntries
    while (slots * entryLength < 2 * this.#entries.length) slots *= 2
    this.#slots = new Int32Array(slots)
    for (let place = 0; place < this.#size; place++) {
      let slot = this.#homeOf(place)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (slots - 1)
      this.#slots[slot] = place + 1
    }
  }
}

/** The times of a book after a change of a few; null when one that is gone may have been the only one of its time. */
function timesAfter(
  before: SignatureTimes,
  gone: readonly Signature[],
  added: SignatureTimes,
): SignatureTimes | null {
  const after = {
    lastBegins: Math.max(before.lastBegins, added.lastBegins),
    firstEnds: Math.min(before.firstEnds, added.firstEnds),
    lastEnds: Math.max(before.lastEnds, added.lastEnds),
  }
  const isUnsure = gone.some(
    ({ inception, expiration }) =>
      (inception === after.lastBegins && after.lastBegins !== added.lastBegins) ||
      (expiration === after.firstEnds && after.firstEnds !== added.firstEnds) ||
      (expiration === after.lastEnds && after.lastEnds !== added.lastEnds),
  )
  return isUnsure ? null : after
}
