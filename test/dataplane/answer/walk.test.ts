import t from 'tap'
import { type Link, maxChain, Walk } from '../../../src/dataplane/answer/walk.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { NameScan } from '../../../src/dataplane/wire/name-scan.ts'
import { zoneImage } from '../zone-text.ts'

const image = (apex: string) => new ZoneImage(zoneImage({ apex, lines: [] }))
const zone = image('example.test')
const question = new NameScan()

function put(name: NameScan, text: string): void {
  const wire = parseName(text)
  name.load(wire, 0, wire.length)
}

/** Adds a link for a name, as an alias that was followed. */
function add(walk: Walk, text: string, rrset: number, ownerLabel = 0, of = zone): Link {
  put(walk.nextName!, text)
  const link = walk.add(of, 1)
  link.rrset = rrset
  link.ownerLabel = ownerLabel
  return link
}

t.test('an RRset is known by its zone, its number and its owner', async (t) => {
  const walk = new Walk(question)
  const first = add(walk, 'a.example.test.', 2)
  t.equal(walk.before(first), null, 'nothing is before the first')
  t.equal(walk.before(add(walk, 'a.example.test.', 2)), first)
  t.equal(walk.before(add(walk, 'A.Example.test.', 2)), first, 'in either case')
  t.equal(walk.before(add(walk, 'b.example.test.', 2)), null, 'another owner, by a wildcard')
  t.equal(walk.before(add(walk, 'a.example.test.', 3)), null, 'another RRset')
  t.equal(walk.before(add(walk, 'a.example.test.', 2, 0, image('other.test'))), null, 'another zone')
})

t.test('a DNAME goes in a circle at a name that it has had, or at any when it leads inward', async (t) => {
  const walk = new Walk(question)
  const dname = (text: string, rrset: number) => add(walk, text, rrset, 1)
  t.notOk(walk.circles(dname('a.d.example.test.', 1)))
  t.notOk(walk.circles(dname('b.d.example.test.', 1)))
  t.ok(walk.circles(dname('a.d.example.test.', 1)))
  const inward = dname('a.e.example.test.', 3)
  t.notOk(walk.circles(inward), 'another DNAME')
  inward.inward = true
  t.ok(walk.circles(dname('c.e.example.test.', 3)))
})

t.test('a walk has as many links as a chain may have, and begins anew with the next question', async (t) => {
  const walk = new Walk(question)
  t.equal(walk.nextName, question)
  for (let i = 0; i < maxChain; i++) add(walk, `a${i}.example.test.`, i)
  t.equal(walk.nextName, null)
  t.equal(walk.last.rrset, maxChain - 1)
  walk.last.kind = 'rrset'
  walk.outcome = 'nxdomain'
  walk.scope = 24
  walk.clear()
  t.match(walk, { count: 0, outcome: 'answer', scope: 0 })
  t.equal(walk.nextName, question)
})

t.test('what outcomes come to', async (t) => {
  const walk = new Walk(question)
  add(walk, 'a.example.test.', 1)
  for (const [outcome, rcode, authoritative] of [
    ['answer', 0, true],
    ['nodata', 0, true],
    ['nxdomain', 3, true],
    ['referral', 0, false],
    ['yxdomain', 6, true],
    ['servfail', 2, true],
    ['refused', 5, false],
  ] as const) {
    walk.outcome = outcome
    t.match(walk, { rcode, authoritative }, outcome)
  }
  add(walk, 'b.example.test.', 2)
  walk.outcome = 'referral'
  t.equal(walk.authoritative, true, 'for the alias that led to the cut')
})

t.test('between two queries a walk holds no image', async (t) => {
  const walk = new Walk(question)
  add(walk, 'a.example.test.', 1)
  walk.release()
  t.equal(walk.last.zone, null)
  t.equal(walk.count, 1, 'what was counted stays')
})
