/** What two documents say differently. */
import t from 'tap'
import { documentDifferences } from '../../../src/controlplane/apply/document-difference.ts'
import { readDocument } from '../../../src/controlplane/document/document.ts'

function configuration(input: unknown) {
  const read = readDocument(input)
  if (!read.ok) throw new Error(JSON.stringify(read.problems))
  return read.document.configuration
}

const between = (from: unknown, to: unknown) => documentDifferences(configuration(from), configuration(to))
const monitor = (secret: string) => ({ monitors: { web: { headers: { authorization: secret } } } })

t.test('part by part, and nothing of how it is said', (t) => {
  const soa = { mname: 'ns1.a.test.', rname: 'h.a.test.' }
  const zone = (data: string[], ttl: string) => ({
    zones: { 'a.test': { soa, ttl, rrsets: [{ name: 'www', type: 'A', data }] } },
  })
  t.same(between(zone(['192.0.2.1'], '5m'), zone(['192.0.2.1'], '300s')), [])
  t.match(between(zone(['192.0.2.1'], '5m'), zone(['192.0.2.2'], '6m')), [
    { kind: 'zone', name: 'a.test', action: 'change', fields: [{ path: 'ttl', after: '6m' }] },
    {
      kind: 'rrset',
      name: 'a.test/www/A',
      rrset: { zone: 'a.test', owner: 'www', type: 'A' },
      fields: [{ path: 'data', before: ['192.0.2.1'], after: ['192.0.2.2'] }],
    },
  ])
  const pools = (...members: string[]) => ({
    pools: {
      web: { members: Object.fromEntries(members.map((name, nth) => [name, { address: `192.0.2.${nth}` }])) },
    },
  })
  t.match(between(pools('a'), pools('a', 'b')), [{ action: 'change', fields: [{ path: 'members.b' }] }])
  t.match(between({}, pools('a')), [{ kind: 'pool', action: 'add' }])
  t.match(between(pools('a'), {}), [{ kind: 'pool', action: 'remove' }])
  t.end()
})

t.test('secrets differ, and are not shown', (t) => {
  const found = between(monitor('one'), monitor('two'))
  t.match(found, [
    {
      kind: 'monitor',
      fields: [{ path: 'headers.authorization', before: '[hidden]', after: '[hidden]' }],
    },
  ])
  t.same(between(monitor('[hidden]'), monitor('two')), [], 'whoever exported it was not shown it')
  t.same(between(monitor('two'), monitor('[hidden]')), [])
  t.end()
})
