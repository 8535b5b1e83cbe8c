import t from 'tap'
import { LeastRecentMap } from '../../../../src/controlplane/health/probes/least-recent.ts'

t.test('the one that was used longest ago makes room', async (t) => {
  const map = new LeastRecentMap<string, number>(2)
  map.set('a', 1)
  map.set('b', 2)
  t.equal(map.get('a'), 1)
  map.set('c', 3)
  t.equal(map.get('b'), undefined)
  t.equal(map.get('a'), 1)
  map.set('c', 4)
  t.strictSame([map.get('c'), map.get('a')], [4, 1], 'another value takes no room')
  map.set('c', 5)
  map.set('d', 6)
  t.equal(map.get('a'), undefined, 'writing is use')
  t.equal(map.get('c'), 5)
})
