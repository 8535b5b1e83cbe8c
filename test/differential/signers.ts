/**
 * Those who sign the zones of the differential test, and make the chain that denies: BIND's signer, and Knot's. What they say is signed,
 * and what isn't, nobody here has to believe of our own code. One key signs a whole zone; zones take turns with algorithms 13 and 15.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { toText } from './names.ts'
import { masterLines } from './rdata.ts'
import type { TestZone } from './world.ts'

const run = promisify(execFile)

export type Denial = 'nsec' | 'nsec3'
export type Algorithm = 13 | 15

/** Why zones can't be signed here, or null. */
export function missingSigners(): string | null {
  const missing = ['dnssec-signzone', 'kzonesign'].filter(
    (program) => spawnSync(program, ['-h']).error !== undefined,
  )
  return missing.length === 0
    ? null
    : `not installed (Debian packages bind9-utils and knot): ${missing.join(', ')}`
}

/** Signs zones in a folder of its own. @returns the signed zone as a master file, an RR a line */
export interface Signer {
  readonly name: 'BIND' | 'Knot'
  sign(folder: string, zone: TestZone, algorithm: Algorithm, denial: Denial): Promise<string>
}

const bindNames = { 13: 'ECDSAP256SHA256', 15: 'ED25519' } as const
/** By folder and algorithm: a key serves all zones of a folder. Bounded by the test. */
const bindKeys = new Map<string, Promise<{ readonly dnskey: string; readonly file: string }>>()

export const bindSigner: Signer = {
  name: 'BIND',
  async sign(folder, { apex, rrsets }, algorithm, denial) {
    const place = join(folder, '..', String(algorithm))
    if (!bindKeys.has(place)) bindKeys.set(place, makeBindKey(place, bindNames[algorithm]))
    const { dnskey, file } = await bindKeys.get(place)!
    const path = join(folder, 'zone')
    const key = join(folder, 'Kzone')
    const line = `${toText(apex)} 3600 ${dnskey}\n`
    await writeFile(path, `${rrsets.map(masterLines).join('')}${line}`)
    // The key of another name, under ours.
    await writeFile(`${key}.key`, line)
    await writeFile(`${key}.private`, await readFile(`${file}.private`))
    // Everything with the one key; without salt, iterations or opt-out.
    const hashes = denial === 'nsec3' ? ['-3', '-', '-H', '0'] : []
    const args = ['-q', '-z', '-P', '-O', 'full', ...hashes, '-o', toText(apex), '-f', `${path}.signed`]
    await run('dnssec-signzone', [...args, path, key], { cwd: folder })
    return readFile(`${path}.signed`, 'latin1')
  },
}

/** @returns the DNSKEY of a new key without its owner, and the file that has its private part */
async function makeBindKey(folder: string, algorithm: string): Promise<{ dnskey: string; file: string }> {
  await mkdir(folder, { recursive: true })
  const { stdout } = await run('dnssec-keygen', ['-q', '-K', folder, '-f', 'KSK', '-a', algorithm, 'key.'])
  const file = join(folder, stdout.trim())
  const line = /^key\. IN DNSKEY .*$/m.exec(await readFile(`${file}.key`, 'utf8'))![0]
  return { dnskey: line.slice('key. '.length), file }
}

const knotNames = { 13: 'ecdsap256sha256', 15: 'ed25519' } as const

export const knotSigner: Signer = {
  name: 'Knot',
  async sign(folder, { apex, rrsets }, algorithm, denial) {
    await mkdir(join(folder, 'keys'))
    await mkdir(join(folder, 'signed'))
    await writeFile(join(folder, 'zone'), rrsets.map(masterLines).join(''))
    // TTLs of decades are no reason to sign for as long.
    const config = `database:
  storage: "${folder}/keys"
policy:
  - id: one
    single-type-signing: on
    algorithm: ${knotNames[algorithm]}
    dnskey-ttl: 3600
    zone-max-ttl: 3600
    rrsig-lifetime: 14d
    rrsig-refresh: 1d
    cds-cdnskey-publish: none
    nsec3: ${denial === 'nsec3' ? 'on' : 'off'}
    nsec3-iterations: 0
    nsec3-salt-length: 0
    nsec3-opt-out: off
template:
  - id: default
    storage: "${folder}"
zone:
  - domain: "${toText(apex)}"
    file: zone
    dnssec-signing: on
    dnssec-policy: one
`
    await writeFile(join(folder, 'knot.conf'), config)
    await run('kzonesign', ['-c', join(folder, 'knot.conf'), '-o', join(folder, 'signed'), toText(apex)])
    return readFile(join(folder, 'signed/zone'), 'latin1')
  },
}
