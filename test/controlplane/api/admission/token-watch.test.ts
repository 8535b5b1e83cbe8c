/** What goes on for a token that may not have it any more ends, at once where this process or another one says so. */
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { sql } from '../../../../schema/drizzle.ts'
import type { HttpLimits } from '../../../../src/controlplane/api/admission/limits.ts'
import { TokenWatch } from '../../../../src/controlplane/api/admission/token-watch.ts'
import type { TokenScope } from '../../../../src/controlplane/model/token.ts'
import { Database } from '../../../../src/controlplane/store/database.ts'
import { createToken, revokeToken } from '../../../../src/controlplane/store/tokens.ts'
import { patience, patienceMs } from '../../../support/patience.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { HandClock } from '../../timing/hand-clock.ts'
import { adminToken, type Harness, startHarness } from '../fixture.ts'
import { openStream } from '../operations/event-stream-client.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const create = (database: Database, name: string, scopes: readonly TokenScope[]) =>
  database.record((tx) => createToken(tx, name, scopes))

/** A zone of 20 MB, more than the sockets of both sides hold. Nobody is ended for not reading it. */
async function startWithLargeZone(httpLimits: Partial<HttpLimits> = {}): Promise<Harness> {
  const harness = await startHarness(await postgres.createDatabase(), {
    httpLimits: { stalledMs: patienceMs, ...httpLimits },
  })
  await harness.call('PUT', '/v1/zones/large.test', {
    soa: { mname: 'ns1.example.net.', rname: 'h.example.net.' },
    rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.net.'] }],
  })
  const text = `"${'x'.repeat(250)}"`
  await harness.database.record((tx) =>
    tx.execute(sql`insert into rrsets (zone, owner, type, data, revision)
      select 'large.test', 'n' || nth, 'TXT', array_fill(${Array(16).fill(text).join(' ')}::text, array[1]), 1
      from generate_series(1, 5000) as nth`),
  )
  return harness
}

interface Export {
  readonly sent: ClientRequest
  readonly response: IncomingMessage
}

/** An export whose client has had the head of the reply, and reads nothing of the rest. */
async function exportSlowly({ origin }: Harness, token: string): Promise<Export> {
  const headers = { authorization: `Bearer ${token}` }
  const sent = request(`${origin}/v1/zones/large.test/zonefile`, { agent: false, headers })
  sent.on('error', () => {})
  const [response] = (await once(sent.end(), 'response')) as [IncomingMessage]
  response.on('error', () => {})
  return { sent, response }
}

t.test('a hint is enough, from this process and from another one', async (t) => {
  const harness = await startHarness(await postgres.createDatabase())
  await using stack = new AsyncDisposableStack()
  stack.use(harness)
  const { database } = harness
  const secrets = ['one', 'two', 'three']
  for (const name of secrets) await create(database, name, ['read', 'write'])
  const hashes = await database.read(async (tx) => {
    const { rows } = await tx.execute<{ name: string; hash: string }>(sql`select name, hash from tokens`)
    return new Map(rows.map(({ name, hash }) => [name, hash]))
  })
  // Its hands stand still: nothing is polled.
  const watch = new TokenWatch({ database, log: harness.log, now: () => new Date(), clock: new HandClock() })
  stack.defer(() => watch.stop())
  const ended: string[] = []
  const watched = (name: string, scope: TokenScope) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const watching = watch.watch({ hash: hashes.get(name)!, expiresAt: null }, scope, () => {
      watching[Symbol.dispose]()
      ended.push(`${name} ${scope}`)
      resolve()
    })
    return promise
  }
  const one = watched('one', 'read')
  const two = watched('two', 'read')
  const three = { read: watched('three', 'read'), write: watched('three', 'write') }
  t.equal((await harness.call('DELETE', '/v1/tokens/one')).status, 204)
  await one
  t.same(ended, ['one read'])

  const other = await Database.open({ url: harness.url!, dataDir: t.testdir() })
  stack.use(other)
  await other.ready(patience())
  await other.write('admin', async (write) => {
    await revokeToken(write.tx, 'two')
    write.announce()
  })
  await two
  t.same(ended, ['one read', 'two read'])

  await other.write('admin', async (write) => {
    await write.tx.execute(sql`update tokens set scopes = '{read}' where name = 'three'`)
    write.announce()
  })
  await three.write
  t.same(ended, ['one read', 'two read', 'three write'], 'what needs the scope that it has left goes on')
})

