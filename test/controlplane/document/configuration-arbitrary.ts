/** Random configurations as they may stand in the model: canonical, with every reference in place. */
import fc from 'fast-check'
import type { Configuration } from '../../../src/controlplane/model/configuration.ts'
import type { Feed } from '../../../src/controlplane/model/feed.ts'
import type { Monitor } from '../../../src/controlplane/model/monitor.ts'
import {
  allDownPolicies,
  type ClientPrefix,
  type Location,
  type Member,
  type MinUp,
  type Pool,
  poolSelects,
  quorums,
  type Threshold,
  unknownCounts,
} from '../../../src/controlplane/model/pool.ts'
import {
  type GeoRules,
  geoBeyonds,
  type Service,
  serviceSteers,
} from '../../../src/controlplane/model/service.ts'
import { columnsOfMonitor, columnsOfPool } from '../../../src/controlplane/rules/feed-uses.ts'
import { canonicalAddress } from '../../../src/dataplane/wire/address.ts'
import { feedArbitrary } from './feed-arbitrary.ts'
import { capacity, fedWeight, rarely, shed, steeringFeeds } from './feed-use-arbitrary.ts'
import { compositeArbitrary, monitorArbitrary, name, orNull, port } from './monitor-arbitrary.ts'
import { label, ttl, zoneArbitrary } from './zone-arbitrary.ts'

const address = fc
  .oneof(fc.ipV4(), fc.ipV6())
  .map((text) => canonicalAddress(text))
  .filter((text): text is string => text !== null && !text.startsWith('::ffff:'))
  // Those of servers: not 0/8, nor multicast, nor the broadcast address, nor a form of IPv6 that may stand for one of them.
  .filter((text) => !/^(?:0\.|2[2-5]\d\.|::$|ff..:|64:ff9b:|2002:|::[^:]+(?::[^:]+)?$)/.test(text))

// No negative zero, which JSON does not have.
const within = (min: number, max: number) => fc.double({ min, max, noNaN: true }).map((number) => number + 0)

const location: fc.Arbitrary<Location | null> = orNull(
  fc.record({ latitude: within(-90, 90), longitude: within(-180, 180) }),
)

const hashPrefix: fc.Arbitrary<ClientPrefix> = fc.oneof(
  fc.constant({ ipv4: 24, ipv6: 56 }),
  fc.record({ ipv4: fc.integer({ min: 1, max: 32 }), ipv6: fc.integer({ min: 1, max: 128 }) }),
)

const host = fc.tuple(label, label).map(([a, b]) => `${a}.${b}-provider.example.`)

const member = (hostsOnly: boolean): fc.Arbitrary<Member> =>
  fc
    .record({
      name,
      target: hostsOnly ? host : fc.oneof(address, host),
      more: fc.uniqueArray(address, { maxLength: 2 }),
      weight: fc.integer({ min: 0, max: 65535 }),
      weightFeed: rarely(fedWeight),
      shed: rarely(shed),
      priority: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1000 })),
      probeAddress: orNull(address),
      probePort: orNull(port),
    })
    .map(({ target, more, ...settings }) =>
      target.endsWith('.')
        ? { ...settings, moreAddresses: [], address: null, host: target }
        : { ...settings, moreAddresses: more.filter((one) => one !== target), address: target, host: null },
    )

const members = (hostsOnly: boolean) =>
  fc.uniqueArray(member(hostsOnly), { selector: (item) => item.name, maxLength: 6 }).map((items) => {
    const taken = new Set<string>()
    return items.filter((item) => {
      const targets = item.host === null ? [item.address, ...item.moreAddresses] : [item.host]
      const isFree = !targets.some((target) => taken.has(target))
      if (isFree) for (const target of targets) taken.add(target)
      return isFree
    })
  })

