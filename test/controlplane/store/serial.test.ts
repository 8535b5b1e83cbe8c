import fc from 'fast-check'
import t from 'tap'
import { nextSerial } from '../../../src/controlplane/store/serial.ts'

t.test('follows the clock, and goes on alone when it is ahead', async (t) => {
  t.equal(nextSerial(null, 1_800_000_000.9), 1_800_000_000)
  t.equal(nextSerial(1, 1_800_000_000), 1_800_000_000)
  t.equal(nextSerial(1_800_000_000, 1_800_000_000), 1_800_000_001)
  t.equal(nextSerial(1_800_000_500, 1_800_000_000), 1_800_000_501)
})

t.test('wraps around as RFC 1982 says, past zero', async (t) => {
  t.equal(nextSerial(0xffff_ffff, 0xffff_ffff), 1)
  t.equal(nextSerial(0xffff_fff0, 2 ** 32 + 5), 5)
  t.equal(nextSerial(null, 2 ** 32), 1)
})

t.test('is greater than the last one for every serial and time', async () => {
  const uint32 = fc.nat(0xffff_ffff)
  fc.assert(
    fc.property(uint32, uint32, (serial, now) => {
      const next = nextSerial(serial, now)
      // Section 3.2, written the other way round.
      const [a, b] = [BigInt(next), BigInt(serial)]
      const half = 2n ** 31n
      return next > 0 && next <= 0xffff_ffff && ((a > b && a - b < half) || (a < b && b - a > half))
    }),
  )
})
