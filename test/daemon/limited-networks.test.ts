import t from 'tap'
import { LimitedNetworks } from '../../src/daemon/limited-networks.ts'
import { allocateCounters, Counters, networkMarks } from '../../src/dataplane/counters.ts'

const mode = { perSecond: 200, slip: 2, logOnly: false, exempt: [] }

t.test('what is new since the last look, over all workers, in one line', async (t) => {
  const buffers = [allocateCounters(), allocateCounters()]
  const [one, two] = buffers.map((buffer) => new Counters(buffer))
  const lines: unknown[] = []
  const log = { warn: (...line: unknown[]) => void lines.push(line) }
  const networks = new LimitedNetworks()
  const look = (change = {}) => {
    networks.look(buffers, { ...mode, ...change }, log as never)
    return lines.splice(0)
  }
  const limit = (counters: Counters, third: number, count: number) => {
    for (let i = 0; i < count; i++) counters.limitedNetwork(0xc000_0000 | (third << 8), networkMarks.ipv4)
  }
  t.same(look(), [], 'silence while nobody is limited')
  limit(one!, 2, 3)
  limit(two!, 2, 4)
  limit(two!, 3, 9)
  const what = 'responses are rate limited'
  const told = [
    { network: '192.0.3.0/24', responses: 9 },
    { network: '192.0.2.0/24', responses: 7 },
  ]
  t.same(look(), [[{ networks: told, others: 0 }, what]])
  t.same(look(), [])
  limit(one!, 2, 1)
  t.same(look({ logOnly: true }), [
    [
      { networks: [{ network: '192.0.2.0/24', responses: 1 }], others: 0 },
      'responses are above the rate limit, and passed',
    ],
  ])
  for (let third = 0; third < 64; third++) limit(one!, third, 1)
  const [[line]] = look() as [[{ networks: unknown[]; others: number }]]
  t.equal(line.networks.length, 8)
  t.equal(line.others, 8, 'of sixteen that have a slot')
})