const threshold: fc.Arbitrary<Threshold> = fc.oneof(
  within(0, 1),
  fc.record({ members: fc.integer({ min: 1, max: 4096 }) }),
)
const minUp = (hosts: Pool['hosts']): fc.Arbitrary<MinUp> =>
  hosts === 'cname' ? threshold : fc.oneof(threshold, fc.record({ ipv4: threshold, ipv6: threshold }))

function poolArbitrary(monitors: readonly Monitor[]): fc.Arbitrary<Pool> {
  return fc.constantFrom('resolve' as const, 'cname' as const).chain((hosts) =>
    fc.record({
      name,
      monitor: fc.constantFrom(null, ...monitors.map((monitor) => monitor.name)),
      select: fc.constantFrom(...poolSelects),
      answers: orNull(fc.integer({ min: 1, max: 1000 })),
      minUp: minUp(hosts),
      hosts: fc.constant(hosts),
      unknown: fc.constantFrom(...unknownCounts),
      whenAllDown: fc.constantFrom(null, ...allDownPolicies.filter((policy) => policy !== 'fallback')),
      fallback: fc.constant(null),
      tiers: fc
        .dictionary(
          fc.integer({ min: 1, max: 1000 }).map(String),
          minUp(hosts).map((each) => ({ minUp: each })),
          { maxKeys: 3 },
        )
        .map((tiers) =>
          Object.entries(tiers).map(([priority, tier]) => ({ priority: Number(priority), ...tier })),
        ),
      hashPrefix,
      slowStartMs: fc.constantFrom(0, 1, 30_000, 86_400_000),
      location,
      quorum: fc.constantFrom(...quorums),
      capacity: rarely(capacity),
      members: members(hosts === 'cname'),
    }),
  )
}

/** Gives some pools another one as fallback; two may be each other's. */
function withFallbacks(pools: readonly Pool[]): fc.Arbitrary<Pool[]> {
  return fc.array(fc.boolean(), { minLength: pools.length, maxLength: pools.length }).map((wanted) =>
    pools.map((pool, index): Pool => {
      const other = pools[(index + 1) % pools.length]!
      return wanted[index] && other !== pool
        ? { ...pool, whenAllDown: 'fallback', fallback: other.name }
        : pool
    }),
  )
}

/** Entries of a map that is kept in the order of its keys, each with some of the choices. */
function rules<K extends string | number>(
  keys: readonly K[],
  choices: number,
): fc.Arbitrary<[K, number[]][]> {
  const places = fc.shuffledSubarray([...Array(choices).keys()], { minLength: 1 })
  return fc
    .subarray([...keys])
    .chain((found) => fc.tuple(...found.map((key) => fc.tuple(fc.constant(key), places))))
}

function geoArbitrary(choices: number): fc.Arbitrary<GeoRules> {
  const every = [...Array(choices).keys()]
  return fc.record({
    cidr: rules(
      ['0.0.0.0/0', '192.0.2.0/24', '192.0.2.0/25', '198.51.100.7/32', '::/0', '2001:db8::/32'],
      choices,
    ),
    asn: rules([1, 64_500, 4_294_967_295], choices),
    subdivision: rules(['CH-ZH', 'US-CA'], choices),
    country: rules(['CH', 'NO', 'US'], choices),
    continent: rules(['AF', 'EU', 'NA'], choices),
    default: fc.oneof(fc.constant(every), fc.shuffledSubarray(every, { minLength: 1 })),
    beyond: fc.constantFrom(...geoBeyonds),
  })
}

