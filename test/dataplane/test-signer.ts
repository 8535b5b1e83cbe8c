/** Signs zones for tests: one key, algorithm 15, whose signatures are always the same. Whoever it is asked of what, it signs. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import type { WireRrset } from '../../src/dataplane/image/rrset-encoder.ts'
import type { Signatures } from '../../src/dataplane/image/signatures.ts'
import { compareNames } from '../../src/dataplane/wire/canonical.ts'
import { types } from '../../src/dataplane/wire/constants.ts'
import {
  formatName,
  isSubdomain,
  labelCount,
  parentName,
  parseName,
  rootName,
} from '../../src/dataplane/wire/name.ts'
import { formatRdata, parseRdata, typeName } from '../../src/dataplane/wire/rdata.ts'

const dnskey = 48
/** The head of PKCS #8 for a key of Ed25519 (RFC 8410), of which the seed follows. */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex')

export class TestSigner {
  readonly #key
  /** Signatures of an RRset. */
  readonly #count: number
  readonly #hashed: boolean
  /** What was asked for, as `owner type`. */
  readonly asked: string[] = []

  /** @param hashed whether zones get NSEC3s */
  constructor(seed = 1, count = 1, hashed = false) {
    this.#hashed = hashed
    const der = Buffer.concat([pkcs8, Buffer.alloc(32, seed)])
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    this.#count = count
  }

