import fc from 'fast-check'
import t from 'tap'
import { labelOffsets, lowerName } from '../../../src/dataplane/wire/name.ts'
import { nameHashKey } from '../../../src/dataplane/wire/name-hash-key.ts'
import { hashName, NameScan } from '../../../src/dataplane/wire/name-scan.ts'
import { anyName, deepName } from './arbitrary-names.ts'

const wire = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))

t.test('reads what is a name and ends inside the message', async (t) => {
  const scan = new NameScan()
  const label63 = `\x3f${'a'.repeat(63)}`
  const table: [string, string, number][] = [
    ['root', '\0', 1],
    ['a name', '\x03wWw\x04Test\0trailing', 10],
    ['no octets', '', -1],
    ['no root', '\x03www', -1],
    ['a label that runs over the end', '\x04www', -1],
    ['a label of 64', `\x40${'a'.repeat(64)}\0`, -1],
    ['a pointer', '\x01a\xc0\x00', -1],
    ['255 octets', `${label63.repeat(3)}\x3d${'b'.repeat(61)}\0`, 255],
    ['256 octets', `${label63.repeat(3)}\x3e${'b'.repeat(62)}\0`, -1],
    ['256 octets by a last short label', `${label63.repeat(3)}\x3c${'b'.repeat(60)}\x01c\0`, -1],
    ['127 labels', `${'\x01a'.repeat(127)}\0`, 255],
    ['128 labels', `${'\x01a'.repeat(128)}\0`, -1],
  ]
  for (const [what, octets, end] of table) {
    const source = wire(octets)
    t.equal(scan.load(source, 0, source.length), end, what)
  }
})

t.test('a name in two pieces is the name', async (t) => {
  const whole = wire('\x03wWw\x04Test\0')
  const [scan, joined] = [new NameScan(), new NameScan()]
  scan.load(whole, 0, whole.length)
  for (const front of [0, 4, 9]) {
    joined.loadJoined(wire(`xx${'\x03wWw\x04Test\0'.slice(0, front)}`), 2, front, whole, front, 10 - front)
    t.same([joined.count, joined.length], [2, 10])
    t.same(joined.bytes.subarray(0, 10), scan.bytes.subarray(0, 10))
    t.same(joined.hashes.subarray(0, 3), scan.hashes.subarray(0, 3))
  }
})

t.test('lower case, offsets, and the hash of each suffix', async () => {
  const scan = new NameScan()
  fc.assert(
    fc.property(fc.oneof(anyName, deepName), fc.nat(20), (name, at) => {
      const source = Uint8Array.from([...new Uint8Array(at), ...name])
      if (scan.load(source, at, source.length) !== source.length) return false
      const lower = lowerName(name)
      const offsets = [...labelOffsets(name), name.length - 1]
      return (
        scan.length === name.length &&
        scan.count === offsets.length - 1 &&
        Buffer.from(lower).equals(scan.bytes.subarray(0, scan.length)) &&
        offsets.every((offset, label) => scan.offsets[label] === offset) &&
        offsets.every((offset, label) => scan.hashes[label] === hashName(lower.subarray(offset)))
      )
    }),
  )
})

t.test('a name cut anywhere is refused', async () => {
  const scan = new NameScan()
  fc.assert(
    fc.property(anyName, (name) => {
      for (let end = 0; end < name.length; end++) if (scan.load(name, 0, end) !== -1) return false
      return true
    }),
  )
})

t.test('a suffix equals octets elsewhere when every label does', async (t) => {
  const scan = new NameScan()
  const source = wire('\x03WWW\x04test\0')
  scan.load(source, 0, source.length)
  const other = wire('xx\x04test\0yy')
  t.ok(scan.suffixEquals(1, other, 2, 6))
  t.notOk(scan.suffixEquals(0, other, 2, 6))
  t.notOk(scan.suffixEquals(1, wire('\x04tesu\0'), 0, 6))
  t.ok(scan.suffixEquals(2, other, 7, 1))
})

t.test('the secret of hashes is made once, and is the same for whoever loads it again', async (t) => {
  const again = await import(`../../../src/dataplane/wire/name-hash-key.ts?${'again'}`)
  t.same(again.nameHashKey, nameHashKey)
  t.equal(nameHashKey.multiplier & 7, 5)
})

t.test('hashes spread over small tables', async (t) => {
  const buckets = new Uint32Array(256)
  for (let i = 0; i < 25_600; i++) buckets[hashName(wire(`\x06h${10_000 + i}\x04test\0`)) & 255]!++
  t.ok(Math.max(...buckets) < 160, `the fullest of 256 buckets holds ${Math.max(...buckets)} of 25,600 names`)
})
