/** What people are told, by receivers that refuse what theirs would refuse. */
import t, { type Test } from 'tap'
import { digestOf } from '../../../../src/controlplane/events/webhooks/formats/digest.ts'
import { incidentKey } from '../../../../src/controlplane/events/webhooks/formats/pagerduty.ts'
import { slackMessage } from '../../../../src/controlplane/events/webhooks/formats/slack.ts'
import { Mailer } from '../../../../src/controlplane/events/webhooks/mailer.ts'
import { type DeliveryResult, maxQueued } from '../../../../src/controlplane/events/webhooks/webhook-queue.ts'
import { WebhookSender } from '../../../../src/controlplane/events/webhooks/webhook-sender.ts'
import type { Event } from '../../../../src/controlplane/model/event.ts'
import type { SmtpServer } from '../../../../src/controlplane/model/smtp-server.ts'
import { gravityOf, type ToldEvent } from '../../../../src/controlplane/model/told-event.ts'
import type { Webhook } from '../../../../src/controlplane/model/webhook.ts'
import { type Clock, monotonicClock } from '../../../../src/controlplane/timing/clock.ts'
import { HandClock } from '../../timing/hand-clock.ts'
import { problemsOfCard, startPagerDuty, startSlack, startTeams } from './checked-receivers.ts'
import { startMailServer } from './mail-server.ts'

const at = new Date('2026-02-01T00:00:00Z')
const node = 'n1'
const key = 'a'.repeat(32)

const member = (name: string, to: 'up' | 'down', reason = 'status 503'): Event => ({
  kind: 'member',
  node,
  pool: 'web',
  member: name,
  from: to === 'up' ? 'down' : 'up',
  to,
  reason,
  at,
})
const pool = (to: 'healthy' | 'degraded' | 'down'): Event => ({
  kind: 'pool',
  node,
  pool: 'web',
  from: to === 'healthy' ? 'down' : 'healthy',
  to,
  reason: '0 of 2 members up',
  at,
})

const steering = (what: 'stale' | 'fresh' | 'shedding' | 'shed-over', column = 'cpu'): Event => ({
  kind: 'steering',
  node,
  pool: 'web',
  member: 'a',
  what,
  feed: 'load',
  entity: 'host-a',
  column,
  reason: 'cpu of host-a in feed load is too old',
  at,
})

/** An event of each kind, in each way that it is told. */
const everything: readonly Event[] = [
  member('a', 'down'),
  member('a', 'up'),
  {
    kind: 'member',
    node,
    pool: 'web',
    member: 'a',
    address: '192.0.2.1',
    from: 'up',
    to: 'unknown',
    reason: '',
    at,
  },
  pool('degraded'),
  pool('down'),
  pool('healthy'),
  {
    kind: 'override',
    node,
    pool: 'w*',
    member: '*',
    what: 'set',
    state: 'drain',
    actor: 'ann',
    reason: 'disks',
    at,
  },
  {
    kind: 'override',
    node,
    service: 'www.a.test',
    what: 'deleted',
    state: 'down',
    actor: 'ann',
    reason: '',
    at,
  },
  { kind: 'drained', node, pool: 'web', member: 'a', at },
  { kind: 'isolation', node, from: 'trusted', to: 'suspect', reason: 'canaries are away', at },
  { kind: 'isolation', node, from: 'suspect', to: 'trusted', reason: 'they are back', at },
  { kind: 'hold', node, pool: 'web', member: 'a', until: at, reason: '3 changes', at },
  {
    kind: 'service',
    node,
    service: 'www.a.test',
    from: 'up',
    to: 'up',
    pools: ['b'],
    before: ['web'],
    reason: 'web is down',
    at,
  },
  {
    kind: 'service',
    node,
    service: 'www.a.test',
    from: 'up',
    to: 'down',
    pools: [],
    before: ['b'],
    reason: 'all are down',
    at,
  },
  {
    kind: 'certificate',
    node,
    pool: 'web',
    member: 'a',
    what: 'ends-soon',
    name: 'a.test',
    notAfter: at,
    fingerprint: 'ab',
    reason: '10 days',
    at,
  },
  {
    kind: 'certificate',
    node,
    pool: 'web',
    member: 'a',
    what: 'renewed',
    name: 'a.test',
    notAfter: at,
    fingerprint: 'cd',
    reason: '90 days',
    at,
  },
  {
    kind: 'gradual',
    node,
    change: 7,
    what: 'step',
    step: 1,
    steps: 2,
    percent: 50,
    services: [],
    pools: ['web'],
    actor: 'ann',
    reason: '',
    at,
  },
  {
    kind: 'gradual',
    node,
    change: 7,
    what: 'halted',
    step: 1,
    steps: 2,
    percent: 50,
    services: [],
    pools: ['web'],
    actor: 'ann',
    reason: 'somebody else',
    at,
  },
  steering('stale'),
  steering('fresh'),
  steering('shedding'),
  steering('shed-over'),
]

