import t from 'tap'
import { ServiceBook } from '../../../src/controlplane/signing/service-book.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { apex, daySeconds, setKey } from './signing-fixture.ts'

const key = (last: number) => setKey(types.a, [Uint8Array.of(192, 0, 2, last)])

function rrsig(expiration: number, inception = 0): Uint8Array {
  const octets = Buffer.alloc(100)
  octets.writeUInt32BE(inception, 12)
  octets.writeUInt32BE(expiration, 8)
  return octets
}

function setUp() {
  const time = { seconds: 1000 }
  const subject = { service: 'www.example.test', apex, keys: [], ttlSeconds: 60 }
  const book = new ServiceBook(subject, () => time.seconds)
  const find = (last: number) => book.of(key(last))
  return { time, book, find }
}

t.test('what is missing is noted; what is refused or has ended is left out', async (t) => {
  const { time, book, find } = setUp()
  book.begin()
  t.equal(find(1), undefined)
  t.same([...book.missing], [key(1)])
  const one = [rrsig(2000), rrsig(1500)]
  t.equal(book.keep(key(1), one), false)
  t.equal(book.keep(key(2), []), false)
  book.begin()
  t.equal(find(1), one)
  t.equal(find(2), undefined)
  t.equal(book.missing.size, 0, 'a refused one is not missing')
  time.seconds = 1500
  book.begin()
  t.equal(find(1), undefined, 'the first of them has ended')
  t.equal(book.missing.size, 0)
  t.equal(book.keep(key(1), [rrsig(9000)]), true)
  t.ok(find(1))
  t.same(book.times, { signatures: 1, beginsAt: 0, expiresAt: 9000, endsAt: 9000 })
  book.keep(key(7), [rrsig(8000, 500)])
  t.same(book.times, { signatures: 2, beginsAt: 500, expiresAt: 8000, endsAt: 9000 })
  t.same([...book.lacking([1, 2, 3, 4].map(key))], [key(3), key(4)])
  t.same([...book.lacking([3, 4].map(key), 1)], [key(3)])
})

t.test('what has a week left, has not begun, or was refused, is due', async (t) => {
  const { time, book } = setUp()
  book.keep(key(4), [rrsig(time.seconds + 8 * daySeconds, time.seconds + 1)])
  book.keep(key(1), [rrsig(time.seconds + 8 * daySeconds)])
  book.keep(key(2), [rrsig(time.seconds + 6 * daySeconds)])
  book.keep(key(3), [])
  t.same(book.due(time.seconds), [key(4), key(2), key(3)])
  t.same(book.due(time.seconds + 1), [key(2), key(3)])
})

t.test('what nobody looks for any more is forgotten once it is more than half', async (t) => {
  const { book, find } = setUp()
  const signed = [rrsig(90_000)]
  for (let last = 0; last < 60; last++) book.keep(key(last), signed)
  book.begin()
  for (let last = 0; last < 30; last++) find(last)
  book.prune()
  t.equal(book.size, 60, 'half of it is of use')
  book.begin()
  for (let last = 0; last < 20; last++) find(last)
  book.lacking([key(59)])
  book.prune()
  t.equal(book.size, 21)
  t.ok(find(59))
  t.equal(book.times.signatures, 21)
  book.begin()
  book.prune()
  t.equal(book.size, 0)
  t.same(book.times, { signatures: 0, beginsAt: 0, expiresAt: Number.POSITIVE_INFINITY, endsAt: 0 })
  for (let last = 0; last < 10; last++) book.keep(key(last), signed)
  book.begin()
  book.prune()
  t.equal(book.size, 10, 'so few are kept')
})
