import t from 'tap'
import { type Births, birthKeys, endedBetween, nothingEnded } from '../../../src/controlplane/model/births.ts'

t.test('what is gone has ended, and what has the name of another one', async (t) => {
  const before: Births = new Map([
    [birthKeys.member({ pool: 'web', member: 'stays' }), 1],
    [birthKeys.member({ pool: 'web', member: 'goes' }), 2],
    [birthKeys.member({ pool: 'web', member: 'comes again' }), 3],
    [birthKeys.pool('web'), 1],
    [birthKeys.pool('old'), 2],
    [birthKeys.service('www.example.test'), 1],
    [birthKeys.feed('load'), 1],
    [birthKeys.webhook('pager'), 1],
  ])
  const after = new Map(before)
  t.same(endedBetween(before, before), nothingEnded)
  t.same(endedBetween(before, after), nothingEnded)
  after.delete(birthKeys.member({ pool: 'web', member: 'goes' }))
  after.set(birthKeys.member({ pool: 'web', member: 'comes again' }), 4)
  after.set(birthKeys.member({ pool: 'web', member: 'new' }), 5)
  for (const key of [
    birthKeys.pool('old'),
    birthKeys.service('www.example.test'),
    birthKeys.feed('load'),
    birthKeys.webhook('pager'),
  ])
    after.set(key, 9)
  t.same(endedBetween(before, after), {
    members: [
      { pool: 'web', member: 'goes' },
      { pool: 'web', member: 'comes again' },
    ],
    pools: ['old'],
    services: ['www.example.test'],
    feeds: ['load'],
    webhooks: ['pager'],
  })
  t.same(endedBetween(new Map(), before), nothingEnded, 'of the time before nothing is known')
})