const webhook = (format: Webhook['format'], url: string, change: Partial<Webhook> = {}): Webhook => ({
  name: 'w',
  url,
  format,
  groupMs: 0,
  secret: format === 'pagerduty' ? key : null,
  kinds: null,
  pools: null,
  timeoutMs: 60_000,
  ...change,
})

function startSending(
  t: Test,
  one: Webhook,
  smtp: SmtpServer | null = null,
  from: string | null = 'ns@a.test',
  clock: Clock = monotonicClock,
) {
  const outcomes: DeliveryResult[] = []
  let told = Promise.withResolvers<void>()
  const sender = new WebhookSender({
    policy: () => null,
    mailer: new Mailer({ server: smtp, from }),
    server: 'ns1',
    onDelivery: (_webhook, outcome) => {
      outcomes.push(outcome)
      told.resolve()
      told = Promise.withResolvers()
    },
    onProblem: () => undefined,
    now: () => new Date(),
    retryDelaysMs: [],
    clock,
  })
  t.teardown(() => sender.stop())
  sender.setWebhooks(new Map([[one.name, one]]))
  return {
    sender,
    outcomes,
    outcome: async (count: number) => {
      while (outcomes.length < count) await told.promise
    },
    status: () => sender.status('w')!,
    try: () =>
      sender.try(
        one,
        { kind: 'test', node, webhook: 'w', actor: 'ann', at: at.toISOString() },
        new AbortController().signal,
      ),
  }
}

const told = (event: Event) => JSON.parse(JSON.stringify(event)) as ToldEvent

t.test('every kind of event is taken, alone and together', async (t) => {
  for (const [format, start] of [
    ['slack', startSlack],
    ['teams', startTeams],
  ] as const) {
    await using receiver = await start()
    const alone = startSending(t, webhook(format, receiver.url))
    alone.sender.send(everything)
    await alone.outcome(everything.length)
    t.same(receiver.refused, [], format)
    t.same(new Set(alone.outcomes), new Set(['delivered']))
    t.equal(receiver.received.length, everything.length, 'a message each')
    const together = startSending(t, webhook(format, receiver.url, { groupMs: 20 }))
    together.sender.send(everything)
    await together.outcome(everything.length)
    t.equal(receiver.received.length, everything.length + 1, 'one message for all of them')
    t.same(receiver.refused, [])
    t.match(await together.try(), { delivered: true, reason: null })
    t.same(receiver.refused, [])
    t.match(receiver.received.at(-1)!.body, /webhook w is tried by ann: nothing has happened/)
  }
})

t.test('a storm is one message, with the worst first and the rest as a number', async (t) => {
  await using slack = await startSlack()
  await using teams = await startTeams()
  for (const [format, receiver] of [
    ['slack', slack],
    ['teams', teams],
  ] as const) {
    const sending = startSending(t, webhook(format, receiver.url, { groupMs: 50 }))
    const members = Array.from({ length: 42 }, (_, i) => member(`m${i}`, 'down', '家'.repeat(200)))
    sending.sender.send([...members, pool('down')])
    await sending.outcome(43)
    t.equal(receiver.received.length, 1)
    t.same(receiver.refused, [], 'within what a receiver takes')
    t.match(receiver.received[0]!.body, '43 events: 1 pool down, 42 member down')
    t.match(receiver.received[0]!.body, /pool web healthy → down: 0 of 2 members up.*member web\/m0 up/s)
    t.match(receiver.received[0]!.body, 'and 23 more')
    t.match(sending.status(), { delivered: 43, queued: 0 })
  }
})

t.test('a storm that goes on is fewer messages, and a flood does not wait', async (t) => {
  await using slack = await startSlack()
  const clock = new HandClock()
  const sending = startSending(t, webhook('slack', slack.url, { groupMs: 60 }), null, null, clock)
  for (const [nth, windowMs] of [60, 120, 240, 480].entries()) {
    sending.sender.send([member('m', nth % 2 === 0 ? 'down' : 'up')])
    await clock.advance(windowMs - 1)
    t.equal(clock.timers, 1, `each window is twice the last: ${windowMs} ms`)
    await clock.advance(1)
    await sending.outcome(nth + 1)
    t.equal(slack.received.length, nth + 1)
  }
  await clock.advance(960)
  sending.sender.send([member('m', 'down')])
  await clock.advance(60)
  await sending.outcome(5)
  await sending.sender.stop()

  const flood = startSending(t, webhook('slack', slack.url, { groupMs: 600_000 }))
  flood.sender.send(Array.from({ length: maxQueued }, (_, i) => member(`m${i}`, 'down')))
  await flood.outcome(maxQueued)
  t.same(new Set(flood.outcomes), new Set(['delivered']), 'nothing gives way to wait for a window')
})

