/** Parts of zones as their images hold them, out of text. */
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { lowerName, parseName } from '../../dataplane/wire/name.ts'
import { foldedRdata, parseRdata, parseType } from '../../dataplane/wire/rdata.ts'
import type { CatalogZone } from '../catalog/catalog.ts'
import type { Rrset, ZoneHead } from '../model/zone.ts'

export interface ServiceSlot {
  readonly name: string
  /** Slot of its plan. */
  readonly slot: number
}

/** @param apex in wire form. @throws TextError for what is malformed */
export function wireRrset(
  { owner, type, ttlSeconds, data }: Rrset,
  zone: ZoneHead,
  apex: Uint8Array,
): WireRrset {
  return {
    owner: lowerName(parseName(owner, apex)),
    type: parseType(type),
    ttlSeconds: ttlSeconds ?? zone.ttlSeconds,
    rdata: distinct(
      type,
      data.map((line) => parseRdata(type, line, apex)),
    ),
  }
}

/** The first of each: what was stored before equality was that of the canonical form may have two spellings of one RR. */
function distinct(type: string, rdata: Uint8Array[]): Uint8Array[] {
  if (rdata.length === 1) return rdata
  const number = parseType(type)
  const seen = new Map<string, Uint8Array>()
  for (const octets of rdata) {
    const identity = Buffer.from(foldedRdata(number, octets)).toString('latin1')
    if (!seen.has(identity)) seen.set(identity, octets)
  }
  return [...seen.values()]
}

export function soaOf({ soa, serial, ttlSeconds }: CatalogZone, apex: Uint8Array) {
  const { mname, rname, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } = soa
  const times = [refreshSeconds, retrySeconds, expireSeconds, minimumSeconds].join(' ')
  return { rdata: parseRdata('SOA', `${mname} ${rname} ${serial} ${times}`, apex), ttlSeconds }
}
