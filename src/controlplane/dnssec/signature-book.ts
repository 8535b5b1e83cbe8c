/**
 * The signatures of a zone, found again by what they sign: a hash of the key and of the RRset in canonical form. So what has not changed
 * is not signed again, whatever the zone was compiled for: an edit, a restart, a roll back.
 *
 * Bounded by what the zone serves: of what is used no more a book forgets the signatures.
 */

/** RFC 4034 section 3.1. Times are UNIX seconds. */
export interface Signature {
  readonly inception: number
  readonly expiration: number
  /** 64 octets in either algorithm. */
  readonly octets: Uint8Array
}

const idLength = 32
const signatureLength = 64
const entryLength = idLength + 8 + signatureLength
const magic = Buffer.from('poolsig\x01', 'latin1')

export class SignatureBook {
  readonly #entries = new Map<string, Signature>()

  get size(): number {
    return this.#entries.size
  }

  /** @param id SHA-256 in base64 */
  find(id: string): Signature | undefined {
    return this.#entries.get(id)
  }

  keep(id: string, signature: Signature): void {
    this.#entries.set(id, signature)
  }

  /** Forgets some, and then takes over those of another book. */
  change(forgotten: Iterable<string>, added: SignatureBook): void {
    for (const id of forgotten) this.#entries.delete(id)
    for (const [id, signature] of added.#entries) this.#entries.set(id, signature)
  }

  values(): Iterable<Signature> {
    return this.#entries.values()
  }

  /** As octets, to be written. */
  format(): Uint8Array {
    const out = Buffer.alloc(magic.length + entryLength * this.#entries.size)
    magic.copy(out)
    let at = magic.length
    for (const [id, { inception, expiration, octets }] of this.#entries) {
      out.write(id, at, idLength, 'base64')
      out.writeUInt32BE(inception, at + idLength)
      out.writeUInt32BE(expiration, at + idLength + 4)
      out.set(octets, at + idLength + 8)
      at += entryLength
    }
    return out
  }

  /** @throws Error for what is no book */
  static parse(given: Uint8Array): SignatureBook {
    const octets = Buffer.from(given.buffer, given.byteOffset, given.length)
    const rest = octets.length - magic.length
    if (!octets.subarray(0, magic.length).equals(magic) || rest % entryLength !== 0) {
      throw new Error('it holds no signatures of this version')
    }
    const book = new SignatureBook()
    for (let at = magic.length; at < octets.length; at += entryLength) {
      book.keep(octets.toString('base64', at, at + idLength), {
        inception: octets.readUInt32BE(at + idLength),
        expiration: octets.readUInt32BE(at + idLength + 4),
        octets: octets.subarray(at + idLength + 8, at + entryLength),
      })
    }
    return book
  }
}