/** A service on some of these pools. */
function serviceArbitrary(pools: readonly string[], apexes: readonly string[]): fc.Arbitrary<Service> {
  const choices = fc.shuffledSubarray([...pools], { minLength: 1 }).chain((names) =>
    fc.tuple(
      ...names.map((pool) =>
        fc.record({
          kind: fc.constant('pool' as const),
          name: fc.constant(pool),
          weight: fc.oneof(fc.constant(100), fc.integer({ min: 0, max: 65535 })),
          bias: fc.oneof(fc.constant(0), fc.integer({ min: -99, max: 99 })),
          location,
        }),
      ),
    ),
  )
  return choices.chain((found) =>
    fc
      .record({
        below: fc.constantFrom('', '*.', '_x.', 'a\\.b.'),
        owner: label,
        apex: fc.constantFrom(...apexes),
        ttlSeconds: ttl,
        minTtl: orNull(within(0, 1)),
        steer: fc.constantFrom(...serviceSteers),
        choices: fc.constant(found),
        geo: geoArbitrary(found.length),
        hashPrefix,
        hysteresis: fc.oneof(fc.constant(0.2), within(0, 1)),
        whenAllDown: fc.constantFrom(...allDownPolicies),
        fallback: fc.constantFrom(...pools),
      })
      .map(({ below, owner, apex, minTtl, geo, fallback, ...service }) => ({
        ...service,
        name: `${below}service-${owner}.${apex}`,
        minTtlSeconds: minTtl === null ? null : Math.floor(service.ttlSeconds * minTtl),
        choices: service.choices.map((choice) =>
          service.steer === 'nearest'
            ? { ...choice, location: choice.location ?? { latitude: 0, longitude: 0 } }
            : choice,
        ),
        geo: service.steer === 'geo' ? geo : null,
        fallback: service.whenAllDown === 'fallback' ? fallback : null,
      })),
  )
}

/** Puts services into one another: each may have the one before it as a choice. */
function nest(services: readonly Service[], wanted: readonly boolean[]): Service[] {
  return services.map((service, index) => {
    const inner = services[index - 1]
    if (inner === undefined || !wanted[index]) return service
    const choice = { kind: 'service' as const, name: inner.name, weight: 7, bias: 0, location: null }
    const { geo, choices } = service
    // Entries that `geo` does not speak of are fine.
    return { ...service, choices: [...choices, choice], geo: geo === null ? null : { ...geo } }
  })
}

const monitorsArbitrary: fc.Arbitrary<Monitor[]> = fc
  .uniqueArray(monitorArbitrary, { selector: (item) => item.name, maxLength: 3 })
  .chain((simple) =>
    simple.length === 0
      ? fc.constant([])
      : fc
          .uniqueArray(compositeArbitrary(simple), { selector: (item) => item.name, maxLength: 1 })
          .map((composites) => [...composites, ...simple]),
  )

/** Those, and the ones that monitors and pools go by. */
function withUsed(feeds: readonly Feed[], monitors: readonly Monitor[], pools: readonly Pool[]): Feed[] {
  const uses = [...monitors.flatMap(columnsOfMonitor), ...pools.flatMap(columnsOfPool)]
  const used = new Set(uses.map(({ feed }) => feed))
  return [
    ...feeds.filter(({ name }) => !used.has(name)),
    ...steeringFeeds.filter(({ name }) => used.has(name)),
  ]
}

export const configurationArbitrary: fc.Arbitrary<Configuration> = fc
  .record({
    feeds: fc.uniqueArray(feedArbitrary, { selector: (item) => item.name, maxLength: 3 }),
    monitors: monitorsArbitrary,
    zones: fc.uniqueArray(zoneArbitrary, { selector: (item) => item.apex, maxLength: 3 }),
  })
  .chain(({ feeds, monitors, zones }) =>
    fc
      .uniqueArray(poolArbitrary(monitors), { selector: (item) => item.name, maxLength: 4 })
      .chain(withFallbacks)
      .chain((pools) => {
        const names = pools.map((pool) => pool.name)
        const apexes = zones.map((zone) => zone.apex)
        const services =
          names.length === 0 || apexes.length === 0
            ? fc.constant([])
            : fc
                .tuple(
                  fc.uniqueArray(serviceArbitrary(names, apexes), {
                    selector: (item) => item.name,
                    maxLength: 3,
                  }),
                  fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
                )
                .map(([found, wanted]) => nest(found, wanted))
        return services.map((found) => {
          return { feeds: withUsed(feeds, monitors, pools), monitors, pools, services: found, zones }
        })
      }),
  )