  get publicKey(): KeyObject {
    return createPublicKey(this.#key)
  }

  /** The zone's RRsets with a DNSKEY and its chain of NSECs, or NSEC3s. @param services their names */
  complete(
    apex: Uint8Array,
    rrsets: readonly WireRrset[],
    services: readonly Uint8Array[] = [],
  ): WireRrset[] {
    const whole = [...rrsets, { owner: apex, type: dnskey, ttlSeconds: 300, rdata: [this.#dnskey()] }]
    const chain = nsecChain(apex, whole, services)
    return [...whole, ...(this.#hashed ? hashedChain(apex, chain) : chain)]
  }

  of(apex: Uint8Array): Signatures {
    return {
      find: (owner, type, ttl, data) => {
        this.asked.push(`${formatName(owner)} ${typeName(type)}`)
        return Array.from({ length: this.#count }, (_, tag) => this.#rrsig(apex, owner, type, ttl, data, tag))
      },
    }
  }

  #dnskey(): Uint8Array {
    // What is signed with it nobody checks here.
    return Buffer.concat([Buffer.of(1, 1, 3, 15), Buffer.alloc(32, 7)])
  }

  #rrsig(
    apex: Uint8Array,
    owner: Uint8Array,
    type: number,
    ttl: number,
    data: readonly Uint8Array[],
    tag: number,
  ): Uint8Array {
    const labels = labelCount(owner) - (owner[0] === 1 && owner[1] === 0x2a ? 1 : 0)
    const head = Buffer.alloc(18)
    head.writeUInt16BE(type, 0)
    head.set([15, labels], 2)
    head.writeUInt32BE(ttl, 4)
    head.writeUInt32BE(2_000_000_000, 8)
    head.writeUInt32BE(1_700_000_000, 12)
    head.writeUInt16BE(tag, 16)
    const fixed = Buffer.alloc(8)
    fixed.writeUInt16BE(type, 0)
    fixed.writeUInt16BE(1, 2)
    fixed.writeUInt32BE(ttl, 4)
    const rrs = data.flatMap((rdata) => [
      owner,
      fixed,
      Buffer.of(rdata.length >>> 8, rdata.length & 0xff),
      rdata,
    ])
    const signed = Buffer.concat([head, apex, ...rrs])
    return Buffer.concat([head, apex, sign(null, signed, this.#key)])
  }
}

/** SHA-1 of a name as the label of its NSEC3: base32 with the extended hex alphabet (RFC 4648 section 7). */
export function hashLabel(name: Uint8Array): string {
  const bits = BigInt(`0x${createHash('sha1').update(name).digest('hex')}`)
  return bits.toString(32).padStart(32, '0')
}

/** NSEC3s of the names of a chain of NSECs, and of the empty ones above them (RFC 5155 section 7.1). */
function hashedChain(apex: Uint8Array, chain: readonly WireRrset[]): WireRrset[] {
  const names = new Map(
    Array.from(
      Map.groupBy(chain, ({ owner }) => formatName(owner)),
      ([name, nsecs]) => [
        name,
        {
          owner: nsecs[0]!.owner,
          variants: nsecs.map(({ rdata }) => formatRdata(types.nsec, rdata[0]!).split(' ').slice(1)),
        },
      ],
    ),
  )
  for (const { owner } of chain) {
    for (let name = owner; name.length > apex.length; ) {
      name = parentName(name)
      if (!names.has(formatName(name))) names.set(formatName(name), { owner: name, variants: [[]] })
    }
  }
  const hashed = Array.from(names.values(), ({ owner, variants }) => ({
    label: hashLabel(owner),
    // An unsigned delegation has no signature of its own.
    bitmaps: variants.map((listed) =>
      listed.filter((type) => type !== 'NSEC' && (type !== 'RRSIG' || listed.join(' ') !== 'NS RRSIG NSEC')),
    ),
  })).sort((a, b) => (a.label < b.label ? -1 : 1))
  return hashed.flatMap(({ label, bitmaps }, i) => {
    const next = hashed[(i + 1) % hashed.length]!.label
    return bitmaps.map((listed) => {
      const rdata = [parseRdata('NSEC3', ['1 0 0 -', next, ...listed].join(' '), rootName)]
      return { owner: parseName(label, apex), type: types.nsec3, ttlSeconds: 60, rdata }
    })
  })
}

/** NSECs of all names of which the zone has data of its own, with a TTL of 60. */
function nsecChain(
  apex: Uint8Array,
  rrsets: readonly WireRrset[],
  services: readonly Uint8Array[],
): WireRrset[] {
  const isApex = (name: Uint8Array) => compareNames(name, apex) === 0
  const cuts = rrsets
    .filter(({ owner, type }) => type === types.ns && !isApex(owner))
    .map(({ owner }) => owner)
  const dnames = rrsets.filter(({ type }) => type === types.dname).map(({ owner }) => owner)
  const isHidden = (name: Uint8Array) =>
    [...cuts, ...dnames].some((above) => above.length < name.length && isSubdomain(name, above))
  const own = Map.groupBy(
    [
      ...rrsets,
      { owner: apex, type: types.soa },
      ...services.flatMap((owner) => [
        { owner, type: types.a },
        { owner, type: types.aaaa },
      ]),
    ].filter(({ owner }) => !isHidden(owner)),
    ({ owner }) => formatName(owner),
  )
  const names = Array.from(own.values(), ([first]) => first!.owner).sort(compareNames)
  return names.flatMap((owner, i) => {
    const isService = services.some((name) => compareNames(name, owner) === 0)
    const isCut = cuts.some((cut) => compareNames(cut, owner) === 0)
    const held = new Set(own.get(formatName(owner))!.map(({ type }) => type))
    const listed = [...held].filter((type) => !isCut || type === types.ns || type === types.ds)
    const next = names[(i + 1) % names.length]!
    const [a, aaaa, cname] = [types.a, types.aaaa, types.cname]
    const mayBe = isService && !isApex(owner) ? [...listed, cname] : listed
    const variants = isService ? [[], [cname], [cname, a], [cname, aaaa], [cname, a, aaaa]] : [[]]
    return variants.map((lacks: readonly number[]) => {
      const there = mayBe.filter((type) => !lacks.includes(type))
      const text = [formatName(next), ...[...there, types.rrsig, types.nsec].map(typeName)].join(' ')
      return { owner, type: types.nsec, ttlSeconds: 60, rdata: [parseRdata('NSEC', text, rootName)] }
    })
  })
}
