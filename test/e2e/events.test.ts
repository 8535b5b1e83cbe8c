import t from 'tap'
import { openStream } from '../controlplane/api/event-stream-client.ts'
import { startReceiver } from '../controlplane/webhooks/receiver.ts'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually, put, putService, startBackend } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('a transition is streamed, listed and sent', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await using receiver = await startReceiver()
  await using backend = await startBackend()
  await put(daemon, '/v1/webhooks/here', { url: receiver.url })
  await using stream = await openStream(daemon.http, '/v1/events/stream?kind=member', {
    authorization: `Bearer ${daemon.token}`,
  })
  await putService(daemon, [backend])
  const up = await stream.next()
  t.match(up.data, { kind: 'member', pool: 'web', member: 'm1', to: 'up', node: /^[0-9a-f]{12}$/ })
  backend.healthy = false
  const down = await stream.next()
  t.match(down, { event: 'member', data: { from: 'up', to: 'down', reason: 'status 503' } })
  const listed = (await (await daemon.request('/v1/events?pool=web&limit=1')).json()) as { items: object[] }
  t.same(listed.items, [down.data])

  // A receiver on the daemon's own host is refused unless it is allowed.
  const status = await eventually(async () => {
    const { status } = (await (await daemon.request('/v1/webhooks/here')).json()) as {
      status: { queued: number; lastError: { reason: string } | null }
    }
    return status.lastError === null ? undefined : status
  })
  t.match(status, { state: 'active', queued: 2, lastError: { reason: /127.0.0.1/ } })
  t.equal(receiver.received.length, 0)
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /pooldns_webhook_deliveries_total\{webhook="here",outcome="retried"\} [1-9]/)

  await daemon.stop()
  await stream.ended
})
