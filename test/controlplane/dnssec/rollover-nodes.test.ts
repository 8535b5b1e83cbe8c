/** Which nodes of a fleet a step of a rollover waits for. */
import t from 'tap'
import { nodesBehind } from '../../../src/controlplane/dnssec/rollover-nodes.ts'
import type { SigningNode } from '../../../src/controlplane/model/observation.ts'

const node = (over: Partial<SigningNode>): SigningNode => ({
  id: 'a',
  name: null,
  revision: 10,
  unsigned: [],
  silentMs: 500,
  ...over,
})
const behind = (over: Partial<SigningNode>, propagationSeconds = 3600) =>
  nodesBehind([node({ id: 'b' }), node(over)], { apex: 'example.test', revision: 10 }, { propagationSeconds })

t.test('one that serves the step, signed, is not waited for', async (t) => {
  t.same(behind({}), [])
  t.same(behind({ revision: 11 }), [])
  t.same(behind({ unsigned: ['other.test'] }), [])
})

t.test('one that serves an earlier step, or can not sign this one, is', async (t) => {
  t.same(behind({ revision: 9, name: 'eu-1' }), ['eu-1 is behind'])
  t.same(behind({ revision: -1 }), ['a is behind'], 'of another history of the database')
  t.same(behind({ unsigned: ['example.test'] }), ["a can't sign it, or has not yet"])
  t.same(behind({ unsigned: ['*'] }), ["a can't sign it, or has not yet"])
})

t.test('one that is silent may answer as before for a day', async (t) => {
  const silent = ['a has been silent for 3600 s, and may answer as before']
  t.same(behind({ revision: 9, silentMs: 3_600_000 }), silent)
  t.same(behind({ unsigned: ['example.test'], silentMs: 3_600_000 }), silent)
  t.same(behind({ silentMs: 3_600_000 }), [], 'it had the step')
  t.same(behind({ revision: 9, silentMs: 86_400_001 }), [])
  t.same(behind({ revision: 9, silentMs: 86_400_001 }, 7 * 86_400), [], 'nodes are forgotten after a day')
  t.equal(behind({ revision: 9, silentMs: 20_000 }, 1).length, 1)
  t.same(behind({ revision: 9, silentMs: 30_000 }, 1), [], 'sooner where times are short')
  t.equal(behind({ revision: 9, silentMs: 9_000 }, 0).length, 1)
})
