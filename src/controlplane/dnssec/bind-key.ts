/**
 * Keys as BIND keeps them, so that a zone can move in and out with its key: two files, `K<zone>+<algorithm>+<tag>.key`, which has
 * the DNSKEY as a line of a master file, and the same with `.private`, a line `Name: value` each (`Private-key-format: v1.3`).
 */
import { hostnameToWire, parseName } from '../../dataplane/wire/name.ts'
import { algorithmNames, keyFlags, type SigningAlgorithm, signingAlgorithms } from '../model/dnssec.ts'
import { ControlError } from '../model/errors.ts'
import { dnskeyOf, type KeyParts, keyTag, privateKeyOf } from './zone-key.ts'

/** Texts of the two files. */
export interface BindKey {
  readonly key: string
  readonly private: string
}

/** A key, and the flags of its DNSKEY. */
export type FlaggedParts = KeyParts & { readonly flags: number }
type PublicParts = Omit<FlaggedParts, 'privateKey'>

/** Name of the two files without their ends. */
export function bindKeyName(apex: string, parts: PublicParts): string {
  const digits = (value: number, length: number) => String(value).padStart(length, '0')
  return `K${absolute(apex)}+${digits(parts.algorithm, 3)}+${digits(tagOf(parts), 5)}`
}

/** @param since for BIND's own book: from when on it is published and signs */
export function formatBindKey(apex: string, parts: FlaggedParts, since: Date): BindKey {
  const { algorithm, flags, publicKey, privateKey } = parts
  const time = since.toISOString().replace(/[-:T]|\.\d+Z$/g, '')
  const rdata = `${flags} 3 ${algorithm} ${Buffer.from(publicKey).toString('base64')}`
  return {
    key: `; This is a ${flags === keyFlags.zsk ? 'zone' : 'key'}-signing key, keyid ${tagOf(parts)}, for ${absolute(apex)}\n${absolute(apex)} IN DNSKEY ${rdata}\n`,
    private:
      `Private-key-format: v1.3\nAlgorithm: ${algorithm} (${algorithmNames[algorithm]})\n` +
      `PrivateKey: ${Buffer.from(privateKey).toString('base64')}\n` +
      `Created: ${time}\nPublish: ${time}\nActivate: ${time}\n`,
  }
}

/**
 * @returns the parts of the key
 * @throws ControlError `invalid` that says which of the texts is wrong and why; none of them is quoted
 */
export function parseBindKey(apex: string, { key, private: secret }: BindKey): FlaggedParts {
  const published = parseKeyFile(apex, withoutMark(key))
  const { algorithm, privateKey } = parsePrivateFile(withoutMark(secret))
  if (algorithm !== published.algorithm) {
    throw refusal(
      'private',
      `its algorithm is ${algorithm}, and that of the public key ${published.algorithm}`,
    )
  }
  const parts = { ...published, privateKey }
  try {
    privateKeyOf(parts)
  } catch {
    throw refusal('private', `it does not belong to the public key (tag ${tagOf(parts)})`)
  }
  return parts
}

function parseKeyFile(apex: string, text: string): PublicParts {
  const line = text
    .split(/\r?\n/)
    .map((each) => each.replace(/;.*$/, '').trim())
    .find((each) => each !== '')
  const [, owner, flags, protocol, algorithm, base64] =
    /^(\S+)\s+(?:\d+\s+)?(?:IN\s+)?DNSKEY\s+(\d+)\s+(\d+)\s+(\d+)\s+([A-Za-z0-9+/=\s]+)$/i.exec(line ?? '') ??
    []
  if (owner === undefined || base64 === undefined) {
    throw refusal('key', 'it has no line such as "example.org. IN DNSKEY 257 3 13 ..."')
  }
  if (!isOwner(apex, owner)) throw refusal('key', `it is a key of ${owner} and not of ${absolute(apex)}`)
  if (protocol !== '3')
    throw refusal('key', `its protocol is ${protocol}, and must be 3 (RFC 4034 section 2.1.2)`)
  const number = algorithmOf(algorithm!)
  if (number === null)
    throw refusal('key', `algorithm ${algorithm} is not 13 (ECDSAP256SHA256) or 15 (ED25519)`)
  if (flags !== String(keyFlags.csk) && flags !== String(keyFlags.zsk)) {
    const known = `${keyFlags.csk} for a key that the parent knows, and ${keyFlags.zsk} for another one`
    throw refusal('key', `its flags are ${flags}, and must be ${known}`)
  }
  const publicKey = Buffer.from(base64, 'base64')
  const length = number === 13 ? 64 : 32
  if (publicKey.length !== length) {
    throw refusal(
      'key',
      `its public key has ${publicKey.length} octets, and one of algorithm ${number} has ${length}`,
    )
  }
  return { algorithm: number, flags: Number(flags), publicKey }
}

function parsePrivateFile(text: string): Pick<KeyParts, 'algorithm' | 'privateKey'> {
  const fields = new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const [, name, value] = /^([A-Za-z-]+):\s*(.*?)\s*$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value!] as const]
    }),
  )
  const format = fields.get('Private-key-format')
  if (format === undefined || !/^v1\.\d+$/.test(format)) {
    throw refusal('private', 'it has no line "Private-key-format: v1.3"')
  }
  const said = fields.get('Algorithm') ?? ''
  const algorithm = algorithmOf(/^\d+/.exec(said)?.[0] ?? '')
  if (algorithm === null)
    throw refusal('private', 'its Algorithm is not 13 (ECDSAP256SHA256) or 15 (ED25519)')
  const privateKey = Buffer.from(fields.get('PrivateKey') ?? '', 'base64')
  if (privateKey.length !== 32) throw refusal('private', 'its PrivateKey is not 32 octets in base64')
  return { algorithm, privateKey }
}

function isOwner(apex: string, owner: string): boolean {
  try {
    return Buffer.from(parseName(owner.toLowerCase())).equals(hostnameToWire(apex))
  } catch {
    return false
  }
}

/** Editors of some systems begin a file with a byte order mark. */
const withoutMark = (text: string) => text.replace(/^\u{FEFF}/u, '')

const algorithmOf = (text: string): SigningAlgorithm | null =>
  signingAlgorithms.find((each) => String(each) === text) ?? null

const tagOf = ({ algorithm, flags, publicKey }: PublicParts) =>
  keyTag(dnskeyOf({ algorithm, flags, publicKey: Buffer.from(publicKey).toString('base64') }))

const absolute = (apex: string) => (apex === '.' ? '.' : `${apex}.`)

function refusal(path: 'key' | 'private', message: string): ControlError {
  return new ControlError('invalid', `the key can't be imported: ${message}`, {
    problems: [{ path, message }],
  })
}
