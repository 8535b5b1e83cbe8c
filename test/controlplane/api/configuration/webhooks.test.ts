import { readFile } from 'node:fs/promises'
import t from 'tap'
import { getWebhook } from '../../../../src/controlplane/store/webhooks.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
const other = `whsec_${Buffer.alloc(64, 2).toString('base64')}`
const integrationKey = 'Ab1'.repeat(11).slice(0, 32)
const url = 'https://hooks.example.test/a?b=c'

t.test('a webhook and its secret', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database, state } = harness
  const stored = async () => (await database.read((tx) => getWebhook(tx, 'chat')))!.value.secret

  const created = await call('PUT', '/v1/webhooks/chat', { url })
  t.equal(created.status, 201)
  t.match(created.body, { url, timeout: '15s', status: { secret: /^whsec_/, state: 'active', queued: 0 } })
  t.equal(created.headers.get('cache-control'), 'no-store')
  const made = created.body.status.secret
  t.equal(await stored(), made)
  const told = [made]

  const read = await call('GET', '/v1/webhooks/chat')
  t.match(read.body.status, { secret: 'set', delivered: 0, lastError: null })
  t.notOk('secret' in read.body)
  const back = await call('PUT', '/v1/webhooks/chat', { ...read.body, kinds: ['pool'] })
  t.match(
    back,
    { status: 200, body: { kinds: ['pool'], status: { secret: 'set' } } },
    'what was read can be written',
  )
  t.equal(await stored(), made, 'without a secret the one that there is stays')

  t.match(await call('PUT', '/v1/webhooks/chat', { url, secret }), {
    status: 200,
    body: { status: { secret: 'set' } },
  })
  t.equal(await stored(), secret)
  const patched = await call('PATCH', '/v1/webhooks/chat', { pools: ['web-*', 'api'], timeout: '2s' })
  t.match(patched.body, { pools: ['web-*', 'api'], timeout: '2s', status: { secret: 'set' } })
  t.equal(await stored(), secret)
  await call('PATCH', '/v1/webhooks/chat', { secret: other })
  t.equal(await stored(), other)
  told.push(secret, other)

  state.webhooks.set('chat', {
    state: 'stopped',
    delivered: 3,
    failed: 2,
    dropped: 1,
    queued: 4,
    lastError: { at: new Date('2026-01-01T00:00:00Z'), reason: 'status 410' },
  })
  t.match((await call('GET', '/v1/webhooks/chat')).body.status, {
    secret: 'set',
    state: 'stopped',
    delivered: 3,
    failed: 2,
    dropped: 1,
    queued: 4,
    lastError: { at: '2026-01-01T00:00:00.000Z', reason: 'status 410' },
  })
  const given = await call('PUT', '/v1/webhooks/given', { url, secret: other })
  t.match(given, { status: 201, body: { status: { secret: 'set' } } }, 'one that was given is not told')
  const list = await call('GET', '/v1/webhooks')
  t.match(list.body.items, [{ name: 'chat' }, { name: 'given', url, status: { secret: 'set' } }])
  t.equal((await call('DELETE', '/v1/webhooks/given')).status, 204)
  t.equal((await call('GET', '/v1/webhooks/given')).status, 404)

  const audit = await call('GET', '/v1/audit')
  const shown = JSON.stringify([read, back, patched, list, given, audit, harness.lines])
  for (const one of told) t.notOk(shown.includes(one), 'no secret is shown again')
})

