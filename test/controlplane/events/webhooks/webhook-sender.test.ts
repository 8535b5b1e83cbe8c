import { createHmac } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { Mailer } from '../../../../src/controlplane/events/webhooks/mailer.ts'
import {
  type DeliveryOptions,
  maxQueued,
} from '../../../../src/controlplane/events/webhooks/webhook-queue.ts'
import { WebhookSender } from '../../../../src/controlplane/events/webhooks/webhook-sender.ts'
import { addressPolicy } from '../../../../src/controlplane/health/probes/address-policy.ts'
import type { Event } from '../../../../src/controlplane/model/event.ts'
import type { Webhook, WebhookStatus } from '../../../../src/controlplane/model/webhook.ts'
import { holdTimers } from '../../../support/held-timers.ts'
import { startReceiver } from './receiver.ts'

const key = Buffer.alloc(32, 7)
const secret = `whsec_${key.toString('base64')}`

const webhook = (url: string, change: Partial<Webhook> = {}): Webhook => ({
  name: 'w',
  url,
  secret,
  format: 'json',
  groupMs: 0,
  kinds: null,
  pools: null,
  timeoutMs: 60_000,
  ...change,
})

const drained = (member: string): Event => ({
  kind: 'drained',
  node: 'n1',
  pool: 'web',
  member,
  at: new Date('2026-02-01T00:00:00Z'),
})

interface Sending {
  readonly sender: WebhookSender
  readonly outcomes: string[]
  readonly problems: { readonly problem: string; readonly detail: object }[]
  /** Points the webhook at a receiver, or changes it. */
  set(...webhooks: Webhook[]): void
  send(...members: string[]): void
  /** Resolves once this many outcomes have been told. */
  outcome(count: number): Promise<void>
  status(): WebhookStatus
}

/** Retries at once, and lets everybody be told. */
function startSending(t: Test, options: Partial<DeliveryOptions> = {}): Sending {
  const outcomes: string[] = []
  const problems: Sending['problems'] = []
  let told = Promise.withResolvers<void>()
  const sender = new WebhookSender({
    policy: () => null,
    mailer: new Mailer({ server: null, from: null }),
    server: 'ns1',
    onDelivery: (_webhook, outcome) => {
      outcomes.push(outcome)
      told.resolve()
      told = Promise.withResolvers()
    },
    onProblem: (_webhook, problem, detail) => problems.push({ problem, detail }),
    now: () => new Date(),
    retryDelaysMs: [1, 1],
    ...options,
  })
  t.teardown(() => sender.stop())
  return {
    sender,
    outcomes,
    problems,
    set: (...webhooks) => sender.setWebhooks(new Map(webhooks.map((one) => [one.name, one]))),
    send: (...members) => sender.send(members.map(drained)),
    outcome: async (count) => {
      while (outcomes.length < count) await told.promise
    },
    status: () => sender.status('w')!,
  }
}

const members = (received: readonly { body: string }[]) => received.map(({ body }) => JSON.parse(body).member)

t.test('a webhook gets events as JSON, signed', async (t) => {
  await using receiver = await startReceiver()
  const sending = startSending(t, { now: () => new Date(1_700_000_000_999) })
  sending.set(webhook(`${receiver.url}?token=x`))
  sending.send('a', 'b')
  await sending.outcome(2)
  const [first, second] = receiver.received
  t.match(first, {
    method: 'POST',
    path: '/hook?token=x',
    headers: {
      'content-type': 'application/json',
      'webhook-id': /^msg_[\w-]+$/,
      'webhook-timestamp': '1700000000',
    },
  })
  t.same(JSON.parse(first!.body), JSON.parse(JSON.stringify(drained('a'))))
  t.match(JSON.parse(second!.body), { member: 'b' })
  t.not(first!.headers['webhook-id'], second!.headers['webhook-id'])
  for (const { headers, body } of receiver.received) {
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
    t.equal(headers['webhook-signature'], expected)
  }
  t.same(sending.status(), {
    state: 'active',
    delivered: 2,
    failed: 0,
    dropped: 0,
    queued: 0,
    lastError: null,
  })
  t.equal(sending.sender.status('other'), null)
})

