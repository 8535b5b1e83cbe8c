/** Keys, services and signatures for tests of the signing of answers. */
import { createPublicKey, verify } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { readOrMakeKeyFile } from '../../../src/controlplane/dnssec/key-file.ts'
import { makeKeyParts, sealKey } from '../../../src/controlplane/dnssec/zone-key.ts'
import { allDuties, type ServedKey } from '../../../src/controlplane/model/dnssec.ts'
import { SetKeys, setOf } from '../../../src/dataplane/image/set-key.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'

export const apex = 'example.test'
export const daySeconds = 86_400

/** An RRset as text. @param data canonical RDATA */
export const setKey = (type: number, data: readonly Uint8Array[]) =>
  new SetKeys(type, data).of(data.map((_, index) => index))

/** A folder with a key file, and a key of the zone `apex` that is sealed by it. */
export async function keyFolder(t: Test, algorithm: 13 | 15 = 13) {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-signing-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const keyFile = { path: join(folder, 'dnssec.key'), mayBeMade: true }
  const makeKey = (): ServedKey => ({
    ...sealKey(readOrMakeKeyFile(keyFile), apex, makeKeyParts(algorithm)),
    duties: allDuties,
  })
  return { folder, directory: join(folder, 'services'), keyFile, key: makeKey(), makeKey }
}

/** Whether an RRSIG of an RRset of a service is good by a key, of algorithm 13 or 15. */
export function isGood(rrsig: Uint8Array, service: string, set: string, { algorithm, publicKey }: ServedKey) {
  const { type, data } = setOf(set)
  const owner = hostnameToWire(service)
  const headLength = 18 + hostnameToWire(apex).length
  const head = Buffer.from(rrsig.subarray(0, headLength))
  const rrs = data.map((rdata) => {
    const fixed = Buffer.alloc(10)
    fixed.writeUInt16BE(type, 0)
    fixed.writeUInt16BE(1, 2)
    fixed.writeUInt32BE(head.readUInt32BE(4), 4)
    fixed.writeUInt16BE(rdata.length, 8)
    return Buffer.concat([owner, fixed, rdata])
  })
  const octets = Buffer.from(publicKey, 'base64')
  const [x, y] = [octets.subarray(0, 32).toString('base64url'), octets.subarray(32).toString('base64url')]
  const jwk = algorithm === 13 ? { kty: 'EC', crv: 'P-256', x, y } : { kty: 'OKP', crv: 'Ed25519', x }
  const signature = rrsig.subarray(headLength)
  const object = createPublicKey({ key: jwk, format: 'jwk' })
  const signed = Buffer.concat([head, ...rrs])
  return algorithm === 13
    ? verify('sha256', signed, { key: object, dsaEncoding: 'ieee-p1363' }, signature)
    : verify(null, signed, object, signature)
}
