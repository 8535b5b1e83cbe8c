import t from 'tap'
import { OverrideExpiry } from '../../../src/controlplane/follow/override-expiry.ts'
import type { Override } from '../../../src/controlplane/model/override.ts'

const override = (member: string, until: Date | null): Override => ({
  pool: 'web',
  member,
  state: 'drain',
  until,
  reason: 'maintenance',
  actor: 'admin',
  since: new Date(),
})

t.test('calls back at the end of each override that has one', async (t) => {
  const ended: string[] = []
  const both = Promise.withResolvers<void>()
  using expiry = new OverrideExpiry(
    (overrides) => {
      ended.push(...overrides.map(({ member }) => member))
      if (ended.length === 2) both.resolve()
    },
    () => new Date(),
  )
  const inMs = (ms: number) => new Date(Date.now() + ms)
  expiry.watch([override('late', inMs(60)), override('never', null), override('soon', inMs(20))])
  await both.promise
  t.same(ended, ['soon', 'late'])
})

t.test('an override beyond the reach of a timer does not end at once', async (t) => {
  let now = 0
  const expiry = new OverrideExpiry(
    () => t.fail('it has not ended'),
    () => new Date(now),
  )
  expiry.watch([override('far', new Date(2 ** 40))])
  now = 1000
  await new Promise(setImmediate)
  expiry[Symbol.dispose]()
})
