/** Random zones as they may stand in the model: RRsets of every type that has a grammar and of none, at names of every kind. */
import fc from 'fast-check'
import {
  addedTypes,
  keyLayouts,
  plainSigning,
  signingAlgorithms,
  type ZoneSigning,
} from '../../../src/controlplane/model/dnssec.ts'
import type { Rrset, Zone } from '../../../src/controlplane/model/zone.ts'
import { checkZone } from '../../../src/controlplane/rules/zone-data.ts'
import { formatRdata, parseType, rdataIdentity } from '../../../src/dataplane/wire/rdata.ts'
import { anyRdata } from '../../dataplane/wire/arbitrary-rdata.ts'
import { rarely } from './feed-use-arbitrary.ts'
import { orNull } from './monitor-arbitrary.ts'

export const label = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,8}[a-z0-9])?$/)
export const ttl = fc.integer({ min: 0, max: 2_147_483_647 })

/** Relative owners where no service stands: services are called `service-...`, and lie right below an apex. */
const owner = fc.oneof(
  { weight: 2, arbitrary: label.map((text) => `host-${text}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '@',
      '*.wild',
      '_sip._tcp',
      '10',
      'constructor',
      'a\\.b.odd',
      '\\000\\255.odd',
      'a\\"b\\;c.odd',
      'a/b.odd',
      'null',
      `${'l'.repeat(63)}.long`,
      'one.two.three.four.five.six.seven.eight.deep',
    ),
  },
)

const typed = Object.entries(anyRdata).filter(([type]) => type !== 'SOA')
const rdata: fc.Arbitrary<{ readonly type: string; readonly data: readonly string[] }> = fc.oneof(
  ...[...typed, ['TYPE65280', fc.uint8Array({ maxLength: 40 })] as const].map(([type, octets]) =>
    fc.array(octets, { minLength: 1, maxLength: 3 }).map((each) => ({
      type,
      data: distinct(
        type,
        each.map((one) => formatRdata(parseType(type), one)),
      ),
    })),
  ),
)

/** Without those that are the same RR. */
function distinct(type: string, data: readonly string[]): string[] {
  return [...new Map(data.toReversed().map((text) => [rdataIdentity(type, text), text])).values()].reverse()
}

const rrset: fc.Arbitrary<Rrset> = fc
  .record({ owner, ttlSeconds: orNull(ttl), rdata })
  .map(({ rdata: { type, data }, ...rest }) => ({ ...rest, type, data }))

/** Those that may stand beside the ones before them. */
function sound(apex: string, rrsets: readonly Rrset[]): Rrset[] {
  const kept: Rrset[] = []
  for (const one of rrsets) {
    if (checkZone({ apex, rrsets: [...kept, one] }).length === 0) kept.push(one)
  }
  return kept
}

const usual: readonly Rrset[] = [
  { owner: '@', type: 'NS', ttlSeconds: null, data: ['ns1.example.test.', 'ns2.example.test.'] },
  { owner: '@', type: 'MX', ttlSeconds: 60, data: ['10 mail.example.test.'] },
  { owner: '@', type: 'TXT', ttlSeconds: null, data: ['"yes: # \\"no\\"" "@"'] },
]

const signingSeconds = fc.oneof(
  fc.constantFrom(1, plainSigning.propagationSeconds, plainSigning.maxTtlSeconds),
  fc.integer({ min: 1, max: plainSigning.maxTtlSeconds }),
)

/** All who sign a zone do so by the same algorithm. */
const foreignKeys = (algorithm: ZoneSigning['algorithm']) =>
  fc.array(
    fc
      .tuple(fc.constantFrom(256, 257), fc.uint8Array({ minLength: 32, maxLength: 64 }))
      .map(([flags, key]) => `${flags} 3 ${algorithm} ${Buffer.from(key).toString('base64')}`),
    { maxLength: 3 },
  )

const signing: fc.Arbitrary<ZoneSigning> = fc.constantFrom(...signingAlgorithms).chain((algorithm) =>
  fc
    .record({
      isHashed: fc.boolean(),
      keys: fc.constantFrom(...keyLayouts),
      maxTtlSeconds: signingSeconds,
      propagationSeconds: signingSeconds,
      parentServers: fc.subarray(['192.0.2.53:53', '[2001:db8::53]:5353', '127.0.0.1:1']),
      foreignKeys: foreignKeys(algorithm),
      bootstrap: fc.boolean(),
    })
    .map(({ isHashed, ...rest }) => ({
      algorithm,
      ...(isHashed ? { denial: 'nsec3' as const } : {}),
      ...rest,
    })),
)

const isMadeBySigning = ({ type }: Rrset) => addedTypes.some((added) => added === type)

export const zoneArbitrary: fc.Arbitrary<Zone> = fc
  .record({
    apex: fc.tuple(label, label).map(([a, b]) => `${a}.${b}.test`),
    soa: fc.record({
      mname: label.map((text) => `${text}.example.test.`),
      rname: label.map((text) => `${text}\\.x.example.test.`),
      fixedSerial: orNull(fc.nat(0xffff_ffff)),
      refreshSeconds: ttl,
      retrySeconds: ttl,
      expireSeconds: ttl,
      minimumSeconds: ttl,
    }),
    ttlSeconds: ttl,
    dnssec: rarely(signing),
    rrsets: fc.array(rrset, { maxLength: 8 }),
  })
  .map(({ rrsets, ...zone }) => {
    // A DNAME at the apex would leave no room for services.
    const below = rrsets.filter(({ owner: at, type }) => at !== '@' || type !== 'DNAME')
    const own = zone.dnssec === null ? below : below.filter((rrset) => !isMadeBySigning(rrset))
    return { ...zone, rrsets: sound(zone.apex, [...usual, ...own]) }
  })
