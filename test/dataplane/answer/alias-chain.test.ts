import t from 'tap'
import { AliasChain, maxChain } from '../../../src/dataplane/answer/alias-chain.ts'

t.test('an RRset is known by zone, number and owner', async (t) => {
  const chain = new AliasChain()
  chain.note(1, 2, 3, 3, 40, false)
  t.equal(chain.rdataOf(1, 2, 3), 40)
  for (const [zone, rrset, owner] of [
    [0, 2, 3],
    [1, 0, 3],
    [1, 2, 0],
  ] as const)
    t.equal(chain.rdataOf(zone, rrset, owner), 0)
  chain.clear()
  t.equal(chain.rdataOf(1, 2, 3), 0)
})

t.test('a DNAME ends a chain at a name that it has had, or at any when it leads inward', async (t) => {
  const chain = new AliasChain()
  chain.note(0, 1, 2, 10, 40, false)
  chain.note(0, 1, 2, 11, 40, false)
  t.notOk(chain.endsAt(0, 1, 2, 12))
  t.ok(chain.endsAt(0, 1, 2, 10))
  t.ok(chain.endsAt(0, 1, 2, 11))
  t.notOk(chain.endsAt(0, 3, 2, 10), 'another DNAME')
  chain.note(0, 3, 4, 13, 60, true)
  t.ok(chain.endsAt(0, 3, 4, 14))
})

t.test('it holds as many as a chain may have', async (t) => {
  const chain = new AliasChain()
  for (let i = 1; i <= maxChain; i++) chain.note(0, i, i, i, 12 * i, false)
  for (let i = 1; i <= maxChain; i++) t.equal(chain.rdataOf(0, i, i), 12 * i)
})