t.test('JSON in groups', async (t) => {
  await using slack = await startSlack()
  const one = webhook('json', slack.url, {
    groupMs: 20,
    secret: `whsec_${Buffer.alloc(32).toString('base64')}`,
  })
  const sending = startSending(t, one)
  sending.sender.send([member('a', 'down'), member('b', 'down')])
  await sending.outcome(1)
  t.same(JSON.parse(slack.received[0]!.body), {
    events: [told(member('a', 'down')), told(member('b', 'down'))],
  })
  t.match(slack.received[0]!.headers['webhook-signature'], /^v1,/)
})

t.test('what a member says of itself calls nobody, and is no link', async (t) => {
  const reason = 'a <!channel> & [link](https://evil.test) \u202e\n*bold*'
  await using slack = await startSlack()
  const sending = startSending(t, webhook('slack', slack.url))
  sending.sender.send([member('a', 'down', reason)])
  await sending.outcome(1)
  t.same(slack.refused, [])
  t.match(slack.received[0]!.body, /a &lt;!channel&gt; &amp; \[link\]\(https:\/\/evil.test\) +\*bold\*/)
  // The receivers of this test are no yes-men.
  t.match(JSON.stringify(slackMessage(digestOf([told(member('a', 'down'))], '<!here>'))), '&lt;!here&gt;')
  t.match(
    problemsOfCard({
      type: 'AdaptiveCard',
      version: '1.4',
      body: [{ type: 'TextBlock', text: 'x', weight: 'Fat' }],
    }),
    [/Invalid value/],
  )
})

t.test('an incident is opened by what is wrong, and closed by what is well again', async (t) => {
  await using duty = await startPagerDuty()
  const sending = startSending(t, webhook('pagerduty', duty.url))
  const delivered = async (event: Event) => {
    const before = sending.outcomes.length
    sending.sender.send([event])
    await sending.outcome(before + 1)
    t.same(duty.refused, [], JSON.stringify(event))
  }
  await delivered(member('a', 'down'))
  await delivered(pool('degraded'))
  t.same(Object.fromEntries(duty.open), {
    'pooldns member web/a': { ...duty.open.get('pooldns member web/a'), summary: 'member web/a up → down' },
    'pooldns pool web': { ...duty.open.get('pooldns pool web'), summary: 'pool web healthy → degraded' },
  })
  t.match(duty.open.get('pooldns member web/a'), {
    severity: 'error',
    source: 'ns1',
    group: 'web',
    class: 'member',
  })
  await delivered(pool('down'))
  t.match(duty.open.get('pooldns pool web'), { severity: 'critical' }, 'the same incident')
  await delivered(pool('healthy'))
  await delivered(member('a', 'up'))
  t.equal(duty.open.size, 0)

  sending.sender.send(everything)
  const kept = everything.filter((event) => incidentKey(told(event)) !== null)
  t.equal(kept.length, everything.length - 8, 'what nobody has to get up for has no incident')
  await sending.outcome(5 + kept.length)
  t.same(duty.refused, [])
  t.same([...duty.open.keys()].sort(), ['pooldns gradual 7', 'pooldns service www.a.test'])

  const before = duty.received.length
  t.match(await sending.try(), { delivered: true })
  const [opened, closed] = duty.received.slice(before).map(({ body }) => JSON.parse(body))
  t.match(
    [opened, closed],
    [
      { event_action: 'trigger', dedup_key: 'pooldns test w', payload: { severity: 'info' } },
      { event_action: 'resolve', dedup_key: 'pooldns test w' },
    ],
  )
  t.notOk(duty.open.has('pooldns test w'))
  const long = incidentKey({ ...told(everything[13]!), service: `${'a'.repeat(250)}.` })!
  t.ok(long.length <= 255)
})

t.test('each value of a feed that is missing is an incident, and load that moves is none', async (t) => {
  const keys = [steering('stale'), steering('fresh'), steering('stale', 'used')].map((event) =>
    incidentKey(told(event)),
  )
  t.same(keys, [
    'pooldns reading web/a load/cpu host-a',
    'pooldns reading web/a load/cpu host-a',
    'pooldns reading web/a load/used host-a',
  ])
  const { member: _, ...ofPool } = told(steering('stale'))
  t.equal(incidentKey(ofPool), 'pooldns reading web load/cpu host-a')
  for (const what of ['full', 'full-over', 'shedding'])
    t.equal(incidentKey({ ...told(steering('stale')), what }), null)
})

