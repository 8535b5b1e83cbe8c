/** What a webhook has not been told survives this process, and another node takes it up when the first one does not come back. */
import { rm } from 'node:fs/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { startReceiver } from '../controlplane/events/webhooks/receiver.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually, put } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

/** A receiver that takes nothing until it is told to. */
async function startMoody() {
  let isWell = false
  const receiver = await startReceiver((response) => response.writeHead(isWell ? 204 : 503).end())
  const recover = () => {
    isWell = true
  }
  return Object.assign(receiver, { recover })
}

async function dataFolder(t: Test): Promise<string> {
  const folder = await temporaryDataFolder('pooldns-data-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Has something happen that a webhook is told. */
async function drain(daemon: DaemonProcess, member: string): Promise<void> {
  await put(daemon, `/v1/pools/web/members/${member}/override`, { state: 'drain', reason: member })
}

async function prepare(daemon: DaemonProcess, url: string): Promise<void> {
  const members = { a: { address: '192.0.2.1' }, b: { address: '192.0.2.2' } }
  await put(daemon, '/v1/pools/web', { members })
  await put(daemon, '/v1/webhooks/chat', { url, kinds: ['override'] })
}

/** Waits until so many events are stored for webhooks. */
async function stored(url: string, wanted: number): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await eventually(async () => {
      const { rows } = await client.query<{ count: string }>('select count(*) from webhook_waiting')
      return Number(rows[0]!.count) === wanted ? true : undefined
    })
  } finally {
    await client.end()
  }
}

const reasonOf = ({ body }: { body: string }) => (JSON.parse(body) as { reason: string }).reason

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`what waits survives ${signal}`, async (t) => {
    await using receiver = await startMoody()
    const url = await postgres.createDatabase()
    const dataDir = await dataFolder(t)
    const first = await startDaemonProcess({ dataDir, env: { DATABASE_URL: url } })
    t.teardown(() => first.stop())
    await prepare(first, receiver.url)
    await drain(first, 'a')
    await drain(first, 'b')
    await receiver.count(1)
    if (signal === 'SIGKILL') await stored(url, 2)
    first.signal(signal)
    await first.exited
    if (signal === 'SIGTERM') await stored(url, 2)
    // What it had sent as it ended may not have been read here yet.
    await receiver.left()
    const tried = receiver.received.length
    const ids = new Set(receiver.received.map(({ headers }) => headers['webhook-id']))

    receiver.recover()
    await using second = await startDaemonProcess({ dataDir, env: { DATABASE_URL: url } })
    await receiver.count(tried + 2)
    const [one, two] = receiver.received.slice(tried)
    t.same(
      [one, two].map((each) => reasonOf(each!)),
      ['a', 'b'],
      'in order',
    )
    t.ok(ids.has(one!.headers['webhook-id']), 'with the id that the receiver knows')
    await stored(url, 0)
    const { status } = (await (await second.request('/v1/webhooks/chat')).json()) as { status: object }
    t.match(status, { delivered: 2, queued: 0 })
  })
}

t.test(
  'another node takes up what one left that is gone, and nothing of another webhook of the name',
  async (t) => {
    await using receiver = await startMoody()
    const url = await postgres.createDatabase()
    const first = await startDaemonProcess({ env: { DATABASE_URL: url } })
    t.teardown(() => first.stop())
    await prepare(first, receiver.url)
    await put(first, '/v1/webhooks/other', {
      url: receiver.url.replace('hook', 'other'),
      kinds: ['override'],
    })
    await drain(first, 'a')
    await stored(url, 2)
    await first.stop()
    receiver.recover()
    // In a data directory of its own, so it is another node.
    await using second = await startDaemonProcess({ env: { DATABASE_URL: url } })
    await stored(url, 0)
    const taken = receiver.received.filter(({ path }) => path === '/hook').map(reasonOf)
    t.equal(taken.at(-1), 'a')

    await using third = await startMoody()
    await put(second, '/v1/webhooks/chat', { url: third.url, kinds: ['override'] })
    await put(second, '/v1/webhooks/other', { url: third.url, kinds: ['override'] })
    await drain(second, 'b')
    await stored(url, 2)
    t.equal((await second.request('/v1/webhooks/chat', { method: 'DELETE' })).status, 204)
    await stored(url, 1)
    await second.request('/v1/webhooks/other', { method: 'DELETE' })
    await stored(url, 0)
  },
)

t.test('a webhook is tried by a node', async (t) => {
  await using receiver = await startMoody()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await put(daemon, '/v1/webhooks/chat', { url: receiver.url })
  const attempt = async () => {
    const response = await daemon.request('/v1/webhooks/chat/test', { method: 'POST' })
    return { status: response.status, body: (await response.json()) as object }
  }
  t.match(await attempt(), { status: 200, body: { delivered: false, reason: 'status 503' } })
  receiver.recover()
  t.match(await attempt(), { status: 200, body: { delivered: true, reason: null, tookMs: Number } })
  t.match(JSON.parse(receiver.received.at(-1)!.body), { kind: 'test', webhook: 'chat', actor: 'admin' })
  const none = await daemon.request('/v1/webhooks/none/test', { method: 'POST' })
  t.equal(none.status, 404)
})
