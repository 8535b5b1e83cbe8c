import t from 'tap'
import { query, readResponse, type TypeName, wireName } from '../../support/dns-client.ts'
import { serveLines } from './zone-lines.ts'

const dname = 39
const longTarget = `${'t'.repeat(60)}.${'u'.repeat(60)}.${'v'.repeat(60)}`
const respond = serveLines({
  'example.test.': [
    'ns1 300 A 192.0.2.53',
    'old 60 DNAME new',
    'old 60 A 192.0.2.9',
    'www.new 300 A 192.0.2.1',
    'alias.new 300 CNAME again.old',
    `long 60 DNAME ${longTarget}`,
    'deeper 60 DNAME x.deeper',
    'one 60 DNAME two',
    'two 60 DNAME one',
    'there 60 DNAME a.back',
    'back 60 DNAME b.there',
    'tocut 60 DNAME inside.cut',
    'cut 60 NS ns.cut',
    'ns.cut 60 A 192.0.2.54',
    'tochild 60 DNAME below.child',
    'toapex 60 DNAME @',
    'toself 60 DNAME @',
    'x 60 CNAME toself',
    'away 60 DNAME example.net.',
  ],
  'child.example.test.': ['www.below 300 A 192.0.2.7', 'go.below 60 DNAME old.example.test.'],
})

function ask(name: string | Uint8Array, type: TypeName | number, payload = 1232) {
  return readResponse(respond(query(name, type, { edns: { payload } })))
}

t.test('the CNAME that stands for a DNAME, and what it leads to', async (t) => {
  const { flags, rcode, answer, authority } = ask('WWW.Old.example.test', 'A')
  t.equal(flags, 'qr aa rd')
  t.equal(rcode, 0)
  t.strictSame(answer, [
    'Old.example.test 60 DNAME new.example.test',
    'WWW.Old.example.test 60 CNAME www.new.example.test',
    'www.new.example.test 300 A 192.0.2.1',
  ])
  t.strictSame(authority, [])
})

t.test('the CNAME is what a question for a CNAME asks for, so the chain ends with it', async (t) => {
  for (const name of ['www.old.example.test', 'nothing.old.example.test']) {
    const { rcode, answer, authority } = ask(name, 'CNAME')
    t.equal(rcode, 0)
    t.equal(answer.length, 2)
    t.strictSame(authority, [])
  }
})

t.test('the owner of a DNAME is not redirected', async (t) => {
  t.strictSame(ask('old.example.test', 'A').answer, ['old.example.test 60 A 192.0.2.9'])
  t.strictSame(ask('old.example.test', dname).answer, ['old.example.test 60 DNAME new.example.test'])
  const none = ask('old.example.test', 'TXT')
  t.equal(none.rcode, 0)
  t.match(none.authority, [/^example\.test 60 SOA/])
})

t.test('a name that becomes too long', async (t) => {
  const prefix = (octets: number) => Buffer.concat([Buffer.of(octets), Buffer.alloc(octets, 0x70)])
  const target = wireName(`${longTarget}.example.test`).length
  const name = (octets: number) => Buffer.concat([prefix(octets), wireName('long.example.test')])
  const fits = ask(name(255 - target - 1), 'A')
  t.equal(fits.rcode, 3)
  t.equal(fits.answer.length, 2)
  const over = ask(name(255 - target), 'A')
  t.equal(over.rcode, 6, 'YXDOMAIN')
  t.match(over.answer, [/^long\.example\.test 60 DNAME /])
  t.strictSame(over.authority, [], 'no SOA')
})

t.test('a DNAME that leads to itself or deeper is followed once', async (t) => {
  const deeper = ask('q.deeper.example.test', 'A')
  t.equal(deeper.rcode, 0)
  t.strictSame(deeper.answer, [
    'deeper.example.test 60 DNAME x.deeper.example.test',
    'q.deeper.example.test 60 CNAME q.x.deeper.example.test',
  ])
  t.strictSame(ask('q.one.example.test', 'A').answer, [
    'one.example.test 60 DNAME two.example.test',
    'q.one.example.test 60 CNAME q.two.example.test',
    'two.example.test 60 DNAME one.example.test',
    'q.two.example.test 60 CNAME q.one.example.test',
  ])
})

