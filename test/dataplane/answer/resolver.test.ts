/** What the walk of a query says, before a response has any octet. */
import t from 'tap'
import { Chooser } from '../../../src/dataplane/answer/chooser.ts'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { FairDice } from '../../../src/dataplane/answer/dice.ts'
import { Draw } from '../../../src/dataplane/answer/draw.ts'
import { Resolver } from '../../../src/dataplane/answer/resolver.ts'
import { Walk } from '../../../src/dataplane/answer/walk.ts'
import { Rendezvous } from '../../../src/dataplane/image/rendezvous.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { Random } from '../../../src/dataplane/random.ts'
import { formatName } from '../../../src/dataplane/wire/name.ts'
import { Query } from '../../../src/dataplane/wire/query.ts'
import { query as encode, type TypeName } from '../../support/dns-client.ts'
import { alias, leaf } from '../trees.ts'
import { servingUpdate } from '../zone-text.ts'

const dname = 'TYPE39'
/** Lower-cased wire form of `new.example.test`, in hexadecimal. */
const newName = `036e6577${Buffer.from('\x07example\x04test\0', 'latin1').toString('hex')}`
const state = new ServingState()
state.apply(
  servingUpdate(
    [
      {
        apex: 'example.test',
        lines: [
          'www 300 A 192.0.2.1',
          'alias 300 CNAME lb',
          'out 300 CNAME www.example.net.',
          `old 300 ${dname} ${newName}`,
          'www.new 300 CNAME toapex.other.test.',
          'cut 300 NS ns.cut',
          'tocut 300 CNAME x.cut',
        ],
        services: { lb: 0, cname: 1, down: 2, empty: 3 },
      },
      { apex: 'other.test', lines: ['toapex 300 CNAME @', '*.wild 300 TXT x'] },
    ],
    [
      leaf(['192.0.2.7']),
      alias(['www.example.test']),
      leaf([], { gives: 'servfail' }),
      leaf(['2001:db8::7']),
    ],
  ),
)
const query = new Query()
const walk = new Walk(query.name)
const random = new Random(1)
const rendezvous = new Rendezvous()
const chooser = new Chooser(state, query, new FairDice(random), rendezvous, walk)
const resolver = new Resolver(state, query, walk, chooser, new Draw(random, rendezvous, chooser.network))
const client = new Client()
client.set('192.0.2.200', false)

function resolve(name: string, type: TypeName | number): void {
  const request = encode(name, type)
  query.decode(request, request.length)
  walk.clear()
  resolver.resolve(request, client)
}

/** The walk as text: each name with what it puts into the answer section, then the outcome. */
function walked(name: string, type: TypeName | number): string {
  resolve(name, type)
  const links = walk.links.slice(0, walk.count).map(({ name: { bytes, length }, kind }) => {
    return `${formatName(bytes.subarray(0, length)).slice(0, -1)} ${kind}`
  })
  return [...links, walk.outcome].join(', ')
}

/** The node that the walk ended at. */
function lastNode(name: string, type: TypeName): string {
  resolve(name, type)
  const { zone, node } = walk.last
  return formatName(zone.bytes.subarray(zone.name(node), zone.name(node) + zone.nameLength(node)))
}

t.test('links and outcome of each kind of question', async (t) => {
  const table: [string, TypeName | number, string][] = [
    ['www.example.test', 'A', 'www.example.test rrset, answer'],
    ['WWW.Example.test', 'TXT', 'www.example.test none, nodata'],
    ['nowhere.example.test', 'A', 'nowhere.example.test none, nxdomain'],
    ['example.net', 'A', 'refused'],
    ['out.example.test', 'A', 'out.example.test rrset, answer'],
    ['alias.example.test', 'A', 'alias.example.test rrset, lb.example.test members, answer'],
    ['alias.example.test', 'TXT', 'alias.example.test rrset, lb.example.test none, nodata'],
    ['cname.example.test', 'A', 'cname.example.test alias, www.example.test rrset, answer'],
    ['cname.example.test', 'MX', 'cname.example.test alias, www.example.test none, nodata'],
    ['down.example.test', 'A', 'down.example.test none, servfail'],
    ['empty.example.test', 'A', 'empty.example.test none, nodata'],
    ['empty.example.test', 'ANY', 'empty.example.test members, answer'],
    ['x.cut.example.test', 'A', 'x.cut.example.test none, referral'],
    ['tocut.example.test', 'A', 'tocut.example.test rrset, x.cut.example.test none, referral'],
    ['www.old.example.test', 'CNAME', 'www.old.example.test dname, answer'],
    [
      'www.old.example.test',
      'NS',
      'www.old.example.test dname, www.new.example.test rrset, toapex.other.test rrset, other.test none, nodata',
    ],
    [
      `${'x'.repeat(63)}.${'y'.repeat(63)}.${'z'.repeat(63)}.${'o'.repeat(44)}.old.example.test`,
      'A',
      `${'x'.repeat(63)}.${'y'.repeat(63)}.${'z'.repeat(63)}.${'o'.repeat(44)}.old.example.test dname, ${'x'.repeat(63)}.${'y'.repeat(63)}.${'z'.repeat(63)}.${'o'.repeat(44)}.new.example.test none, nxdomain`,
    ],
  ]
  for (const [name, type, expected] of table) t.equal(walked(name, type), expected, `${name} ${type}`)
})

t.test('the node that proves the outcome', async (t) => {
  t.equal(lastNode('www.example.test', 'A'), 'www.example.test.', 'the name itself')
  t.equal(lastNode('a.b.www.example.test', 'A'), 'www.example.test.', 'the closest encloser of no name')
  t.equal(lastNode('q.wild.other.test', 'A'), '*.wild.other.test.', 'the wildcard')
  t.equal(lastNode('a.b.cut.example.test', 'A'), 'cut.example.test.', 'the cut')
  t.equal(lastNode('www.old.example.test', 'CNAME'), 'old.example.test.', 'the owner of the DNAME')
})

t.test('which leaf of a service was chosen, and whom it is for', async (t) => {
  resolve('cname.example.test', 'A')
  t.same(walk.choices.list(), [{ plan: 1, ipv6: false, leaf: 0, way: [] }])
  t.equal(walk.links[0]!.candidates, walk.links[0]!.leaf.cnames)
  t.equal(walk.scope, 0)
})
