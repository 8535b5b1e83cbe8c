/** Worlds whose zones others have signed (`signers.ts`). */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootName } from '../../src/dataplane/wire/name.ts'
import { parseRdata } from '../../src/dataplane/wire/rdata.ts'
import { type Labels, nameKey } from './names.ts'
import type { TestRrset } from './rdata.ts'
import { bindSigner, type Denial, knotSigner, type Signer } from './signers.ts'
import type { TestZone, World } from './world.ts'

const algorithms = [13, 15] as const
const signers = [bindSigner, knotSigner] as const

/** @returns the same worlds, of which all zones are signed: each world by another signer than the one before */
export async function signWorlds(worlds: readonly World[], denial: Denial): Promise<World[]> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-signing-'))
  try {
    const signed: World[] = []
    for (const [index, { zones }] of worlds.entries()) {
      const signer = signers[index % 2]!
      const done = zones.map(async (zone, i) => {
        const own = join(folder, `${index}-${i}`)
        await mkdir(own)
        return signZone(signer, own, zone, algorithms[(i + (index >> 1)) % 2]!, denial)
      })
      // All have ended before their folder goes.
      await Promise.allSettled(done)
      signed.push({ zones: await Promise.all(done) })
    }
    return signed
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function signZone(
  signer: Signer,
  folder: string,
  { apex, rrsets }: TestZone,
  algorithm: (typeof algorithms)[number],
  denial: Denial,
): Promise<TestZone> {
  const text = await signer.sign(folder, { apex, rrsets }, algorithm, denial)
  return { apex, rrsets: [...rrsets, ...added(text)] }
}

/** What the signer has put into a zone. */
function added(text: string): TestRrset[] {
  const found = new Map<string, TestRrset>()
  for (const line of text.split('\n')) {
    const [, owner, ttl, type, data] =
      /^(\S+)\s+(\d+)\s+(?:IN\s+)?(RRSIG|NSEC|NSEC3|NSEC3PARAM|DNSKEY)\s+(.*?)(?:\s+;.*)?$/.exec(line) ?? []
    if (data === undefined) continue
    const name = readOwner(owner!)
    const wire = Buffer.from(parseRdata(type!, data, rootName))
    // Each server has its own idea of which octets of a name must be escaped.
    const rdata = { text: `\\# ${wire.length} ${wire.toString('hex')}`, wire }
    // The signer gives no signature a TTL that outlasts it. That of what is signed is right (RFC 4034 section 3).
    const ttlSeconds = type === 'RRSIG' ? wire.readUInt32BE(4) : Number(ttl)
    // Those of RRsets with other TTLs have other TTLs themselves.
    const key = `${nameKey(name)} ${ttlSeconds} ${type}`
    const before = found.get(key)?.rdata ?? []
    found.set(key, {
      owner: name,
      type: type as TestRrset['type'],
      ttlSeconds,
      rdata: [...before, rdata],
    })
  }
  // Signers write in no certain order.
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rrset]) => rrset)
}

/** A name in presentation form with its final dot. */
function readOwner(text: string): Labels {
  const labels: string[] = []
  for (const [, label] of text.matchAll(/((?:\\\d{3}|\\.|[^\\.])+)\./g))
    labels.push(
      label!.replace(/\\(\d{3})|\\(.)/g, (_, digits?: string, char?: string) =>
        digits === undefined ? char! : String.fromCharCode(Number(digits)),
      ),
    )
  return labels
}
