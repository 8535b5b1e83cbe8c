import type { WebhookInput } from '../../../../src/controlplane/model/webhook.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { changesSince } from '../../../../src/controlplane/store/changes.ts'
import { currentRevision } from '../../../../src/controlplane/store/revision.ts'
import {
  deleteWebhook,
  getWebhook,
  listAllWebhooks,
  listWebhooks,
  maxWebhooks,
  putWebhook,
} from '../../../../src/controlplane/store/webhooks.ts'
import { put, refused, type Suite } from './samples.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

const input = (name: string, change: Partial<WebhookInput> = {}): WebhookInput => ({
  name,
  url: 'https://hooks.example.test/a?token=s3cr3t',
  secret: null,
  format: 'json',
  groupMs: 0,
  kinds: null,
  pools: null,
  timeoutMs: 15_000,
  ...change,
})

export const webhooksSuite: Suite = async (t, database) => {
  await t.test('created, changed, deleted', async (t) => {
    const start = await database.read(currentRevision)
    const created = await put(database, (write) => putWebhook(write, input('chat'), {}))
    t.match(created, { created: true, changed: true, revision: start + 1, madeSecret: /^whsec_[\w+/]{43}=$/ })
    const made = (await database.read((tx) => getWebhook(tx, 'chat')))!.value
    t.equal(made.secret, created.madeSecret)
    const again = await put(database, (write) => putWebhook(write, input('chat'), {}))
    t.same(again, { created: false, changed: false, revision: start + 1, madeSecret: null })

    const changed = input('chat', { kinds: ['pool', 'hold'], pools: ['web-*'] })
    t.match(await put(database, (write) => putWebhook(write, changed, { ifMatch: start + 1 })), {
      created: false,
      changed: true,
      madeSecret: null,
    })
    const stored = await database.read((tx) => getWebhook(tx, 'chat'))
    t.same(stored, { value: { ...changed, secret: made.secret }, revision: start + 2 }, 'the secret was kept')
    await put(database, (write) => putWebhook(write, { ...changed, secret }, {}))
    t.equal((await database.read((tx) => getWebhook(tx, 'chat')))!.value.secret, secret)
    await refused(
      t,
      'stale',
      put(database, (write) => putWebhook(write, changed, { ifMatch: start + 1 })),
    )

    const feed = await database.read((tx) => changesSince(tx, start, 100))
    t.match(feed?.changes, [{ kind: 'webhook', key: 'chat' }, { kind: 'webhook' }, { kind: 'webhook' }])
    await put(database, (write) => deleteWebhook(write, 'chat', {}))
    t.equal(await database.read((tx) => getWebhook(tx, 'chat')), null)
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteWebhook(write, 'chat', {})),
    )

    const audit = (await database.read((tx) => listAudit(tx, { limit: 10 }))).items
    t.match(audit, [
      { action: 'webhook.delete', key: 'chat', before: { url: /hooks/ }, after: null },
      { action: 'webhook.put', before: { secret: 'kept' }, after: { secret: 'changed' } },
      { action: 'webhook.put', before: { kinds: null }, after: { secret: 'kept', kinds: ['pool', 'hold'] } },
      { action: 'webhook.put', before: null, after: { secret: 'changed', timeoutMs: 15_000 } },
    ])
    t.notMatch(JSON.stringify(audit), /whsec_/, 'no secret in the audit log')
    t.match(audit[3], { after: { url: 'https://hooks.example.test/[hidden]' } })
    t.notMatch(JSON.stringify(audit), /s3cr3t/, 'and no token of the receiver')
  })

  await t.test('what the database refuses, without the secret', async (t) => {
    for (const wrong of [
      { url: 'ftp://x.test', secret },
      { secret: 'hush-hush' },
      { kinds: ['soaked' as 'pool'], secret },
      { pools: [], secret },
      { timeoutMs: 0, secret },
    ]) {
      const error = await refused(
        t,
        'invalid',
        put(database, (write) => putWebhook(write, input('bad', wrong), {})),
      )
      t.notMatch(`${error.stack} ${JSON.stringify(error.problems)}`, wrong.secret)
    }
  })

  await t.test('lists, and their end', async (t) => {
    await put(database, async (write) => {
      for (let i = 0; i < maxWebhooks; i++) await putWebhook(write, input(`w${100 + i}`), {})
    })
    const page = await database.read((tx) => listWebhooks(tx, { limit: 2 }))
    t.match(page.items, [{ value: { name: 'w100' } }, { value: { name: 'w101' } }])
    const next = await database.read((tx) => listWebhooks(tx, { limit: 2, cursor: page.nextCursor }))
    t.match(next.items, [{ value: { name: 'w102' } }, { value: { name: 'w103' } }])
    t.equal((await database.read(listAllWebhooks)).length, maxWebhooks)
    await refused(
      t,
      'conflict',
      put(database, (write) => putWebhook(write, input('more'), {})),
    )
    await put(database, (write) => putWebhook(write, input('w100', { timeoutMs: 1000 }), {}))
  })
}
