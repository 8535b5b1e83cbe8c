/**
 * A zone as a master file: canonical and stable, so that the same zone gives the same text and two texts can be compared
 * line by line. The SOA first, then RRsets in the canonical order of names (RFC 4034 section 6), by type within a name,
 * their RRs in the order of RDATA. Owners are relative to the apex, names in RDATA absolute, TTLs on every line. Services
 * are no RRsets, so they are not in it.
 */
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { parseRdata } from '../../dataplane/wire/rdata.ts'
import { ControlError } from '../model/errors.ts'
import type { Rrset } from '../model/zone.ts'
import { streamCanonically } from '../store/canonical-order.ts'
import type { Database } from '../store/database.ts'
import { getZoneHead, type ZoneState } from '../store/zones.ts'

/** RRsets fetched at once. */
const batchSize = 2_000

/**
 * Writes a zone with `write`, a chunk of text at a time; one read-only transaction, which is open until the last chunk
 * is taken. Gives the revision of the zone. Throws `not-found`, `unavailable`.
 */
export async function exportZone(
  database: Database,
  apex: string,
  write: (text: AsyncIterable<string>) => Promise<void>,
): Promise<number> {
  return database.readMuch(async (tx) => {
    const stored = await getZoneHead(tx, apex)
    if (stored === null) throw new ControlError('not-found', `zone ${apex} does not exist`)
    await write(formatMasterFile(stored.value, streamCanonically(tx, apex, batchSize)))
    return stored.revision
  })
}

async function* formatMasterFile(
  zone: ZoneState,
  rrsets: AsyncIterable<readonly Rrset[]>,
): AsyncGenerator<string> {
  const { apex, soa, serial, ttlSeconds } = zone
  const origin = hostnameToWire(apex)
  const times = [soa.refreshSeconds, soa.retrySeconds, soa.expireSeconds, soa.minimumSeconds].join(' ')
  yield `$ORIGIN ${apex === '.' ? '.' : `${apex}.`}\n$TTL ${ttlSeconds}\n` +
    `@\t${ttlSeconds}\tIN\tSOA\t${soa.mname} ${soa.rname} ${serial} ${times}\n`
  for await (const batch of rrsets) {
    let text = ''
    for (const rrset of batch) {
      const head = `${rrset.owner}\t${rrset.ttlSeconds ?? ttlSeconds}\tIN\t${rrset.type}\t`
      for (const data of inOrder(rrset, origin)) text += `${head}${data}\n`
    }
    yield text
  }
}

/** RFC 4034 section 6.3: as octets of the wire form. */
function inOrder({ type, data }: Rrset, origin: Uint8Array): readonly string[] {
  if (data.length === 1) return data
  return data
    .map((text) => ({ text, wire: parseRdata(type, text, origin) }))
    .sort((a, b) => Buffer.compare(a.wire, b.wire))
    .map(({ text }) => text)
}
