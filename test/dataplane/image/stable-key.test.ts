import t from 'tap'
import { mix32, stableKey } from '../../../src/dataplane/image/stable-key.ts'

const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0')

t.test('vectors, for ever', async (t) => {
  // The mixer is lowbias32 of Wellons; FNV-1a of the texts is 811c9dc5, e40c292c, bf9cf968 and so on.
  const mixed: [number, string][] = [
    [0x00000000, '00000000'],
    [0x00000001, '688990c0'],
    [0x00000002, 'd1132181'],
    [0x80000000, 'cc4b4124'],
    [0xffffffff, '6768824a'],
    [0x12345678, 'f5e71c96'],
  ]
  for (const [word, wanted] of mixed) t.equal(hex(mix32(word)), wanted, hex(word))
  const keys: [string, string][] = [
    ['', '74141c20'],
    ['a', '6c4e37eb'],
    ['foobar', 'bcf36d1c'],
    ['fra-1', '6343dd53'],
    ['fra-2', '8e5af77f'],
    ['web-eu/fra-1', '6fdd1b54'],
    ['ü', '70c0417d'],
    ['192.0.2.1', 'eb877e81'],
  ]
  for (const [text, wanted] of keys) t.equal(hex(stableKey(text)), wanted, text)
})

t.test('different words stay different, and every bit changes about half of the others', async (t) => {
  const seen = new Set(Array.from({ length: 100_000 }, (_, i) => mix32(i)))
  t.equal(seen.size, 100_000)
  for (let bit = 0; bit < 32; bit++) {
    let flipped = 0
    for (let i = 0; i < 2000; i++) {
      const word = Math.imul(i, 0x9e37_79b1)
      flipped += hex(mix32(word) ^ mix32(word ^ (1 << bit)))
        .split('')
        .reduce(
          (sum, digit) => sum + [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4][Number.parseInt(digit, 16)]!,
          0,
        )
    }
    const mean = flipped / 2000
    t.ok(mean > 15 && mean < 17, `bit ${bit}: ${mean}`)
  }
})
