import { createPublicKey, verify } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bindKeyName, formatBindKey, parseBindKey } from '../../../src/controlplane/dnssec/bind-key.ts'
import { readKeyFile, readOrMakeKeyFile } from '../../../src/controlplane/dnssec/key-file.ts'
import { derToPair, signOctets } from '../../../src/controlplane/dnssec/rrset-signer.ts'
import { seal, unseal } from '../../../src/controlplane/dnssec/sealing.ts'
import {
  dnskeyOf,
  dsOf,
  type KeyParts,
  keyTag,
  makeKeyParts,
  openKey,
  privateKeyOf,
  sealKey,
  signingKey,
} from '../../../src/controlplane/dnssec/zone-key.ts'
import { allDuties, keyFlags } from '../../../src/controlplane/model/dnssec.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { parseRdata } from '../../../src/dataplane/wire/rdata.ts'

const parts = (algorithm: 13 | 15, publicKey: string, privateKey: string): KeyParts => ({
  algorithm,
  publicKey: Buffer.from(publicKey, 'base64'),
  privateKey: Buffer.from(privateKey, 'base64'),
})

/** RFC 8080 section 6: keys, their tags, and the signature of `example.com. 3600 IN MX 10 mail.example.com.` */
const ed25519 = [
  {
    key: parts(
      15,
      'l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=',
      'ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=',
    ),
    tag: 3613,
    signature: 'oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==',
  },
  {
    key: parts(
      15,
      'zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=',
      'DSSF3o0s0f+ElWzj9E/Osxw8hLpk55chkmx0LYN5WiY=',
    ),
    tag: 35217,
    signature: 'zXQ0bkYgQTEFyfLyi9QoiY6D8ZdYo4wyUhVioYZXFdT410QPRITQSqJSnzQoSm5poJ7gD7AQR0O7KuI5k2pcBg==',
  },
]

/** RFC 6605 section 6.1: of `www.example.net. 3600 IN A 192.0.2.1` */
const p256 = {
  key: parts(
    13,
    'GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==',
    'GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=',
  ),
  tag: 55648,
  ds: 'b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17',
  signature: 'qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==',
}

const sealedParts = ({ algorithm, publicKey }: KeyParts) => ({
  algorithm,
  flags: keyFlags.csk,
  publicKey: Buffer.from(publicKey).toString('base64'),
})

/** Octets that the signature of one RR is of: RDATA of the RRSIG without the signature, then the RR. */
function signedOctets(owner: string, head: string, type: number, rdata: Uint8Array): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(3600, 4)
  fixed.writeUInt16BE(rdata.length, 8)
  const rrsig = parseRdata('RRSIG', `${head} AA==`, Buffer.of(0))
  return Buffer.concat([rrsig.subarray(0, -1), hostnameToWire(owner), fixed, rdata])
}

function ecPublicKey(publicKey: Uint8Array) {
  const [x, y] = [publicKey.slice(0, 32), publicKey.slice(32)].map((half) =>
    Buffer.from(half).toString('base64url'),
  )
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x!, y: y! }, format: 'jwk' })
}

t.test('Ed25519 signs as RFC 8080 says', async (t) => {
  const mx = parseRdata('MX', '10 mail.example.com.', Buffer.of(0))
  for (const { key, tag, signature } of ed25519) {
    t.equal(keyTag(dnskeyOf(sealedParts(key))), tag)
    const head = `MX 15 2 3600 1440021600 1438207200 ${tag} example.com.`
    const octets = signOctets(15, privateKeyOf(key), signedOctets('example.com', head, 15, mx))
    t.equal(Buffer.from(octets).toString('base64'), signature)
  }
})

t.test('P-256 as RFC 6605 has it: tag, DS, and a signature that verifies, as ours do', async (t) => {
  const { key, tag, ds, signature } = p256
  const dnskey = dnskeyOf(sealedParts(key))
  t.equal(keyTag(dnskey), tag)
  t.equal(Buffer.from(dsOf('example.net', dnskey)).subarray(4).toString('hex'), ds)
  const head = `A 13 3 3600 20100909100439 20100812100439 ${tag} example.net.`
  const data = signedOctets('www.example.net', head, 1, Buffer.of(192, 0, 2, 1))
  const publicKey = { key: ecPublicKey(key.publicKey), dsaEncoding: 'ieee-p1363' as const }
  t.ok(verify('sha256', data, publicKey, Buffer.from(signature, 'base64')))
  // Of some hundred, some have an r or s of fewer octets, and half of them one with a zero before it.
  const privateKey = privateKeyOf(key)
  for (let i = 0; i < 400; i++) {
    const octets = signOctets(13, privateKey, data)
    if (octets.length !== 64 || !verify('sha256', data, publicKey, octets)) t.fail('a signature is wrong')
  }
  const short = Buffer.from('3006020101020200ff', 'hex')
  t.same(Buffer.from(derToPair(short)).toString('hex'), `${'00'.repeat(31)}01${'00'.repeat(31)}ff`)
})

