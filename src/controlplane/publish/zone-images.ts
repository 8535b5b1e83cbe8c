import { hostnameToWire, lowerName, parseName } from '../../dataplane/wire/name.ts'
import { parseRdata, parseType } from '../../dataplane/wire/rdata.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import { ZoneCompiler } from '../../dataplane/zone/compile.ts'
import type { Rrset, Soa } from '../model.ts'
import type { CatalogZone } from './catalog.ts'

/** RRsets fetched and compiled before other work gets a turn. */
export const rrsetBatch = 1000

/**
 * Compiles a zone's image.
 *
 * @param services names of the services that lie in the zone, with their plans' slots
 * @param onBad told of an RRset that can't be compiled, which is left out: its text went around the checks, so a row was
 *   written by hand
 */
export async function compileZone(
  zone: CatalogZone,
  rrsets: AsyncIterable<readonly Rrset[]> | Iterable<readonly Rrset[]>,
  services: readonly { readonly name: string; readonly slot: number }[],
  onBad: (message: string) => void,
): Promise<SharedArrayBuffer> {
  const apex = hostnameToWire(zone.apex)
  const compiler = new ZoneCompiler(apex, {
    rdata: soaRdata(zone.soa, zone.serial, apex),
    ttlSeconds: zone.ttlSeconds,
  })
  for await (const batch of rrsets) {
    for (const rrset of batch) {
      try {
        compiler.add({
          owner: lowerName(parseName(rrset.owner, apex)),
          type: parseType(rrset.type),
          ttlSeconds: rrset.ttlSeconds ?? zone.ttlSeconds,
          rdata: rrset.data.map((text) => parseRdata(rrset.type, text, apex)),
        })
      } catch (error) {
        if (!(error instanceof TextError)) throw error
        onBad(`zone ${zone.apex}, owner ${rrset.owner}, type ${rrset.type}: ${error.message}`)
      }
    }
  }
  for (const { name, slot } of services) compiler.addService(hostnameToWire(name), slot)
  return compiler.finish()
}

function soaRdata(soa: Soa, serial: number, apex: Uint8Array): Uint8Array {
  const { mname, rname, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } = soa
  const times = [refreshSeconds, retrySeconds, expireSeconds, minimumSeconds].join(' ')
  return parseRdata('SOA', `${mname} ${rname} ${serial} ${times}`, apex)
}