t.test('a DNAME is applied as often as the names lead to it, and written once', async (t) => {
  t.strictSame(ask('x.toself.toself.example.test', 'A').answer, [
    'toself.example.test 60 DNAME example.test',
    'x.toself.toself.example.test 60 CNAME x.toself.example.test',
    'x.toself.example.test 60 CNAME x.example.test',
    'x.example.test 60 CNAME toself.example.test',
  ])
  t.equal(ask('q.toself.toself.toself.example.test', 'A').rcode, 3, 'that of the end of the chain')
  t.strictSame(ask('alias.old.example.test', 'A').answer.slice(2), [
    'alias.new.example.test 300 CNAME again.old.example.test',
    'again.old.example.test 60 CNAME again.new.example.test',
  ])
})

t.test(
  'two DNAMEs that make the name longer together end at eighteen aliases, or at the longest name',
  async (t) => {
    const short = ask('q.there.example.test', 'A')
    t.equal(short.rcode, 0)
    t.equal(short.answer.length, 2 + 18)
    t.strictSame(short.answer.slice(-2), [
      `q.${'a.b.'.repeat(8)}there.example.test 60 CNAME q.${'a.b.'.repeat(8)}a.back.example.test`,
      `q.${'a.b.'.repeat(8)}a.back.example.test 60 CNAME q.${'a.b.'.repeat(9)}there.example.test`,
    ])
    const label = (octets: number) => 'q'.repeat(octets)
    const long = ask(`${label(63)}.${label(63)}.${label(63)}.${label(40)}.there.example.test`, 'A')
    t.equal(long.rcode, 6, 'YXDOMAIN')
    t.equal(long.answer.filter((rr) => rr.includes(' DNAME ')).length, 2)
  },
)

t.test('the DNAME that was followed is not written again when it is what was asked for', async (t) => {
  t.strictSame(ask('x.toself.example.test', dname).answer, [
    'toself.example.test 60 DNAME example.test',
    'x.toself.example.test 60 CNAME x.example.test',
    'x.example.test 60 CNAME toself.example.test',
  ])
})

t.test('owners inside the target that the synthesised CNAME only points to', async (t) => {
  const referral = ask('q.tocut.example.test', 'A')
  t.equal(referral.flags, 'qr aa rd')
  t.strictSame(referral.answer.at(-1), 'q.tocut.example.test 60 CNAME q.inside.cut.example.test')
  t.strictSame(referral.authority, ['cut.example.test 60 NS ns.cut.example.test'])
  t.strictSame(referral.additional, ['ns.cut.example.test 60 A 192.0.2.54'])
  const inChild = ask('www.tochild.example.test', 'A')
  t.strictSame(inChild.answer.at(-1), 'www.below.child.example.test 300 A 192.0.2.7')
  t.match(ask('no.tochild.example.test', 'A').authority, [/^child\.example\.test 60 SOA ns1\.child/])
  t.strictSame(ask('www.go.tochild.example.test', 'A').answer.slice(2), [
    'go.below.child.example.test 60 DNAME old.example.test',
    'www.go.below.child.example.test 60 CNAME www.old.example.test',
    'old.example.test 60 DNAME new.example.test',
    'www.old.example.test 60 CNAME www.new.example.test',
    'www.new.example.test 300 A 192.0.2.1',
  ])
  t.strictSame(ask('ns1.toapex.example.test', 'A').answer.at(-1), 'ns1.example.test 300 A 192.0.2.53')
  t.strictSame(ask('q.away.example.test', 'A').answer.at(-1), 'q.away.example.test 60 CNAME q.example.net')
})

t.test('a long target is spelled once', async (t) => {
  const octets = respond(query('q.long.example.test', 'CNAME'))
  const target = wireName(`${longTarget}.example.test`).length
  const question = 12 + wireName('q.long.example.test').length + 4
  t.equal(octets.length, question + 12 + target + 12 + 2 + 2)
})