t.test('a receiver that fails is asked again, with the same id, in order', async (t) => {
  await using receiver = await startReceiver((response, nth) =>
    response.writeHead(nth < 2 ? 503 : 200).end('ok'),
  )
  const sending = startSending(t)
  sending.set(webhook(receiver.url))
  sending.send('a', 'b', 'c')
  await sending.outcome(5)
  t.same(members(receiver.received), ['a', 'a', 'a', 'b', 'c'])
  t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 3)
  t.equal(receiver.busiest, 1, 'one at a time')
  t.same(sending.outcomes, ['retried', 'retried', 'delivered', 'delivered', 'delivered'])
  t.match(sending.status(), { delivered: 3, failed: 0, lastError: { reason: 'status 503', at: Date } })
  t.equal(sending.problems.length, 1, 'told once')
})

t.test('an event is given up after the last attempt, and the next has its turn', async (t) => {
  await using receiver = await startReceiver((response, nth) => response.writeHead(nth < 3 ? 500 : 200).end())
  const sending = startSending(t)
  sending.set(webhook(receiver.url))
  sending.send('a', 'b')
  await sending.outcome(4)
  t.same(members(receiver.received), ['a', 'a', 'a', 'b'])
  t.same(sending.outcomes, ['retried', 'retried', 'failed', 'delivered'])
  t.match(sending.status(), { delivered: 1, failed: 1, queued: 0 })
})

t.test('a receiver that asks for time is given it', async (t) => {
  await using receiver = await startReceiver((response, nth) => {
    response.writeHead(nth === 0 ? 429 : 200, { 'retry-after': '1' }).end()
  })
  const sending = startSending(t)
  sending.set(webhook(receiver.url))
  sending.send('a')
  await receiver.count(1)
  const asked = performance.now()
  await sending.outcome(2)
  t.ok(performance.now() - asked > 950)
})

t.test('410 ends it, until the webhook is changed', async (t) => {
  await using receiver = await startReceiver((response, nth) =>
    response.writeHead(nth === 0 ? 410 : 200).end(),
  )
  const sending = startSending(t)
  sending.set(webhook(receiver.url))
  sending.send('a', 'b')
  await sending.outcome(2)
  t.same(sending.outcomes, ['failed', 'failed'])
  t.match(sending.status(), { state: 'stopped', failed: 2, queued: 0, lastError: { reason: /410/ } })
  sending.send('c')
  sending.set(webhook(receiver.url))
  sending.send('d')
  t.match(sending.status(), { state: 'stopped', queued: 0 }, 'the same again is no change')
  sending.set(webhook(`${receiver.url}/other`))
  sending.send('e')
  await sending.outcome(3)
  t.same(members(receiver.received), ['a', 'e'])
  t.match(sending.status(), { state: 'active', delivered: 1 })
})

t.test('a redirect is not followed', async (t) => {
  await using target = await startReceiver()
  await using receiver = await startReceiver((response) =>
    response.writeHead(307, { location: target.url }).end(),
  )
  const sending = startSending(t, { retryDelaysMs: [] })
  sending.set(webhook(receiver.url))
  sending.send('a')
  await sending.outcome(1)
  t.match(sending.status(), { failed: 1, lastError: { reason: 'status 307: redirects are not followed' } })
  t.equal(target.received.length, 0)
})

t.test('a receiver that hangs is given up at the timeout', async (t) => {
  const deadlines = holdTimers(t, 200)
  const answered = 'http.client.response.finish'
  await using receiver = await startReceiver((response, nth) => {
    if (nth === 0) deadlines.end()
    if (nth === 1) {
      const hear = () => {
        unsubscribe(answered, hear)
        deadlines.end()
      }
      subscribe(answered, hear)
      response.writeHead(200).write('begins')
    }
    if (nth === 2) response.writeHead(200).end('x'.repeat(1_000_000))
    if (nth === 3) response.destroy()
  })
  const sending = startSending(t, { retryDelaysMs: [] })
  sending.set(webhook(receiver.url, { timeoutMs: 200 }))
  sending.send('silent', 'slow', 'large', 'broken')
  await sending.outcome(3)
  t.same(sending.outcomes, ['failed', 'delivered', 'delivered'], 'the status decides')
  t.match(sending.status().lastError, { reason: 'timeout after 200 ms' })
  await sending.outcome(4)
  t.match(sending.status(), { failed: 2, lastError: { reason: /hang up|reset/ } })
})

