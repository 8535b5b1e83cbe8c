/** Random configurations as they may stand in the model: canonical, with every reference in place. */
import fc from 'fast-check'
import type { Configuration, Member, Monitor, Pool, Service, Zone } from '../../../src/controlplane/model.ts'
import { canonicalAddress } from '../../../src/dataplane/wire/address.ts'

// A letter first: keys that look like array indexes would be reordered by JavaScript.
const name = fc.stringMatching(/^[a-z](?:[a-z0-9._-]{0,14}[a-z0-9])?$/)
const label = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,8}[a-z0-9])?$/)
const ttl = fc.integer({ min: 0, max: 2_147_483_647 })
const port = fc.integer({ min: 1, max: 65535 })
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })

const address = fc
  .oneof(fc.ipV4(), fc.ipV6())
  .map((text) => canonicalAddress(text))
  .filter((text): text is string => text !== null && !text.startsWith('::ffff:'))

const codes = fc
  .tuple(fc.integer({ min: 100, max: 599 }), fc.integer({ min: 100, max: 599 }))
  .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }))

export const monitorArbitrary: fc.Arbitrary<Monitor> = fc
  .record({
    name,
    type: fc.constantFrom('http' as const, 'https' as const),
    method: fc.constantFrom('GET' as const, 'HEAD' as const, 'POST' as const, 'OPTIONS' as const),
    port,
    path: fc.stringMatching(/^\/[a-zA-Z0-9?=&%/_.-]{0,20}$/),
    host: orNull(fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/)),
    expectCodes: fc.array(codes, { minLength: 1, maxLength: 4 }),
    expectBody: orNull(fc.string({ minLength: 1, maxLength: 30 })),
    followRedirects: fc.integer({ min: 0, max: 10 }),
    intervalMs: fc.integer({ min: 100, max: 86_400_000 }),
    timeoutShare: fc.double({ min: 0, max: 1, noNaN: true }),
    rise: fc.integer({ min: 1, max: 1000 }),
    fall: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ timeoutShare, ...monitor }) => ({
    ...monitor,
    timeoutMs: Math.max(1, Math.floor(monitor.intervalMs * timeoutShare)),
  }))

const host = fc.tuple(label, label).map(([a, b]) => `${a}.${b}-provider.example.`)

const member = (hostsOnly: boolean): fc.Arbitrary<Member> =>
  fc
    .record({
      name,
      target: hostsOnly ? host : fc.oneof(address, host),
      weight: fc.integer({ min: 0, max: 65535 }),
      probeAddress: orNull(address),
      probePort: orNull(port),
    })
    .map(({ target, ...settings }) =>
      target.endsWith('.')
        ? { ...settings, address: null, host: target }
        : { ...settings, address: target, host: null },
    )

const members = (hostsOnly: boolean) =>
  fc
    .uniqueArray(member(hostsOnly), { selector: (item) => item.name, maxLength: 6 })
    .map((items) => [...new Map(items.map((item) => [item.address ?? item.host, item])).values()])

function poolArbitrary(monitors: readonly Monitor[]): fc.Arbitrary<Pool> {
  return fc.constantFrom('resolve' as const, 'cname' as const).chain((hosts) =>
    fc.record({
      name,
      monitor: fc.constantFrom(null, ...monitors.map((monitor) => monitor.name)),
      select: fc.constantFrom('all' as const, 'weighted' as const),
      answers: orNull(fc.integer({ min: 1, max: 1000 })),
      minUp: fc.double({ min: 0, max: 1, noNaN: true }).map((share) => share + 0), // no negative zero
      hosts: fc.constant(hosts),
      members: members(hosts === 'cname'),
    }),
  )
}

function serviceArbitrary(pools: readonly string[], apexes: readonly string[]): fc.Arbitrary<Service> {
  return fc
    .record({
      owner: label,
      apex: fc.constantFrom(...apexes),
      ttlSeconds: ttl,
      steer: fc.constant('failover' as const),
      pools: fc.shuffledSubarray([...pools], { minLength: 1 }),
      whenAllDown: fc.constantFrom(
        'serve-all' as const,
        'last-known' as const,
        'fallback' as const,
        'nodata' as const,
        'servfail' as const,
      ),
      fallback: fc.constantFrom(...pools),
    })
    .map(({ owner, apex, fallback, ...service }) => ({
      ...service,
      name: `service-${owner}.${apex}`,
      fallback: service.whenAllDown === 'fallback' ? fallback : null,
    }))
}

const zoneArbitrary: fc.Arbitrary<Zone> = fc
  .record({
    apex: fc.tuple(label, label).map(([a, b]) => `${a}.${b}.test`),
    soa: fc.record({
      mname: label.map((text) => `${text}.example.test.`),
      rname: label.map((text) => `${text}.example.test.`),
      fixedSerial: orNull(fc.nat(0xffff_ffff)),
      refreshSeconds: ttl,
      retrySeconds: ttl,
      expireSeconds: ttl,
      minimumSeconds: ttl,
    }),
    ttlSeconds: ttl,
    owners: fc.uniqueArray(label, { maxLength: 5 }),
    texts: fc.array(fc.tuple(orNull(ttl), fc.ipV4()), { minLength: 5, maxLength: 5 }),
  })
  .map(({ owners, texts, ...zone }) => ({
    ...zone,
    rrsets: [
      { owner: '@', type: 'NS', ttlSeconds: null, data: ['ns1.example.test.', 'ns2.example.test.'] },
      { owner: '@', type: 'MX', ttlSeconds: 60, data: ['10 mail.example.test.'] },
      { owner: '@', type: 'TXT', ttlSeconds: null, data: ['"yes: # \\"no\\"" "@"'] },
      ...owners.map((owner, index) => ({
        owner: `host-${owner}`,
        type: 'A',
        ttlSeconds: texts[index]![0],
        data: [texts[index]![1]],
      })),
    ],
  }))

export const configurationArbitrary: fc.Arbitrary<Configuration> = fc
  .record({
    monitors: fc.uniqueArray(monitorArbitrary, { selector: (item) => item.name, maxLength: 3 }),
    zones: fc.uniqueArray(zoneArbitrary, { selector: (item) => item.apex, maxLength: 3 }),
  })
  .chain(({ monitors, zones }) =>
    fc
      .uniqueArray(poolArbitrary(monitors), { selector: (item) => item.name, maxLength: 4 })
      .chain((pools) => {
        const names = pools.map((pool) => pool.name)
        const apexes = zones.map((zone) => zone.apex)
        const services =
          names.length === 0 || apexes.length === 0
            ? fc.constant([])
            : fc.uniqueArray(serviceArbitrary(names, apexes), { selector: (item) => item.name, maxLength: 3 })
        return services.map((found) => ({ monitors, pools, services: found, zones }))
      }),
  )
