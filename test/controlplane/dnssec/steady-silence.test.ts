/** How long nodes have been silent, by two clocks. */
import t from 'tap'
import { SteadySilence } from '../../../src/controlplane/dnssec/steady-silence.ts'
import type { SigningNode } from '../../../src/controlplane/model/observation.ts'
import { HandClock } from '../timing/hand-clock.ts'

const node = (seenAt: number, silentMs: number): SigningNode => ({
  id: 'a',
  name: null,
  revision: 1,
  unsigned: [],
  leases: {},
  seenAt: new Date(seenAt),
  silentMs,
})

t.test('a clock of the database that is set forward gives nobody up', async (t) => {
  const clock = new HandClock()
  const silence = new SteadySilence(clock)
  const of = (seenAt: number, silentMs: number) => silence.of([node(seenAt, silentMs)])[0]!.silentMs
  t.equal(of(1, 500), 500)
  await clock.advance(1_000)
  t.equal(of(1, 86_400_000), 1_500)
  await clock.advance(60_000)
  t.equal(of(1, 61_500), 61_500)
  t.equal(of(1, 30_000), 30_000, 'nor is it taken for silent for longer than it says')
  t.equal(of(2, 100), 100, 'heard again')
  await clock.advance(5_000)
  t.equal(of(2, 5_100), 5_100)
})

t.test('of one that was silent before, no more is known than that', async (t) => {
  const silence = new SteadySilence(new HandClock())
  t.equal(silence.of([node(1, 86_400_000)])[0]!.silentMs, 11_000)
  t.same(silence.of([]), [])
})
