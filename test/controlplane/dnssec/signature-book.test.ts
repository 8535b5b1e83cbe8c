import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { type Signature, SignatureBook } from '../../../src/controlplane/dnssec/signature-book.ts'

const signature = (of: number): Signature => ({
  inception: 1_700_000_000 + of,
  expiration: 4_000_000_000 - of,
  octets: new Uint8Array(64).fill(of),
})
/** Half of them have the same first octets, by which they are looked for. */
function idOf(of: number): string {
  const id = createHash('sha256').update(String(of)).digest()
  if (of % 2 === 0) id.writeInt32LE(of % 8)
  return id.toString('base64')
}

function holds(book: SignatureBook, model: ReadonlyMap<number, Signature>): boolean {
  if (book.size !== model.size) return false
  for (let of = 0; of < 60; of++) {
    const found = book.find(idOf(of))
    const wanted = model.get(of)
    if ((found === undefined) !== (wanted === undefined)) return false
    if (found === undefined || wanted === undefined) continue
    if (found.inception !== wanted.inception || found.expiration !== wanted.expiration) return false
    if (Buffer.compare(found.octets, wanted.octets) !== 0) return false
  }
  const ends = Array.from(model.values(), ({ expiration }) => expiration)
  const begins = Array.from(model.values(), ({ inception }) => inception)
  const { lastBegins, firstEnds, lastEnds } = book.times()
  return (
    lastBegins === Math.max(0, ...begins) &&
    firstEnds === Math.min(...ends) &&
    lastEnds === Math.max(0, ...ends)
  )
}

t.test('keeps, forgets and finds as a map does, also after it was written and read', async () => {
  const number = fc.nat(59)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('keep' as const), of: number, as: fc.nat(255) }),
    fc.record({ kind: fc.constant('change' as const), gone: fc.array(number), came: fc.array(number) }),
    fc.record({ kind: fc.constant('reread' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let book = new SignatureBook()
      const model = new Map<number, Signature>()
      for (const each of steps) {
        if (each.kind === 'keep') {
          book.keep(idOf(each.of), signature(each.as))
          model.set(each.of, signature(each.as))
        } else if (each.kind === 'change') {
          const added = new SignatureBook()
          for (const of of each.came) added.keep(idOf(of), signature(of))
          book.change(each.gone.map(idOf), added)
          for (const of of each.gone) model.delete(of)
          for (const of of each.came) model.set(of, signature(of))
        } else book = SignatureBook.parse(book.format())
        if (!holds(book, model)) return false
      }
      return true
    }),
  )
})

t.test('what is found stays as it was, whatever becomes of the book', async (t) => {
  const book = new SignatureBook()
  book.keep(idOf(1), signature(1))
  const found = book.find(idOf(1))!
  book.keep(idOf(1), signature(2))
  t.same(found, signature(1))
  const written = book.format()
  written.fill(0)
  t.same(book.find(idOf(1)), signature(2))
})

t.test('what is no book', async (t) => {
  for (const octets of ['', 'poolsig', 'poolsig\x01x', 'poolsig\x02'])
    t.throws(() => SignatureBook.parse(Buffer.from(octets, 'latin1')), /holds no signatures of this version/)
  t.equal(SignatureBook.parse(new SignatureBook().format()).size, 0)
})