t.test('an export to a client that does not read ends with its token', async (t) => {
  const exports = { places: 1, byHolder: 1, keptForWriters: 0, keptForAdmin: 0, patienceMs: 0 }
  await using harness = await startWithLargeZone({ exports })
  const reader = await create(harness.database, 'reader', ['read'])
  const { response } = await exportSlowly(harness, reader)
  t.equal(response.statusCode, 200)
  const places: (number | undefined)[] = []
  const tryAgain = async () => {
    const { sent, response } = await exportSlowly(harness, adminToken)
    places.push(response.statusCode)
    sent.destroy()
  }
  await tryAgain()
  t.same(places, [503], 'it has the only place')
  t.equal((await harness.call('DELETE', '/v1/tokens/reader')).status, 204)
  while (places.at(-1) === 503) await tryAgain()
  t.equal(places.at(-1), 200, 'its place is free')
  // Only who reads hears that the connection has ended.
  const closed = new Promise((resolve) => response.once('close', resolve))
  response.resume()
  await closed
  t.equal(response.complete, false, 'it has not got the rest')
})

t.test('a body that is on its way in is not taken', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const writer = await create(harness.database, 'writer', ['read', 'write'])
  const sent = request(`${harness.origin}/v1/zones/late.test/zonefile`, {
    method: 'PUT',
    agent: false,
    headers: {
      authorization: `Bearer ${writer}`,
      'content-type': 'text/dns',
      'transfer-encoding': 'chunked',
      expect: '100-continue',
    },
  })
  const closed = new Promise((resolve) => sent.once('close', resolve))
  sent.on('error', () => {})
  const asked = once(sent, 'continue')
  sent.flushHeaders()
  await asked
  sent.write('@ 300 SOA ns.example.net. h 1 1h 10m 14d 60\n@ NS ns.example.net.\n')
  await harness.call('DELETE', '/v1/tokens/writer')
  await closed
  t.equal((await harness.call('GET', '/v1/zones/late.test')).status, 404)
})

t.test('slow exports of those who may read leave imports, writers and the admin alone', async (t) => {
  await using harness = await startWithLargeZone()
  const { database, origin } = harness
  const readers = [await create(database, 'r1', ['read']), await create(database, 'r2', ['read'])]
  const writer = await create(database, 'w', ['read', 'write'])
  const slow: Export[] = []
  for (let nth = 0; nth < 4; nth++) slow.push(await exportSlowly(harness, readers[nth % 2]!))
  t.same(slow.map(({ response }) => response.statusCode).sort(), [200, 200, 503, 503])
  const text = '@ 300 SOA ns.example.net. h 1 1h 10m 14d 60\n@ NS ns.example.net.\n'
  for (const token of [writer, adminToken]) {
    const authorization = `Bearer ${token}`
    const imported = await fetch(`${origin}/v1/zones/${token === writer ? 'w' : 'a'}.test/zonefile`, {
      method: 'PUT',
      headers: { authorization, 'content-type': 'text/dns' },
      body: text,
    })
    t.equal(imported.status, 201, await imported.text())
    const exported = await fetch(`${origin}/v1/zones/large.test/zonefile`, { headers: { authorization } })
    t.equal((await exported.text()).length > 20_000_000, true, 'an export')
    const rrset = await harness.call(
      'PUT',
      '/v1/zones/w.test/rrsets/www/A',
      { data: ['192.0.2.1'] },
      { token },
    )
    t.ok([200, 201].includes(rrset.status), 'a write')
  }
  t.same(slow.filter(({ response }) => response.destroyed).length, 0, 'and go on')
  for (const { sent } of slow) sent.destroy()
})

t.test('the stream of a token that lost its scope ends', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { database, origin } = harness
  const reader = await create(database, 'reader', ['read'])
  const headers = { authorization: `Bearer ${reader}` }
  await using stream = await openStream(origin, '/v1/events/stream', headers)
  await stream.comment()
  // By nothing that says so: the poll finds it.
  await database.record((tx) => tx.execute(sql`update tokens set scopes = '{report}' where name = 'reader'`))
  await stream.ended
  t.pass('it ended')
})

t.test('what goes on for a token ends when it expires, the database or not', async (t) => {
  const harness = await startHarness(await postgres.createDatabase())
  await using stack = new AsyncDisposableStack()
  stack.use(harness)
  const { database, log } = harness
  const watch = new TokenWatch({ database, log, now: () => new Date(), clock: new HandClock() })
  stack.defer(() => watch.stop())
  const { promise, resolve } = Promise.withResolvers<void>()
  const expiresAt = new Date(Date.now() + 20)
  await database.stop()
  using _watching = watch.watch({ hash: 'x', expiresAt }, 'read', resolve)
  await promise
  t.ok(Date.now() >= expiresAt.getTime())
})
