/** Hashed owner names: against node:crypto, and the vectors of the RFC. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { lowerName, parseName } from '../../../src/dataplane/wire/name.ts'
import {
  compareHashes,
  hashLabelLength,
  hashOwner,
  hashWords,
  readHashLabel,
  writeHashLabel,
} from '../../../src/dataplane/wire/owner-hash.ts'
import { formatRdata } from '../../../src/dataplane/wire/rdata.ts'

const octetsOf = (hash: Int32Array) => {
  const octets = Buffer.alloc(4 * hashWords)
  for (const [i, word] of hash.entries()) octets.writeInt32BE(word ^ 0x8000_0000, 4 * i)
  return octets
}

/** As `formatRdata` has the next hashed owner name. */
const base32 = (octets: Buffer) =>
  formatRdata(50, Buffer.concat([Buffer.of(1, 0, 0, 0, 0, octets.length), octets])).split(' ')[4]!

const sha1 = (...octets: Uint8Array[]) => createHash('sha1').update(Buffer.concat(octets)).digest()

t.test('SHA-1 of any name, and of the wildcard below it', async () => {
  const hash = new Int32Array(hashWords)
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 255 }),
      fc.nat({ max: 3 }),
      fc.boolean(),
      (bytes, skip, wildcard) => {
        const from = Math.min(skip, bytes.length)
        hashOwner(bytes, from, bytes.length, wildcard, hash)
        const expected = sha1(Buffer.from(wildcard ? [1, 0x2a] : []), bytes.subarray(from))
        return octetsOf(hash).equals(expected)
      },
    ),
    { numRuns: 2000 },
  )
  for (let length = 0; length < 256; length++) {
    hashOwner(Buffer.alloc(length, 1), 0, length, false, hash)
    if (!octetsOf(hash).equals(sha1(Buffer.alloc(length, 1)))) t.fail(`${length}`)
  }
})

t.test('the label of a hash, written and read', async (t) => {
  const hash = new Int32Array(2 * hashWords)
  const label = new Uint8Array(hashLabelLength + 1)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (name) => {
      hashOwner(name, 0, name.length, false, hash, 0)
      writeHashLabel(hash, 0, label, 1)
      const text = Buffer.from(label.subarray(2)).toString()
      readHashLabel(label, 1, hash, hashWords)
      return (
        label[1] === 32 &&
        text === base32(sha1(name)).toLowerCase() &&
        compareHashes(hash, 0, hash, hashWords) === 0
      )
    }),
  )
  // dnssec-signzone -3 - -H 0, and nsec3hash - 1 0 example.test
  const name = lowerName(parseName('example.test.'))
  hashOwner(name, 0, name.length, false, hash)
  writeHashLabel(hash, 0, label, 0)
  t.equal(Buffer.from(label.subarray(1, 33)).toString(), base32(sha1(name)).toLowerCase())
})

t.test('the order is that of the octets', async () => {
  const two = new Int32Array(2 * hashWords)
  const words = fc.array(fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000), { minLength: 5, maxLength: 5 })
  fc.assert(
    fc.property(words, words, (a, b) => {
      two.set([...a, ...b])
      const order = Buffer.compare(octetsOf(two.subarray(0, 5)), octetsOf(two.subarray(5)))
      return compareHashes(two, 0, two, hashWords) === order
    }),
  )
})
