/**
 * A signed zone as a master file, as this server answers with it: what the zone was given, what signing adds, and all signatures. It is for
 * tools that check a whole zone, and for eyes; who signs the zone elsewhere takes the plain file and the key.
 *
 * A file has one RRset where a service has many. What stands there is what the service would answer just now, each family by itself, with its
 * signature and the TTL that is signed; and of the NSECs of its name that one which lists the types that are there. A CNAME of a service is
 * left out, since none of them lists a CNAME and nothing else (`nsec-variants.ts`). A comment says so of each service.
 */

import type { ZoneImage } from '../../dataplane/image/image.ts'
import { nameOf, rdataOf, ttlOf } from '../../dataplane/image/image-contents.ts'
import { nsecVariants } from '../../dataplane/image/nsec-variants.ts'
import { u16 } from '../../dataplane/wire/bytes.ts'
import { rrHeadLength, types } from '../../dataplane/wire/constants.ts'
import { formatName } from '../../dataplane/wire/name.ts'
import { hashWords } from '../../dataplane/wire/owner-hash.ts'
import { formatRdata, typeName } from '../../dataplane/wire/rdata.ts'
import { type DnsRecord, decodeSections } from '../dns-client/message.ts'
import { hashedName, hashOf, hashText } from './hashed-chain.ts'

export interface ServedZone {
  /** Nobody else's: it is read in many turns. */
  readonly image: ZoneImage
  /** What is answered just now, as a message with signatures. @param name absolute */
  answer(name: string, type: 'A' | 'AAAA'): Uint8Array
}

/** Lines that are given out at once. */
const batchLines = 5_000

/** A chunk of text at a time; the SOA first, then names in canonical order, or with NSEC3 in none. */
export async function* formatSignedZone(zone: ServedZone): AsyncGenerator<string> {
  const writer = new SignedWriter(zone)
  let lines: string[] = [`$ORIGIN ${writer.apex}`]
  for (const line of writer.lines()) {
    lines.push(line)
    if (lines.length < batchLines) continue
    yield `${lines.join('\n')}\n`
    lines = []
  }
  yield `${lines.join('\n')}\n`
}

class SignedWriter {
  readonly apex: string
  readonly #zone: ServedZone
  /** Of NSEC3s of services: which of them is the one, by hash. Bounded by the services. */
  readonly #variants = new Map<string, number>()

  constructor(zone: ServedZone) {
    this.#zone = zone
    this.apex = formatName(nameOf(zone.image, 0))
  }

  *lines(): Generator<string> {
    const { image } = this.#zone
    yield* this.#rrset(0, image.rrset(0, types.soa), this.apex)
    for (const node of image.nodesInOrder()) {
      const owner = formatName(nameOf(image, node))
      const variant = image.service(node) < 0 ? 0 : yield* this.#service(node, owner)
      const end = image.firstRrset(node) + image.rrsetCount(node)
      let nsecs = 0
      for (let rrset = image.firstRrset(node); rrset < end; rrset++) {
        const type = image.type(rrset)
        if (type === types.soa || (type === types.nsec && nsecs++ !== variant)) continue
        yield* this.#rrset(node, rrset, owner)
      }
    }
    if (image.isHashed) yield* this.#hashed()
  }

  *#hashed(): Generator<string> {
    const { image } = this.#zone
    const apex = nameOf(image, 0)
    let before = ''
    let place = 0
    for (let index = 0; index < image.chainLength; index++) {
      const hash = hashText(image.words, image.chain + hashWords * index)
      place = hash === before ? place + 1 : 0
      before = hash
      if (place !== (this.#variants.get(hash) ?? 0)) continue
      yield* this.#rrset(0, image.firstHashed + index, formatName(hashedName(hash, apex)))
    }
  }

  /** @returns which of the NSECs of the name lists what is there */
  *#service(node: number, owner: string): Generator<string, number> {
    const { image } = this.#zone
    // Whoever asks for a service at a cut or below it is referred to others.
    if (image.cut(node) >= 0) return 0
    const records = (['A', 'AAAA'] as const).flatMap((type) => this.#answers(owner, type))
    const given: number[] = [types.a, types.aaaa].filter((type) =>
      records.some((record) => record.type === type),
    )
    const isAlias = given.length === 0 && records.some(({ type }) => type === types.cname)
    const what = isAlias ? 'a CNAME, which is left out' : given.map(typeName).join(' and ') || 'no address'
    yield `; ${owner} is a service. Just now it answers with ${what}.`
    for (const { type, ttlSeconds, rdata } of records) {
      const isListed = given.includes(type === types.rrsig ? u16(rdata, 0) : type)
      if (isListed) yield lineOf(owner, ttlSeconds, type, rdata)
    }
    const variant = nsecVariants.findIndex(
      (named) =>
        !named.includes(types.cname) &&
        [types.a, types.aaaa].every((type) => named.includes(type) === given.includes(type)),
    )
    if (image.isHashed) this.#variants.set(hashOf(nameOf(image, node)), variant)
    return variant
  }

  /** The RRset of a type at a name, or an alias there, and its signatures, with the TTL that is signed. */
  #answers(owner: string, type: 'A' | 'AAAA'): DnsRecord[] {
    const { answers } = decodeSections(this.#zone.answer(owner, type))
    const here = answers.filter((record) => formatName(record.owner).toLowerCase() === owner)
    const signature = here.find((record) => record.type === types.rrsig)
    // Unsigned for a moment: without it the file would be bogus.
    if (signature === undefined) return []
    const ttlSeconds = u16(signature.rdata, 4) * 0x1_0000 + u16(signature.rdata, 6)
    return here.map((record) => ({ ...record, ttlSeconds }))
  }

  *#rrset(node: number, rrset: number, owner: string): Generator<string> {
    const { image } = this.#zone
    const ttlSeconds = ttlOf(image, rrset)
    const type = image.type(rrset)
    for (const rdata of rdataOf(image, node, rrset)) yield lineOf(owner, ttlSeconds, type, rdata)
    let at = image.wire(rrset) + image.wireLength(rrset)
    for (let left = image.signatureCount(rrset); left > 0; left--) {
      const end = at + rrHeadLength + u16(image.bytes, at + rrHeadLength - 2)
      yield lineOf(owner, ttlSeconds, types.rrsig, image.bytes.slice(at + rrHeadLength, end))
      at = end
    }
  }
}

function lineOf(owner: string, ttlSeconds: number, type: number, rdata: Uint8Array): string {
  return `${owner}\t${ttlSeconds}\tIN\t${typeName(type)}\t${formatRdata(type, rdata)}`
}
