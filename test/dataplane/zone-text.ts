/** Zones and serving states for tests, from lines of text such as `www 300 A 192.0.2.1`. */

import { type CompileOptions, ZoneCompiler } from '../../src/dataplane/image/compile.ts'
import { compileDirectory } from '../../src/dataplane/image/directory.ts'
import { compileLocationMap, type LocationRanges } from '../../src/dataplane/image/location-map.ts'
import { compilePlan } from '../../src/dataplane/image/plan-compiler.ts'
import type { PlanNode, PlanTrees } from '../../src/dataplane/image/plan-tree.ts'
import type { WireRrset } from '../../src/dataplane/image/rrset-encoder.ts'
import type { ServingUpdate } from '../../src/dataplane/image/serving-set.ts'
import { only } from '../../src/dataplane/image/serving-set.ts'
import { setOf } from '../../src/dataplane/image/set-key.ts'
import { hostnameToWire, lowerName, parseName } from '../../src/dataplane/wire/name.ts'
import { parseRdata, rrTypes } from '../../src/dataplane/wire/rdata.ts'
import type { TestSigner } from './test-signer.ts'

export interface ZoneText {
  readonly apex: string
  /** MINIMUM of the SOA; 300 by default. */
  readonly ttlSeconds?: number
  /** SOA MINIMUM; 60 by default. */
  readonly minimumSeconds?: number
  /** `owner ttl type rdata`, owners relative to the apex, `@` for the apex. RRs of one owner and type form an RRset. */
  readonly lines: readonly string[]
  /** Slot of the plan by the owner of the service. */
  readonly services?: Readonly<Record<string, number>>
  /** What signs the zone, and gives it the NSECs that it needs; it isn't signed when left out. */
  readonly signer?: TestSigner
}

export interface ParsedLine {
  readonly owner: string
  readonly ttlSeconds: number
  readonly type: string
  readonly data: string
}

export function parseLine(line: string): ParsedLine {
  const [owner, ttl, type, ...data] = line.split(' ')
  return { owner: owner!, ttlSeconds: Number(ttl), type: type!, data: data.join(' ') }
}

/** MNAME, RNAME, serial and times that `zoneImage` gives a zone. */
export function soaText(zone: ZoneText): string {
  return `ns1.${zone.apex}. hostmaster.${zone.apex}. 7 3600 600 86400 ${zone.minimumSeconds ?? 60}`
}

export function zoneImage(zone: ZoneText): SharedArrayBuffer {
  const rrsets = zoneRrsets(zone)
  const { signer } = zone
  if (signer === undefined) return compilerOf(zone, rrsets).finish()
  const apex = hostnameToWire(zone.apex)
  const services = Object.keys(zone.services ?? {}).map((owner) => lowerName(parseName(owner, apex)))
  return compilerOf(zone, signer.complete(apex, rrsets, services), {
    signatures: signer.of(apex),
  }).finish()
}

/** A compiler that holds RRsets of a zone, and its SOA and services. */
export function compilerOf(
  zone: ZoneText,
  rrsets: readonly WireRrset[],
  options?: CompileOptions,
): ZoneCompiler {
  const apex = hostnameToWire(zone.apex)
  const compiler = new ZoneCompiler(apex, zoneSoa(zone), options)
  for (const rrset of rrsets) compiler.add(rrset)
  for (const [owner, slot] of Object.entries(zone.services ?? {})) {
    compiler.addService(lowerName(parseName(owner, apex)), slot)
  }
  return compiler
}

export function zoneSoa(zone: ZoneText) {
  const soa = zone.apex === '.' ? 'ns1. hostmaster. 7 3600 600 86400 60' : soaText(zone)
  return { rdata: parseRdata('SOA', soa, hostnameToWire(zone.apex)), ttlSeconds: zone.ttlSeconds ?? 300 }
}

/** The RRsets of a zone's lines. */
export function zoneRrsets(zone: ZoneText): WireRrset[] {
  const apex = hostnameToWire(zone.apex)
  const rrsets = new Map<string, ParsedLine[]>()
  for (const line of zone.lines.map(parseLine)) {
    const key = `${line.owner} ${line.type}`
    rrsets.set(key, [...(rrsets.get(key) ?? []), line])
  }
  return Array.from(rrsets.values(), (lines) => {
    const { owner, type, ttlSeconds } = lines[0]!
    return {
      owner: lowerName(parseName(owner, apex)),
      type: rrTypes.get(type) ?? Number(/^TYPE(\d+)$/.exec(type)![1]),
      ttlSeconds,
      rdata: lines.map(({ data }) =>
        rrTypes.has(type) ? parseRdata(type, data, apex) : Buffer.from(data, 'hex'),
      ),
    }
  })
}

/** The whole state as one update; slots are the indexes. */
export function servingUpdate(
  zones: readonly ZoneText[],
  plans: readonly (PlanNode | PlanTrees)[] = [],
  generation = 1,
  maps: readonly LocationRanges[] = [],
): ServingUpdate {
  return {
    generation,
    directory: only(compileDirectory(new Map(zones.map(({ apex }, slot) => [slot, hostnameToWire(apex)])))),
    zones: zones.map((zone, slot) => [slot, zoneImage(zone)]),
    plans: plans.map((plan, slot) => [slot, planImage(plan, slot, zones)]),
    maps: maps.map((map, slot) => [slot, compileLocationMap(map)]),
  }
}

/** The image of the plan in a slot, signed where its service lies in a signed zone; it has one name then. */
function planImage(plan: PlanNode | PlanTrees, slot: number, zones: readonly ZoneText[]): SharedArrayBuffer {
  const { ipv4, ipv6 } = 'ipv4' in plan ? plan : { ipv4: plan, ipv6: plan }
  for (const { apex: text, services = {}, signer } of zones) {
    const name = Object.keys(services).find((owner) => services[owner] === slot)
    if (signer === undefined || name === undefined) continue
    const apex = hostnameToWire(text)
    const owner = lowerName(parseName(name, apex))
    const ttlSeconds = 3600
    const made = signer.of(apex)
    const signatures = {
      of: (key: string) => {
        const { type, data } = setOf(key)
        return made.find(owner, type, ttlSeconds, data)
      },
    }
    return compilePlan(ipv4, ipv6, { ttlSeconds, signatures })
  }
  return compilePlan(ipv4, ipv6)
}
