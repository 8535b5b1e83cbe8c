import t from 'tap'
import { sipHash24 } from '../../../src/dataplane/wire/siphash.ts'

/** Vectors of the authors' reference (appendix A of the paper and its test vectors): key 00..0f, message 00..n-1. */
const vectors: [number, string][] = [
  [0, '310e0edd47db6f72'],
  [1, 'fd67dc93c539f874'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [15, 'e545be4961ca29a1'],
  [16, 'db9bc2577fcc2a3f'],
  [63, '724506eb4c328a95'],
]

t.test('the vectors of the reference', async (t) => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i)
  const data = Uint8Array.from({ length: 64 }, (_, i) => i)
  for (const [length, hash] of vectors) {
    const out = new Uint8Array(10)
    sipHash24(key, data, length, out, 1)
    t.equal(Buffer.from(out).toString('hex'), `00${hash}00`, `${length} octets`)
  }
})