t.test('interim responses without end are none that are waited for', async (t) => {
  const server = createServer((socket) => {
    const send = () => {
      while (!socket.destroyed && socket.write('HTTP/1.1 102 Processing\r\n\r\n'));
    }
    socket
      .on('error', () => undefined)
      .on('drain', send)
      .once('data', send)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const sending = startSending(t, { retryDelaysMs: [] })
  sending.set(webhook(`http://127.0.0.1:${port}`))
  sending.send('a')
  await sending.outcome(1)
  t.match(sending.status(), { failed: 1, lastError: { reason: 'more than 8 interim responses' } })
})

t.test('one that is not there, or does not speak HTTP', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.resume().end('no HTTP\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const sending = startSending(t, { retryDelaysMs: [] })
  sending.set(webhook(`http://127.0.0.1:${port}/`))
  sending.send('a')
  await sending.outcome(1)
  t.match(sending.status().lastError, { reason: /Parse Error/ })
  server.close()
  await once(server, 'close')
  sending.send('b')
  await sending.outcome(2)
  t.match(sending.status().lastError, { reason: /ECONNREFUSED/ })
  sending.set(webhook('http://no-such-host.invalid/'))
  sending.send('c')
  await sending.outcome(3)
  t.match(sending.status(), { failed: 3, lastError: { reason: /no-such-host.invalid/ } })
})

t.test('each address of a receiver is judged before it is connected to', async (t) => {
  await using receiver = await startReceiver()
  const { port } = new URL(receiver.url)
  const sending = startSending(t, { policy: addressPolicy([]), retryDelaysMs: [] })
  const hosts = [
    '127.0.0.1',
    '127.1',
    '2130706433',
    'localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '169.254.169.254',
  ]
  for (const [index, host] of hosts.entries()) {
    sending.set(webhook(`http://${host}:${port}/`))
    sending.send('a')
    await sending.outcome(index + 1)
    t.match(
      sending.status().lastError,
      { reason: /is (?:loopback|link-local) and not allowed to be probed/ },
      host,
    )
  }
  t.equal(receiver.received.length, 0)
  const judged: string[] = []
  const choosy = startSending(t, {
    policy: (address) => {
      judged.push(address)
      return address === '127.0.0.1' ? null : 'not that one'
    },
  })
  choosy.set(webhook(`http://localhost:${port}/`))
  choosy.send('a')
  await choosy.outcome(1)
  t.equal(receiver.received[0]?.headers.host, `localhost:${port}`)
  t.ok(judged.includes('127.0.0.1'))
})

t.test('a full queue drops the oldest that was not tried yet', async (t) => {
  const hold = Promise.withResolvers<void>()
  await using receiver = await startReceiver(async (response, nth) => {
    if (nth === 0) await hold.promise
    response.writeHead(200).end()
  })
  const sending = startSending(t)
  sending.set(webhook(receiver.url))
  sending.send('first')
  await receiver.count(1)
  sending.send(...Array.from({ length: maxQueued + 2 }, (_, i) => `m${i}`))
  t.match(sending.status(), { queued: maxQueued, dropped: 3 })
  t.same(sending.outcomes, ['dropped', 'dropped', 'dropped'])
  t.match(sending.problems, [{ problem: /too many/ }], 'told once')
  hold.resolve()
  await receiver.count(2)
  t.same(members(receiver.received), ['first', 'm3'])
  await receiver.count(maxQueued / 2 + 3)
  t.match(sending.problems[1], { problem: 'events were dropped', detail: { count: 3 } })
})

t.test('an override by a pattern is told to webhooks of the pools that it may stand for', async (t) => {
  await using receiver = await startReceiver()
  const sending = startSending(t)
  sending.set(webhook(receiver.url, { pools: ['web-eu'] }))
  const [at, node, member] = [new Date(), 'n', '*']
  const set = {
    kind: 'override',
    node,
    member,
    at,
    actor: 'ann',
    reason: '',
    state: 'drain',
    what: 'set',
  } as const
  sending.sender.send([
    { ...set, pool: 'web-??' },
    { ...set, pool: 'api-??' },
  ])
  await sending.outcome(1)
  t.same(
    receiver.received.map(({ body }) => JSON.parse(body).pool),
    ['web-??'],
  )
})

t.test('a webhook is told of the pools and the kinds that it names', async (t) => {
  await using receiver = await startReceiver()
  const sending = startSending(t)
  sending.set(
    webhook(`${receiver.url}/pools`, { name: 'a', pools: ['web-*'] }),
    webhook(`${receiver.url}/kinds`, { name: 'b', kinds: ['isolation'] }),
  )
  const at = new Date()
  sending.sender.send([
    { kind: 'drained', node: 'n', pool: 'web-eu', member: 'm', at },
    { kind: 'drained', node: 'n', pool: 'api', member: 'm', at },
    { kind: 'isolation', node: 'n', from: 'trusted', to: 'suspect', reason: '', at },
  ])
  await sending.outcome(3)
  const told = receiver.received.map(({ path, body }) => `${path} ${JSON.parse(body).kind}`).sort()
  t.same(told, ['/hook/kinds isolation', '/hook/pools drained', '/hook/pools isolation'])
})

t.test('a change takes what waits along; an end takes it away', async (t) => {
  await using bad = await startReceiver((response) => response.writeHead(500).end())
  await using good = await startReceiver()
  const sending = startSending(t, { retryDelaysMs: [3_600_000] })
  sending.set(webhook(bad.url))
  sending.send('a', 'b')
  await sending.outcome(1)
  sending.set(webhook(good.url))
  await sending.outcome(3)
  t.same(members(good.received), ['a', 'b'], 'at once, not after the hour')
  sending.set(webhook(bad.url))
  sending.send('c')
  await sending.outcome(4)
  sending.set()
  t.equal(sending.sender.status('w'), null)
  sending.set(webhook(good.url))
  sending.send('d')
  await sending.outcome(5)
  t.same(members(good.received), ['a', 'b', 'd'])
  t.match(sending.status(), { delivered: 1, queued: 0 }, 'another webhook of the name')
  t.notOk(JSON.stringify(sending.problems).includes(secret))
})

t.test('a stop ends what is under way at once', async (t) => {
  await using receiver = await startReceiver(() => undefined)
  const sending = startSending(t)
  sending.set(webhook(receiver.url))
  sending.send('a', 'b')
  await receiver.count(1)
  await sending.sender.stop()
  t.same(sending.outcomes, [])
})

t.test('an event that is too large', async (t) => {
  const sending = startSending(t)
  sending.set(webhook('http://192.0.2.1/'))
  sending.send('x'.repeat(70_000))
  t.match(sending.status(), { failed: 1, queued: 0, lastError: { reason: 'the event is too large' } })
})

/** As somebody may leave them in the database. */
const none = [
  '5',
  'null',
  '[]',
  '"x"',
  '{}',
  '{"kind":"evil"}',
  '{"kind":"member","at":{}}',
  '{"kind":"toString","to":5}',
  '',
]

for (const format of ['json', 'slack', 'teams', 'pagerduty'] as const) {
  t.test(`what waited and is no event keeps no other from being told: ${format}`, async (t) => {
    await using receiver = await startReceiver()
    const sending = startSending(t)
    // More than one go together, and those that can be told are told.
    sending.set(
      webhook(receiver.url, {
        format,
        groupMs: format === 'json' ? 0 : 1,
        secret: format === 'pagerduty' ? 'k'.repeat(32) : secret,
      }),
    )
    const down = {
      kind: 'pool',
      node: 'n1',
      pool: 'web',
      from: 'up',
      to: 'down',
      reason: 'r',
      at: '2026-02-01T00:00:00Z',
    }
    sending.sender.restore(
      'w',
      [...none, JSON.stringify(down)].map((body, nth) => ({ id: `msg_${nth}`, body })),
    )
    await sending.outcome(none.length + 1)
    t.same([...sending.sender.waiting()], [])
    t.ok(
      receiver.received.some(({ body }) => /web/.test(body)),
      'the one that is an event was told',
    )
    await sending.sender.stop()
  })
}
