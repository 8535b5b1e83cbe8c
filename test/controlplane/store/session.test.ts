/** How long a session waits for a server that says nothing. */
import t from 'tap'
import type { Loan } from '../../../src/controlplane/store/connections.ts'
import { Session } from '../../../src/controlplane/store/session.ts'

/** A connection by which nothing ever comes, to a server that is there or not as `alive` says, and then not. */
function silent(alive: readonly boolean[]) {
  const asked: boolean[] = []
  const hurry = new AbortController()
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => undefined)
  const loan = {
    client: {
      query: () => broken.promise,
      connection: { stream: { destroy: () => broken.reject(new Error('Connection terminated')) } },
    },
    isAlive: async () => {
      asked.push(alive[asked.length] ?? false)
      return asked.at(-1)!
    },
    release: () => undefined,
    failed: () => undefined,
  } as unknown as Loan
  const connections = { silentAfterMs: 5, hurried: hurry.signal }
  return { loan, connections, asked, hurry }
}

t.test('a server that is found silent once is waited for no more', async (t) => {
  const { loan, connections, asked } = silent([true, true])
  const session = new Session(loan, { pipelined: true, connections })
  await t.rejects(session.query('select 1'), { message: /no answer for 0.005 s/ })
  t.same(asked, [true, true, false])
  session.end()
})

t.test('what would begin anew waits until it was found silent several times in a row', async (t) => {
  const { loan, connections, asked } = silent([false, false, true, false])
  const session = new Session(loan, { pipelined: false, connections, silences: 3 })
  await t.rejects(session.query('select 1'), { message: /no answer/ })
  t.same(asked, [false, false, true, false, false, false])
  session.end()
})

t.test('but not once the daemon stops', async (t) => {
  const { loan, connections, asked, hurry } = silent([true])
  const session = new Session(loan, { pipelined: false, connections, silences: 3 })
  hurry.abort()
  await t.rejects(session.query('select 1'), { message: /no answer/ })
  t.same(asked, [true, false])
  session.end()
})
