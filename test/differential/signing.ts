/**
 * Zones signed by BIND's signer, which makes the chain of NSECs too: what it says is signed, and what isn't, nobody here has to
 * believe of our own code. One key signs a whole zone; zones take turns with algorithms 13 and 15.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { rootName } from '../../src/dataplane/wire/name.ts'
import { parseRdata } from '../../src/dataplane/wire/rdata.ts'
import { type Labels, nameKey, toText } from './names.ts'
import { masterLines, type TestRrset } from './rdata.ts'
import type { TestZone, World } from './world.ts'

const run = promisify(execFile)
const algorithms = ['ECDSAP256SHA256', 'ED25519'] as const

/** Why zones can't be signed here, or null. */
export function missingSigner(): string | null {
  const isMissing = spawnSync('dnssec-signzone', ['-h']).error !== undefined
  return isMissing ? 'not installed (Debian package bind9-utils): dnssec-signzone' : null
}

/** @returns the same worlds, of which all zones are signed */
export async function signWorlds(worlds: readonly World[]): Promise<World[]> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-signing-'))
  try {
    const keys = await Promise.all(algorithms.map((algorithm) => makeKey(folder, algorithm)))
    const signed: World[] = []
    for (const { zones } of worlds) {
      const done = zones.map((zone, i) => signZone(folder, zone, `${signed.length}-${i}`, keys[i % 2]!))
      signed.push({ zones: await Promise.all(done) })
    }
    return signed
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @returns the DNSKEY of a new key without its owner, and the file that has its private part */
async function makeKey(folder: string, algorithm: string): Promise<{ dnskey: string; file: string }> {
  const { stdout } = await run('dnssec-keygen', ['-q', '-K', folder, '-f', 'KSK', '-a', algorithm, 'key.'])
  const file = join(folder, stdout.trim())
  const line = /^key\. IN DNSKEY .*$/m.exec(await readFile(`${file}.key`, 'utf8'))![0]
  return { dnskey: line.slice('key. '.length), file }
}

async function signZone(
  folder: string,
  { apex, rrsets }: TestZone,
  name: string,
  { dnskey, file }: { readonly dnskey: string; readonly file: string },
): Promise<TestZone> {
  const path = join(folder, `${name}.zone`)
  const key = join(folder, `K${name}`)
  const line = `${toText(apex)} 3600 ${dnskey}\n`
  await writeFile(path, `${rrsets.map(masterLines).join('')}${line}`)
  // The key of another name, under ours.
  await writeFile(`${key}.key`, line)
  await writeFile(`${key}.private`, await readFile(`${file}.private`))
  // Everything with the one key, each RR on a line of its own.
  const args = ['-q', '-z', '-P', '-O', 'full', '-o', toText(apex), '-f', `${path}.signed`, path, key]
  await run('dnssec-signzone', args, { cwd: folder })
  return { apex, rrsets: [...rrsets, ...added(await readFile(`${path}.signed`, 'latin1'))] }
}

/** What the signer has put into a zone. */
function added(text: string): TestRrset[] {
  const found = new Map<string, TestRrset>()
  for (const line of text.split('\n')) {
    const [, owner, ttl, type, data] =
      /^(\S+)\s+(\d+)\s+IN\s+(RRSIG|NSEC|DNSKEY)\s+(.*?)(?:\s+;.*)?$/.exec(line) ?? []
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
  return [...found.values()]
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
