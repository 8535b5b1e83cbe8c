/**
 * Zones of small master files: the RRs are brought together to RRsets and judged in memory, by the rules of `rules/`, so that a
 * small file costs what the same zone costs as JSON. `store/zone-staging.ts` does the same by sets, for files of any length;
 * what both find, and what they say of it, is the same.
 */
import type { Rrset } from '../model/zone.ts'
import { absoluteName } from '../rules/owners.ts'
import { placeBreaches } from '../rules/places.ts'
import { placesOf } from '../rules/view.ts'
import { because, checkTogether, maxRrsetOctets, singleTypes } from '../rules/zone-data.ts'
import type { StagedFinding, StagedRr } from '../store/zone-staging.ts'
import type { ZoneWarning } from '../store/zone-warnings.ts'

/** Octets that an RR has in an answer besides its RDATA, its owner being a pointer. */
const rrHead = 12

interface GatheredRrset extends Rrset {
  readonly ttlSeconds: number
  readonly first: StagedRr
}

/** Bound: the RRs of one batch of the reader. */
export interface GatheredZone {
  readonly rrs: readonly StagedRr[]
  /** With the TTL of the first RR of each. */
  readonly rrsets: readonly GatheredRrset[]
  readonly problems: readonly StagedFinding[]
  /** In the order of the file, of each kind. */
  readonly warnings: readonly StagedFinding[]
}

/** @param most findings of each kind of warning */
export function gatherZone(rrs: readonly StagedRr[], most: number): GatheredZone {
  const twice: StagedFinding[] = []
  const ttls: StagedFinding[] = []
  const problems: StagedFinding[] = []
  const byKey = Map.groupBy(rrs, ({ owner, type }) => `${owner} ${type}`)
  const rrsets = [...byKey.values()].map((all): GatheredRrset => {
    const [first] = all as [StagedRr, ...StagedRr[]]
    const distinct = new Map<string, StagedRr>()
    for (const rr of all) {
      const identity = rr.identity ?? rr.data
      const before = distinct.get(identity)
      if (before === undefined) distinct.set(identity, rr)
      else twice.push(findingOf(rr, `the same RR stands there already, in line ${before.line}`))
    }
    const { owner, type, ttlSeconds } = first
    const data = Array.from(distinct.values(), (rr) => rr.data)
    const octets = Array.from(distinct.values()).reduce((sum, rr) => sum + rr.octets + rrHead, 0)
    if (octets > maxRrsetOctets) problems.push(findingOf(first, because.tooLarge(octets)))
    if (data.length > 1) {
      ttls.push(
        ...all.filter((rr) => rr.ttlSeconds !== ttlSeconds).map((rr) => findingOf(rr, ttlOf(rr, ttlSeconds))),
      )
      if (singleTypes.some((single) => single === type)) {
        const others = all.filter((rr) => (rr.identity ?? rr.data) !== (first.identity ?? first.data))
        problems.push(...others.map((rr) => findingOf(rr, because.single(type))))
      }
    }
    return { owner, type, ttlSeconds, data, first }
  })
  for (const { index, message } of checkTogether(rrsets)) {
    const { first, owner, type } = rrsets[index]!
    problems.push(findingOf(first, message.slice(`${owner} ${type}: `.length)))
  }
  const warnings = [...firstOf(twice, most), ...firstOf(ttls, most)]
  return { rrs, rrsets, problems, warnings }
}

/** RRs that stand where services are. */
export function inTheWay(
  apex: string,
  { rrsets }: GatheredZone,
  services: readonly string[],
): StagedFinding[] {
  if (services.length === 0) return []
  const places = placesOf([{ apex, rrsets }], services)
  const byName = new Map(rrsets.map((rrset) => [`${absoluteName(rrset.owner, apex)} ${rrset.type}`, rrset]))
  return services.flatMap((name) =>
    placeBreaches(places, name).flatMap(({ rrset, message }) => {
      const found = rrset === undefined ? undefined : byName.get(`${rrset.name} ${rrset.type}`)
      return found === undefined ? [] : [findingOf(found.first, message)]
    }),
  )
}

/** Where in the file the RRs stand that warnings are about; line 1 for one that is about what is not there. */
export function placesOfWarnings({ rrs }: GatheredZone, warnings: readonly ZoneWarning[]): StagedFinding[] {
  if (warnings.length === 0) return []
  const places = new Map<string, StagedRr>()
  for (const rr of rrs) {
    const key = `${rr.owner} ${rr.type} ${rr.data}`
    if (!places.has(key)) places.set(key, rr)
  }
  return warnings.map(({ owner, type, data, message }) => {
    const { line, column } = places.get(`${owner} ${type} ${data}`) ?? { line: 1, column: 1 }
    return { line, column, owner, type, message }
  })
}

const ttlOf = ({ ttlSeconds }: StagedRr, first: number) =>
  `TTL ${ttlSeconds} is not taken: an RRset has one TTL, and that of its first RR is ${first} (RFC 2181 section 5.2)`

function findingOf({ line, column, owner, type }: StagedRr, message: string): StagedFinding {
  return { line, column, owner, type, message }
}

function firstOf(found: readonly StagedFinding[], most: number): StagedFinding[] {
  return found.toSorted((a, b) => a.line - b.line || a.column - b.column).slice(0, most)
}
