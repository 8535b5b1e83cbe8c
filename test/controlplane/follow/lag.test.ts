import t from 'tap'
import { Lag } from '../../../src/controlplane/follow/lag.ts'

function setUp() {
  const clock = { ms: 0 }
  return { clock, lag: new Lag(() => clock.ms) }
}

t.test('what was read and is not served for long is told', async (t) => {
  const { clock, lag } = setUp()
  t.same([lag.seconds, lag.warnings], [0, []])
  lag.read(7)
  lag.served(7)
  clock.ms = 1000
  lag.read(8)
  t.equal(lag.seconds, 0)
  clock.ms = 10_999
  t.same([lag.seconds, lag.warnings], [9.999, []])
  clock.ms = 11_000
  lag.read(9)
  t.same(lag.warnings, [
    'revision 9 was read and is not served: since 10 s what is served whole is revision 7',
  ])
  lag.served(8)
  t.same([lag.seconds, lag.warnings], [0, []], 'it moves')
  clock.ms = 30_000
  t.equal(lag.warnings.length, 1)
  lag.served(9)
  t.same([lag.seconds, lag.warnings], [0, []])
})

t.test('a database that went back to an earlier revision leaves nothing behind', async (t) => {
  const { clock, lag } = setUp()
  lag.read(40)
  lag.served(39)
  lag.read(30)
  clock.ms = 60_000
  t.same([lag.seconds, lag.warnings], [0, []])
})

t.test('looks that fail one after the other are told from the first on', async (t) => {
  const { clock, lag } = setUp()
  lag.looked(new Error('no column "stamp"'))
  clock.ms = 5000
  lag.looked('no table')
  t.same([lag.seconds, lag.warnings], [5, []])
  clock.ms = 12_000
  t.same(lag.warnings, ["changes can't be read from the database since 12 s: no table"])
  lag.read(2)
  clock.ms = 30_000
  t.same([lag.seconds, lag.warnings.length], [30, 2])
  lag.looked(null)
  t.equal(lag.seconds, 18)
})
