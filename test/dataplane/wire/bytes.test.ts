import fc from 'fast-check'
import t from 'tap'
import { ByteWriter } from '../../../src/dataplane/wire/bytes.ts'

t.test('numbers are written in network order', async (t) => {
  const out = new ByteWriter()
  out.u8(0xfe)
  out.u16(0x0102)
  out.u32(0xfffefdfc)
  t.equal(out.length, 7)
  t.equal(Buffer.from(out.finish()).toString('hex'), 'fe0102fffefdfc')
})

t.test('grows to hold whatever is appended, and hands out copies', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (parts) => {
      const out = new ByteWriter()
      for (const part of parts) out.append(part)
      const first = out.finish()
      out.u8(1)
      return Buffer.concat(parts).equals(first) && out.length === first.length + 1
    }),
  )
})