t.test('a member that flaps while nobody can be told is told as it is by then', async (t) => {
  await using duty = await startPagerDuty()
  const sending = startSending(t, webhook('pagerduty', duty.url, { groupMs: 30 }))
  sending.sender.send([
    member('a', 'down'),
    member('b', 'down'),
    member('a', 'up'),
    member('a', 'down', 'the last'),
  ])
  await sending.outcome(4)
  t.same(
    duty.received.map(({ body }) => JSON.parse(body).dedup_key),
    ['pooldns member web/a', 'pooldns member web/b'],
  )
  t.match(duty.received[0]!.body, 'the last')
  t.match(sending.status(), { delivered: 4, queued: 0 })
})

t.test('a trial that does not arrive says why, and there is one at a time', async (t) => {
  await using slack = await startSlack()
  const sending = startSending(
    t,
    webhook('json', slack.url, { secret: `whsec_${Buffer.alloc(32).toString('base64')}` }),
  )
  t.match(await sending.try(), { delivered: false, reason: 'status 400', tookMs: Number })
  const [first, second] = await Promise.allSettled([sending.try(), sending.try()])
  t.match(first, { status: 'fulfilled' })
  t.match(second, { status: 'rejected', reason: { code: 'conflict' } })
  t.match(sending.status(), { failed: 0, lastError: null }, 'nothing of it is counted')
  t.equal(slack.received.length, 2)
})

t.test('mail', async (t) => {
  await using server = await startMailServer()
  const smtp = { host: '127.0.0.1', port: server.port, secure: false, user: null, password: null }
  const sending = startSending(t, webhook('mail', 'mailto:ops@a.test,night@b.test', { groupMs: 20 }), smtp)
  // Its own certificate is nobody's that is trusted.
  sending.sender.send([pool('down')])
  await sending.outcome(1)
  t.match(sending.status(), { failed: 1, lastError: { reason: /certificate/ } })

  await using plain = await startMailServer({ startTls: false })
  const mail = startSending(t, webhook('mail', 'mailto:ops@a.test,night@b.test', { groupMs: 20 }), {
    ...smtp,
    port: plain.port,
  })
  mail.sender.send([pool('down'), member('a', 'down', 'status 503\r\nBcc: evil@c.test')])
  await mail.outcome(2)
  const [letter] = plain.letters
  t.match(letter, { from: 'ns@a.test', to: ['ops@a.test', 'night@b.test'], user: undefined })
  t.match(letter!.text, /^Subject: \[pooldns\] 2 events: 1 pool down, 1 member down\r$/m)
  t.match(letter!.text, /^Message-ID: <msg_[\w-]+@a\.test>\r$/m)
  t.match(letter!.text, /^Auto-Submitted: auto-generated\r$/m)
  t.notMatch(letter!.text, /^Bcc/m, 'no header field comes from a member')
  t.match(letter!.text, /\[critical\] pool web healthy =E2=86=92 down/)
  t.match(await mail.try(), { delivered: true })
  await plain.count(2)
})

t.test('mail by a server with a login, and what goes wrong', async (t) => {
  await using server = await startMailServer({ user: 'pool', startTls: false })
  const smtp = { host: '127.0.0.1', port: server.port, secure: false, user: 'pool', password: 'hush' }
  const good = startSending(t, webhook('mail', 'mailto:ops@a.test'), smtp)
  t.match(await good.try(), { delivered: true })
  t.match(server.letters[0], { user: 'pool' })
  const reasonOf = async (
    url: string,
    settings: SmtpServer | null,
    from?: string | null,
    timeoutMs = 60_000,
  ) => (await startSending(t, webhook('mail', url, { timeoutMs }), settings, from).try()).reason
  t.match(await reasonOf('mailto:ops@a.test', { ...smtp, password: 'wrong' }), /wrong password/)
  t.match(await reasonOf('mailto:nobody@a.test', smtp), /no such mailbox/)
  t.match(await reasonOf('mailto:ops@a.test', null), /POOLDNS_SMTP_URL is not set/)
  t.match(await reasonOf('mailto:ops@a.test', smtp, null), /POOLDNS_MAIL_FROM is not set/)
  // A name of this host that is not known to be one: no password without TLS.
  t.match(await reasonOf('mailto:ops@a.test', { ...smtp, host: '0.0.0.0' }), /STARTTLS|TLS/)
  t.equal(server.letters.length, 1)
  await using silent = await startSlack()
  t.match(
    await reasonOf('mailto:ops@a.test', { ...smtp, port: Number(new URL(silent.url).port) }, undefined, 300),
    /timeout|timed out|Timeout|Invalid greeting/,
  )
})

t.test('how bad each is', async (t) => {
  t.same(
    everything.map((event) => gravityOf(told(event))),
    [
      'error',
      'good',
      'info',
      'warning',
      'critical',
      'good',
      'info',
      'info',
      'info',
      'error',
      'good',
      'warning',
      'info',
      'critical',
      'warning',
      'good',
      'info',
      'warning',
      'warning',
      'good',
      'warning',
      'good',
    ],
  )
})
