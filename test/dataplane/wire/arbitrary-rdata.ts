/** Random RDATA in wire form for every type that has a grammar, built without its code. */
import fc from 'fast-check'

type Octets = fc.Arbitrary<Uint8Array>

const join = (parts: readonly Uint8Array[]) => Uint8Array.from(Buffer.concat(parts))
const exactly = (length: number): Octets => fc.uint8Array({ minLength: length, maxLength: length })
const some = (least = 1): Octets => fc.uint8Array({ minLength: least, maxLength: 300 })
const all = (...fields: readonly Octets[]): Octets => fc.tuple(...fields).map(join)
const list = (item: Octets, least: number): Octets =>
  fc.array(item, { minLength: least, maxLength: 5 }).map(join)
const counted = (least: number): Octets =>
  fc.uint8Array({ minLength: least, maxLength: 255 }).map((octets) => Uint8Array.of(octets.length, ...octets))
const constant = (...octets: readonly number[]): Octets => fc.constant(Uint8Array.from(octets))

/** Names of any octets, up to the 255 that a name can have. */
const anyName: Octets = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { maxLength: 8 })
  .map((labels) => join([...labels.map((label) => Uint8Array.of(label.length, ...label)), Uint8Array.of(0)]))
  .filter((name) => name.length <= 255)
const u8 = exactly(1)
const u16 = exactly(2)
const u32 = exactly(4)
const string = counted(0)
const tag: Octets = fc
  .stringMatching(/^[a-z0-9]{1,20}$/)
  .map((text) => Uint8Array.of(text.length, ...Buffer.from(text)))

const ownsData = (type: number) => type !== 0 && type !== 41 && (type < 128 || type > 255)
const bitmap: Octets = fc
  .array(fc.integer({ min: 1, max: 65535 }).filter(ownsData), { maxLength: 12 })
  .map((types) => {
    const windows = new Map<number, Uint8Array>()
    for (const type of types) {
      const bits = windows.get(type >> 8) ?? new Uint8Array(32)
      bits[(type & 255) >> 3]! |= 128 >> (type & 7)
      windows.set(type >> 8, bits)
    }
    return join(
      [...windows]
        .sort(([a], [b]) => a - b)
        .map(([window, bits]) => {
          const length = bits.findLastIndex((octet) => octet !== 0) + 1
          return Uint8Array.of(window, length, ...bits.subarray(0, length))
        }),
    )
  })

/** A digest of one of the kinds with a fixed length, or of a kind that we don't know. */
const digest = (lengths: Readonly<Record<number, number>>): Octets =>
  fc.oneof(
    all(constant(200), some()),
    ...Object.entries(lengths).map(([kind, length]) => all(constant(Number(kind)), exactly(length))),
  )
const ds = all(u16, u8, digest({ 1: 20, 2: 32, 3: 32, 4: 48 }))
const dnskey = all(u16, u8, u8, some())
const tlsa = all(u8, u8, digest({ 1: 32, 2: 64 }))

const power = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(9))
  .map(([digit, zeros]) => (digit << 4) | zeros)
const extent = fc.oneof(fc.constant(0), power).map((octet) => Uint8Array.of(octet))
const angle = (degrees: number): Octets =>
  fc.integer({ min: -degrees * 3_600_000, max: degrees * 3_600_000 }).map((value) => {
    const octets = Buffer.alloc(4)
    octets.writeUInt32BE(2 ** 31 + value)
    return octets
  })

const apl = fc
  .record({
    not: fc.boolean(),
    six: fc.boolean(),
    address: exactly(16),
    prefix: fc.nat(32),
    zeros: fc.nat(16),
  })
  .map(({ not, six, address, prefix, zeros }) => {
    const size = six ? 16 : 4
    const octets = address.slice(0, size).fill(0, Math.max(0, size - zeros))
    const kept = octets.subarray(0, octets.findLastIndex((octet) => octet !== 0) + 1)
    return Uint8Array.of(0, six ? 2 : 1, prefix, (not ? 128 : 0) | kept.length, ...kept)
  })

const gateway = fc.constantFrom(0, 1, 2, 3)
const gatewayOctets = (type: number): Octets => [constant(), exactly(4), exactly(16), anyName][type]!

