/**
 * The zone that everybody serves, once as data, and from it what each server wants to read. All answers are the same
 * but one: `www` is a service where a server has such a thing (pooldns, a plugin of gdnsd, a LUA record of PowerDNS), and
 * a plain RRset of the same addresses where it has not.
 */

export const zone = 'bench.test'
/** `h0` to `h999`, three addresses each. */
export const hosts = 1000
/** `t0` to `t99`, a TXT RRset of about 1,000 octets each. */
export const texts = 100
/** The name of the service, below the zone. */
export const service = 'www'
export const serviceAddresses = ['10.9.0.1', '10.9.0.2', '10.9.0.3'] as const
const manyMembers = Object.fromEntries(
  Array.from({ length: 10 }, (_, index) => [`m${index}`, { address: `10.8.0.${index}`, weight: 10 + index }]),
)
const regionOf = (third: number) => ({
  members: Object.fromEntries([1, 2, 3].map((n) => [`m${n}`, { address: `10.7.${third}.${n}` }])),
})

/** Pools of `steered`, as bodies of a PUT. */
export const steeredPools = {
  weighted: { select: 'weighted', members: manyMembers },
  hash: { select: 'hash', members: manyMembers },
  eu: regionOf(1),
  as: regionOf(2),
  us: regionOf(3),
} as const

/** Services that only pooldns has, by their name below the zone, as bodies of a PUT. */
export const steered = {
  weighted: { pools: ['weighted'] },
  hash: { pools: ['hash'] },
  geo: {
    steer: 'geo',
    pools: ['us', 'eu', 'as'],
    geo: { continent: { EU: ['eu'], AS: ['as', 'us'] }, country: { JP: ['us', 'as'] } },
  },
} as const

/** A name that exists, eight labels below the zone; random names below it are what a flood asks for. */
export const deep = 'a.b.c.d.e.f.g.h'
/** Changed all the time while latency is measured. */
export const edited = 'edited'

const ttlSeconds = 300

export interface RRset {
  /** Below the zone, `@` for its apex. */
  readonly name: string
  readonly type: 'NS' | 'A' | 'TXT'
  readonly data: readonly string[]
}

/** Everything but the SOA and the service. */
export function zoneRRsets(): RRset[] {
  const filler = 'pooldns '.repeat(31)
  return [
    { name: '@', type: 'NS', data: ['ns1'] },
    { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
    { name: deep, type: 'A', data: ['192.0.2.1'] },
    { name: edited, type: 'A', data: ['192.0.2.2'] },
    ...Array.from({ length: hosts }, (_, host): RRset => {
      const data = [1, 2, 3].map((n) => `10.${n}.${host >> 8}.${host & 0xff}`)
      return { name: `h${host}`, type: 'A', data }
    }),
    ...Array.from({ length: texts }, (_, text): RRset => {
      const strings = [0, 1, 2, 3].map((n) => `"${n}${filler}"`)
      return { name: `t${text}`, type: 'TXT', data: [strings.join(' ')] }
    }),
  ]
}

/** Body of a PUT of the zone to the API of pooldns. */
export function zoneBody() {
  const soa = { mname: `ns1.${zone}.`, rname: `hostmaster.${zone}.` }
  return { soa, ttl: `${ttlSeconds}s`, rrsets: zoneRRsets() }
}

/** How a master file says the service. */
export type ServiceForm = 'static' | 'gdnsd' | 'lua'

const serviceLines: Readonly<Record<ServiceForm, readonly string[]>> = {
  static: serviceAddresses.map((address) => `${service} ${ttlSeconds} IN A ${address}`),
  gdnsd: [`${service} ${ttlSeconds} DYNA multifo!${service}`],
  lua: [
    `${service} ${ttlSeconds} IN LUA A "pickrandom({${serviceAddresses.map((address) => `'${address}'`).join(',')}})"`,
  ],
}

/** The zone as a master file (RFC 1035 section 5). */
export function masterFile(form: ServiceForm): string {
  const rrs = zoneRRsets().flatMap(({ name, type, data }) =>
    data.map((text) => `${name} ${ttlSeconds} IN ${type} ${text}`),
  )
  return [
    `$ORIGIN ${zone}.`,
    `$TTL ${ttlSeconds}`,
    `@ IN SOA ns1 hostmaster 1 3600 600 1209600 60`,
    ...rrs,
    ...serviceLines[form],
    '',
  ].join('\n')
}