t.test('a webhook that can be none is refused, with the path of what is wrong', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  for (const [body, path] of [
    [{}, 'url'],
    [{ url: 'ftp://x.test/' }, 'url'],
    [{ url: 'https://user:pass@x.test/' }, 'url'],
    [{ url: 'https://x.test/#part' }, 'url'],
    [{ url: 'https://x..test/' }, 'url'],
    [{ url: '/relative' }, 'url'],
    [{ url: `https://x.test/${'a'.repeat(2048)}` }, 'url'],
    [{ url, kinds: [] }, 'kinds'],
    [{ url, kinds: ['pool', 'pool'] }, 'kinds'],
    [{ url, kinds: ['soaked'] }, 'kinds[0]'],
    [{ url, pools: ['Web'] }, 'pools[0]'],
    [{ url, timeout: '2m' }, 'timeout'],
    [{ url, colour: 'red' }, 'colour'],
    [{ url, format: 'irc' }, 'format'],
    [{ url, group: '11m' }, 'group'],
    [{ url, format: 'mail' }, 'url'],
    [{ url: 'mailto:ops@a.test' }, 'url'],
    [{ url: 'mailto:', format: 'mail' }, 'url'],
    [{ url: 'mailto:ops', format: 'mail' }, 'url'],
    [{ url: 'mailto:ops@a..test', format: 'mail' }, 'url'],
    [{ url: 'mailto:.ops@a.test', format: 'mail' }, 'url'],
    [{ url: 'mailto:ops@a.test?bcc=evil@b.test', format: 'mail' }, 'url'],
    [{ url: 'mailto:ops@a.test, night@a.test', format: 'mail' }, 'url'],
    [{ url: `mailto:${Array.from({ length: 21 }, (_, i) => `a${i}@a.test`)}`, format: 'mail' }, 'url'],
    [{ url, format: 'slack', secret }, 'secret'],
    [{ url, format: 'pagerduty', secret }, 'secret'],
    [{ url, format: 'pagerduty' }, 'secret'],
    [{ url, secret: integrationKey }, 'secret'],
  ] as const) {
    const reply = await call('PUT', '/v1/webhooks/w', body)
    t.match(reply, { status: 400, body: { errors: [{ path }] } }, JSON.stringify(body))
  }
  for (const bad of [
    'hush-hush',
    `whsec_${Buffer.alloc(23).toString('base64')}`,
    `${secret}=`,
    'whsec_!!!',
  ]) {
    const reply = await call('PUT', '/v1/webhooks/w', { url, secret: bad })
    t.match(reply, { status: 400, body: { errors: [{ path: 'secret' }] } })
    t.notOk(JSON.stringify(reply.body).includes(bad), 'and is not repeated')
  }
  t.equal((await call('PUT', '/v1/webhooks/Wrong', { url })).status, 400)
})

t.test('formats, with the secrets that they have', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  const stored = async () => (await database.read((tx) => getWebhook(tx, 'people')))!.value
  const shown = (reply: { status: number; body: { status: object } }) => [reply.status, reply.body.status]

  const slack = await call('PUT', '/v1/webhooks/people', { url, format: 'slack' })
  t.match(shown(slack), [201, { secret: 'none' }], 'nothing is made up that nobody needs')
  t.match(await stored(), { secret: null, groupMs: 5000 }, 'people are told of a storm once')
  t.notOk('group' in slack.body)
  await call('PATCH', '/v1/webhooks/people', { format: 'teams', group: '0s' })
  t.match(await stored(), { secret: null, groupMs: 0, format: 'teams' })

  const duty = { url, format: 'pagerduty', secret: integrationKey }
  t.match(shown(await call('PUT', '/v1/webhooks/people', duty)), [200, { secret: 'set' }])
  const again = await call('PATCH', '/v1/webhooks/people', { pools: ['web'] })
  t.match(again.status, 200)
  t.match(await stored(), { secret: integrationKey, groupMs: 0 }, 'the key stays')
  t.notOk(JSON.stringify([again, await call('GET', '/v1/audit')]).includes(integrationKey))

  const json = await call('PATCH', '/v1/webhooks/people', { format: 'json' })
  t.match(json.body.status.secret, /^whsec_/, 'the secret of one format is none of another')
  t.match((await call('PATCH', '/v1/webhooks/people', { format: 'pagerduty' })).status, 400)

  const mail = await call('PUT', '/v1/webhooks/people', {
    url: 'MAILTO:ops@a.test,x+y@b.test',
    format: 'mail',
  })
  t.match(mail, { status: 200, body: { url: 'mailto:ops@a.test,x+y@b.test', status: { secret: 'none' } } })
  const back = await call('PUT', '/v1/webhooks/people', mail.body)
  t.equal(back.status, 200, 'what was read can be written')
})

t.test('a trial', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  for (const name of ['chat', 'wrong', 'busy']) await call('PUT', `/v1/webhooks/${name}`, { url })
  const attempt = (name: string) => call('POST', `/v1/webhooks/${name}/test`)
  t.match(await attempt('chat'), { status: 200, body: { delivered: true, reason: null, tookMs: 3 } })
  t.match(await attempt('wrong'), { status: 200, body: { delivered: false, reason: 'status 404' } })
  t.equal((await attempt('busy')).status, 409)
  t.equal((await attempt('none')).status, 404)
})

t.test('webhooks are no part of the document', async (t) => {
  const format = new URL('../../../../src/controlplane/document/configuration.ts', import.meta.url)
  t.notMatch(await readFile(format, 'utf8'), /webhook/i)
})