/** Parameters by rising key, those of the contradictions that RFC 9460 forbids left out. */
const param = (key: number, value: Octets): Octets =>
  value.map((octets) =>
    Uint8Array.of(key >> 8, key & 255, octets.length >> 8, octets.length & 255, ...octets),
  )
const svcParams: Octets = fc
  .tuple(
    fc.option(param(0, constant(0, 1))),
    param(1, list(counted(1), 1)),
    ...[
      param(2, constant()),
      param(3, u16),
      param(4, list(exactly(4), 1)),
      param(5, some()),
      param(6, list(exactly(16), 1)),
      param(7, fc.constant(Buffer.from('/q/é{?dns,"\\}'))),
      param(8, constant()),
      param(667, fc.uint8Array()),
      param(65534, fc.uint8Array()),
    ].map((each) => fc.option(each)),
  )
  .map((params) => join(params.filter((each) => each !== null)))
const svcb = fc.oneof(
  all(constant(0, 0), anyName),
  all(
    fc.integer({ min: 1, max: 255 }).map((low) => Uint8Array.of(0, low)),
    anyName,
    svcParams,
  ),
)

export const anyRdata: Readonly<Record<string, Octets>> = {
  A: u32,
  NS: anyName,
  CNAME: anyName,
  SOA: all(anyName, anyName, u32, u32, u32, u32, u32),
  MB: anyName,
  MG: anyName,
  MR: anyName,
  PTR: anyName,
  HINFO: all(string, string),
  MINFO: all(anyName, anyName),
  MX: all(u16, anyName),
  TXT: list(string, 1),
  RP: all(anyName, anyName),
  AFSDB: all(u16, anyName),
  X25: string,
  RT: all(u16, anyName),
  KEY: all(u16, u8, u8, some(0)),
  PX: all(u16, anyName, anyName),
  AAAA: exactly(16),
  LOC: all(constant(0), extent, extent, extent, angle(90), angle(180), u32),
  SRV: all(u16, u16, u16, anyName),
  NAPTR: all(u16, u16, string, string, string, anyName),
  KX: all(u16, anyName),
  CERT: all(u16, u16, u8, some()),
  DNAME: anyName,
  APL: list(apl, 0),
  DS: ds,
  SSHFP: all(u8, digest({ 1: 20, 2: 32 })),
  IPSECKEY: gateway.chain((type) => all(u8, constant(type), u8, gatewayOctets(type), some(0))),
  RRSIG: all(u16, u8, u8, u32, u32, u32, u16, anyName, some()),
  NSEC: all(anyName, bitmap),
  DNSKEY: dnskey,
  DHCID: some(),
  NSEC3: all(u8, u8, u16, counted(0), counted(1), bitmap),
  NSEC3PARAM: all(u8, u8, u16, counted(0)),
  TLSA: tlsa,
  SMIMEA: tlsa,
  CDS: ds,
  CDNSKEY: dnskey,
  OPENPGPKEY: some(),
  CSYNC: all(u32, u16, bitmap),
  ZONEMD: all(u32, u8, digest({ 1: 48, 2: 64 })),
  SVCB: svcb,
  HTTPS: svcb,
  SPF: list(string, 1),
  NID: all(u16, exactly(8)),
  L32: all(u16, u32),
  L64: all(u16, exactly(8)),
  LP: all(u16, anyName),
  EUI48: exactly(6),
  EUI64: exactly(8),
  URI: all(u16, u16, some()),
  CAA: all(u8, tag, some(0)),
  AMTRELAY: fc
    .tuple(gateway, fc.constantFrom(0, 128))
    .chain(([type, bit]) => all(u8, constant(bit | type), gatewayOctets(type))),
  WKS: all(
    u32,
    u8,
    fc.oneof(
      exactly(0),
      fc.uint8Array({ maxLength: 300 }).map((octets) => Uint8Array.of(...octets, 1)),
    ),
  ),
  HIP: fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 255 }), some(), u8)
    .map(([tag, key, algorithm]) =>
      Uint8Array.of(tag.length, algorithm[0]!, key.length >> 8, key.length & 255, ...tag, ...key),
    )
    .chain((identity) => all(fc.constant(identity), list(anyName, 0))),
  DSYNC: all(u16, u8, u16, anyName),
  RESINFO: list(string, 1),
  WALLET: list(string, 1),
  DLV: ds,
}