t.test('keys are made, sealed for their zone alone, and opened', async (t) => {
  const secret = Buffer.alloc(32, 7)
  for (const algorithm of [13, 15] as const) {
    const made = makeKeyParts(algorithm)
    const sealed = { ...sealKey(secret, 'example.test', made), duties: allDuties }
    t.notMatch(JSON.stringify(sealed), Buffer.from(made.privateKey).toString('base64'))
    t.same(openKey(secret, 'example.test', sealed).privateKey, made.privateKey)
    const opened = signingKey(() => secret, 'example.test', sealed)
    t.equal(opened.trouble, null)
    t.ok(opened.privateKey)
    const elsewhere = signingKey(() => secret, 'other.test', sealed)
    t.equal(elsewhere.privateKey, null)
    t.match(elsewhere.trouble, /^key \d+ of zone other\.test can't be opened: its sealed form is damaged$/)
    const by = signingKey(() => Buffer.alloc(32, 8), 'example.test', sealed)
    t.match(
      by.trouble,
      /it is sealed by another key file \([0-9a-f]{8}, and that of this node is [0-9a-f]{8}\)/,
    )
  }
})

t.test('what was sealed and changed in an octet is damaged', async (t) => {
  const secret = Buffer.alloc(32, 7)
  const sealed = seal(secret, Buffer.alloc(32, 1), 'x')
  const [version, id, text] = sealed.split(':')
  const octets = Buffer.from(text!, 'base64')
  for (let at = 0; at < octets.length; at++) {
    const changed = Buffer.from(octets)
    changed[at]! ^= 1
    t.throws(() => unseal(secret, `${version}:${id}:${changed.toString('base64')}`, 'x'), /damaged/)
  }
  t.throws(() => unseal(secret, 'v2:x', 'x'), /damaged/)
  t.throws(() => unseal(secret, `${version}:${id}:AAAA`, 'x'), /damaged/)
})

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pooldns-keys-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

t.test('a key file is made once, for its owner alone', async (t) => {
  const path = join(await folder(t), 'dnssec.key')
  const secret = readOrMakeKeyFile({ path, mayBeMade: true })
  t.equal(secret.length, 32)
  t.same(readOrMakeKeyFile({ path, mayBeMade: true }), secret)
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.throws(() => readOrMakeKeyFile({ path: `${path}.no`, mayBeMade: false }), {
    message: `there is no key file ${path}.no`,
  })
})

t.test('a key file that others may read or write, or of another size, is refused', async (t) => {
  const path = join(await folder(t), 'dnssec.key')
  readOrMakeKeyFile({ path, mayBeMade: true })
  for (const mode of [0o644, 0o602, 0o620, 0o604]) {
    await chmod(path, mode)
    t.throws(() => readKeyFile({ path, mayBeMade: true }), /is open to others \(mode 0\d+\): chmod 600 it/)
  }
  await chmod(path, 0o600)
  const good = await readFile(path, 'utf8')
  for (const text of ['', good.slice(4), `${good}${good}`, 'x'.repeat(2000)]) {
    await writeFile(path, text)
    t.throws(() => readKeyFile({ path, mayBeMade: true }), /does not hold 32 octets in base64/)
  }
})

t.test('keys go out in the form of BIND, and come in again', async (t) => {
  for (const algorithm of [13, 15] as const) {
    const flags = algorithm === 13 ? keyFlags.csk : keyFlags.zsk
    const made = { ...makeKeyParts(algorithm), flags }
    const written = formatBindKey('example.test', made, new Date('2026-11-29T20:00:00.123Z'))
    t.match(
      written.private,
      /^Private-key-format: v1\.3\nAlgorithm: 1[35] \((ECDSAP256SHA256|ED25519)\)\nPrivateKey: /,
    )
    t.match(written.private, 'Created: 20261129200000\n')
    t.match(bindKeyName('example.test', made), /^Kexample\.test\.\+01[35]\+\d{5}$/)
    const read = parseBindKey('example.test', written)
    t.equal(read.flags, flags)
    t.same(Buffer.from(read.privateKey), Buffer.from(made.privateKey))
    t.same(Buffer.from(read.publicKey), Buffer.from(made.publicKey))
  }
})

t.test('key files that went through other hands are read', async (t) => {
  const made = { ...makeKeyParts(13), flags: keyFlags.csk }
  const { key, private: secret } = formatBindKey('example.test', made, new Date())
  const forms: Readonly<Record<string, (text: string) => string>> = {
    'line ends of another system': (text) => text.replaceAll('\n', '\r\n'),
    'a byte order mark': (text) => `\u{FEFF}${text}`,
    'both, and empty lines': (text) => `\u{FEFF}\r\n\r\n${text.replaceAll('\n', '\r\n')}\r\n`,
    'no line end': (text) => text.trimEnd(),
    'a TTL, lower case, and what dnssec-settime writes': (text) =>
      text
        .replace('example.test. IN', 'EXAMPLE.TEST. 3600 in')
        .replace(/$/, 'Inactive: 20200101000000\nDelete: 20200101000000\n'),
    'base64 in two parts': (text) => text.replace(/(DNSKEY 257 3 13 .{20})/, '$1 '),
  }
  for (const [what, form] of Object.entries(forms)) {
    const isPrivate = what.includes('settime')
    const read = parseBindKey('example.test', {
      key: isPrivate ? form(key).split('\n').slice(0, 2).join('\n') : form(key),
      private: form(secret),
    })
    t.same(Buffer.from(read.privateKey), Buffer.from(made.privateKey), what)
  }
})

t.test('a key that does not fit is refused with the reason, and not shown', async (t) => {
  const [one, other, third] = [makeKeyParts(13), makeKeyParts(13), makeKeyParts(15)].map((made) =>
    formatBindKey('example.test', { ...made, flags: keyFlags.csk }, new Date()),
  )
  const { key, private: secret } = one!
  const privateText = /PrivateKey: (\S+)/.exec(secret)![1]!
  const refused: readonly (readonly [string, string, RegExp, string?])[] = [
    [key, other!.private, /it does not belong to the public key \(tag \d+\)/],
    [key, third!.private, /its algorithm is 15, and that of the public key 13/],
    [key, secret.replace('PrivateKey: ', 'PrivateKey: AA'), /PrivateKey is not 32 octets|does not belong/],
    [key, secret.replace('v1.3', 'v2.0'), /no line "Private-key-format: v1\.3"/],
    [key, secret.replace('Algorithm: 13', 'Algorithm: 8'), /its Algorithm is not 13/],
    [key.replace('DNSKEY 257', 'DNSKEY 385'), secret, /its flags are 385, and must be 257/],
    [key.replace('DNSKEY 257 3', 'DNSKEY 257 4'), secret, /its protocol is 4/],
    [key.replace(' 13 ', ' 8 '), secret, /algorithm 8 is not 13/],
    [
      key.replace('example.test. IN', 'other.test. IN'),
      secret,
      /it is a key of other\.test\. and not of example\.test\./,
    ],
    [key.replace(/==\n/, '\n').slice(0, -10), secret, /its public key has \d+ octets/],
    ['nothing', secret, /it has no line such as/],
    ['', secret, /it has no line such as/],
    [key, '', /no line "Private-key-format: v1\.3"/],
    [key, secret.replace(/^Algorithm.*\n/m, ''), /its Algorithm is not 13/],
    [key, secret.replace(/^PrivateKey.*\n/m, ''), /its PrivateKey is not 32 octets/],
    [key.replace('DNSKEY 257', 'DNSKEY 0'), secret, /its flags are 0, and must be 257/],
    [key.replace('example.test. IN', 'sub.example.test. IN'), secret, /it is a key of sub\.example\.test\./],
  ]
  for (const [keyText, text, message] of refused) {
    const found = (() => {
      try {
        parseBindKey('example.test', { key: keyText, private: text })
        return null
      } catch (error) {
        return error as Error
      }
    })()
    t.match(found?.message, message)
    t.notMatch(found?.message, privateText)
  }
})
