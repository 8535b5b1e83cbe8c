import t from 'tap'
import { wireName } from '../../support/dns-client.ts'
import { Served } from './served.ts'

/** A name of exactly `octets` octets in wire form that ends in `suffix`. */
function nameOf(octets: number, suffix: string): string {
  let left = octets - wireName(suffix).length
  const labels: string[] = []
  while (left > 0) {
    // No rest of one octet, which would be a length without a label.
    const label = Math.min(63, left - 1 - (left - 65 === 0 ? 1 : 0))
    labels.push('x'.repeat(label))
    left -= label + 1
  }
  return [...labels, suffix].join('.')
}

t.test(
  'a DNAME at the apex redirects all that is below, and not the apex (RFC 6672 section 2.3)',
  async (t) => {
    const zones = [
      { apex: 'old.test', lines: ['@ 300 NS ns1.new.test.', '@ 60 DNAME new.test.', '@ 300 A 192.0.2.9'] },
      { apex: 'new.test', lines: ['@ 300 NS ns1', 'ns1 300 A 192.0.2.53'] },
    ]
    const served = new Served(zones)
    t.same(served.ask('ns1.old.test', 'A').answer, [
      'old.test 60 DNAME new.test',
      'ns1.old.test 60 CNAME ns1.new.test',
      'ns1.new.test 300 A 192.0.2.53',
    ])
    t.same(served.ask('old.test', 'A').answer, ['old.test 300 A 192.0.2.9'])
  },
)

t.test('what does not fit is left out whole', async (t) => {
  const owner = nameOf(250, 'example.test').replace('.example.test', '')
  const target = nameOf(255, 'other.test')
  const wide = new Served([{ apex: 'example.test', lines: [`${owner} 60 DNAME ${target}.`] }])
  t.match(
    wide.ask(`abcd.${owner}.example.test`, 'A'),
    { flags: 'qr aa tc rd', rcode: 0, answer: [] },
    'the DNAME',
  )

  const narrow = new Served([{ apex: 'example.test', lines: ['@ 60 DNAME other7.test.'] }])
  const question = nameOf(255, 'example.test')
  t.match(narrow.ask(question, 'A'), { flags: 'qr aa tc rd', rcode: 0, answer: [] }, 'its CNAME')
  t.match(narrow.ask(question, 'A', { edns: {} }), { flags: 'qr aa rd', rcode: 0 })

  const before = nameOf(230, 'example.test').replace('.example.test', '')
  const second = new Served([
    {
      apex: 'example.test',
      lines: [`alias 60 CNAME x.${before}`, `${before} 60 DNAME ${nameOf(250, 'other.test')}.`],
    },
  ])
  t.match(
    second.ask('alias.example.test', 'A'),
    { flags: 'qr aa tc rd', rcode: 0, answer: [] },
    'behind an alias',
  )
  t.equal(second.ask('alias.example.test', 'A', { edns: {} }).answer.length, 3)
})
