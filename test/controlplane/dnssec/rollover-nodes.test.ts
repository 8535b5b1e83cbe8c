/** Which nodes of a fleet a step of a rollover waits for, and for how long. */
import t from 'tap'
import { leaseMs, nodesBefore, nodesBehind } from '../../../src/controlplane/dnssec/rollover-nodes.ts'
import type { SigningNode } from '../../../src/controlplane/model/observation.ts'

const apex = 'example.test'
const hourMs = 3_600_000
const node = (over: Partial<SigningNode>): SigningNode => ({
  id: 'a',
  name: null,
  revision: 10,
  unsigned: [],
  silentMs: 500,
  seenAt: new Date(0),
  leases: {},
  ...over,
})
const behind = (over: Partial<SigningNode>) =>
  nodesBehind([node({ id: 'b' }), node(over)], { apex, revision: 10 })

t.test('one that serves the step, signed, is not waited for', async (t) => {
  t.same(behind({}), [])
  t.same(behind({ revision: 11 }), [])
  t.same(behind({ unsigned: ['other.test'] }), [])
})

t.test('one that serves an earlier step, or can not sign this one, is', async (t) => {
  t.same(behind({ revision: 9, name: 'eu-1' }), ['eu-1 is behind'])
  t.same(behind({ revision: -1 }), ['a is behind'], 'of another history of the database')
  t.same(behind({ unsigned: [apex] }), ["a can't sign it, or has not yet"])
  t.same(behind({ unsigned: ['*'] }), ["a can't sign it, or has not yet"])
})

t.test('one that is silent is waited for until its lease has run out, and a while longer', async (t) => {
  const leases = { [apex]: 24 * hourMs }
  const silent = ['a has been silent for 3600 s, and may answer as before']
  t.same(behind({ revision: 9, silentMs: hourMs, leases }), silent)
  t.same(behind({ unsigned: [apex], silentMs: hourMs, leases }), silent)
  t.same(behind({ silentMs: hourMs, leases }), [], 'it had the step')
  const late = 24 * hourMs * 1.01
  t.equal(behind({ revision: 9, silentMs: late, leases }).length, 1, 'no two clocks go alike')
  t.same(behind({ revision: 9, silentMs: late + 1, leases }), [])
  t.equal(behind({ revision: 9, silentMs: 34_000, leases: { [apex]: 24_000 } }).length, 1)
  t.same(behind({ revision: 9, silentMs: 34_001, leases: { [apex]: 24_000 } }), [])
})

t.test('one that is silent without a lease is waited for without end', async (t) => {
  const word =
    /^a has been silent for 518400 s, and may answer as before; where it is gone for good, "pooldns forget-node a" says so$/
  const silentMs = 144 * hourMs
  t.match(behind({ revision: 9, silentMs }), [word])
  t.match(behind({ revision: 9, silentMs, leases: { 'other.test': 10_000 } }), [word])
  t.match(behind({ revision: 9, silentMs, leases: JSON.parse('{"__proto__": 10}') }), [word])
})

t.test('what another zone has is waited for, whatever leases there are', async (t) => {
  const leases = { [apex]: 10_000 }
  const nodes = [node({}), node({ revision: 9 }), node({ revision: 9, silentMs: 99_000, leases })]
  t.match(nodesBefore(nodes, 10), ['a is behind', /^a has been silent for 99 s.*forget-node a/])
})

t.test('leases are of a day at the most', async (t) => {
  t.equal(leaseMs({ propagationSeconds: 1 }), 24_000)
  t.equal(leaseMs({ propagationSeconds: 0 }), 10_000)
  t.equal(leaseMs({ propagationSeconds: 3_600 }), 24 * hourMs)
  t.equal(leaseMs({ propagationSeconds: 7 * 86_400 }), 24 * hourMs)
})
