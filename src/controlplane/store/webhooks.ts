/**
 * Webhooks. Their secrets leave the store by `getWebhook` and the lists, for the sender; the audit log says only that
 * one was kept or changed, and an error of the database never brings the statement with its parameters. Nor does the audit
 * log keep what stands behind the host of a URL, where receivers have their tokens.
 */
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { asc, eq } from '../../../schema/drizzle.ts'
import { webhooks, webhookWaiting } from '../../../schema/webhooks.ts'
import { hideOfWebhook } from '../document/hidden.ts'
import { formatWebhook, parseWebhook } from '../document/webhook.ts'
import { ControlError } from '../model/errors.ts'
import type { Webhook, WebhookInput } from '../model/webhook.ts'
import { rootOf } from './postgres-errors.ts'
import {
  checkCondition,
  checkExists,
  type OnBad,
  type Page,
  type PageRequest,
  type Put,
  readPage,
  readRows,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** The most of one installation: each has a queue on every node. */
export const maxWebhooks = 100

/** Throws `invalid` for a row that can't be read; with `onBad`, that is told, and there is no such webhook. */
export async function getWebhook(tx: Tx, name: string, onBad?: OnBad): Promise<Stored<Webhook> | null> {
  const row = await readRow(tx, name)
  return row === null ? null : (readable([row], onBad)[0] ?? null)
}

/** One page in the order of names. */
export async function listWebhooks(tx: Tx, request: PageRequest): Promise<Page<Stored<Webhook>>> {
  return readPage(tx.select().from(webhooks).$dynamic(), { name: webhooks.name }, request, (rows) =>
    rows.map((row) => toStored(row)),
  )
}

/** Every webhook, for the follower. Those that can't be read are told and left out. */
export async function listAllWebhooks(tx: Tx, onBad?: OnBad): Promise<Stored<Webhook>[]> {
  return readable(await tx.select().from(webhooks).orderBy(asc(webhooks.name)), onBad)
}

export interface WebhookPut extends Put {
  /** The secret that was made because there was none; null when one was given or kept. It can't be had again. */
  readonly madeSecret: string | null
}

/** Creates or replaces a webhook. Throws `conflict` when there are 100 already. */
export async function putWebhook(
  write: Write,
  input: WebhookInput,
  condition: WriteCondition,
): Promise<WebhookPut> {
  const { tx } = write
  const { name } = input
  const [current, webhookCount] = await Promise.all([readRow(tx, name), tx.$count(webhooks)])
  checkCondition(condition, current, `webhook ${name}`)
  // Whatever can't be read is replaced.
  const before = current === null ? null : (readable([current], () => {})[0]?.value ?? null)
  // The secret of one format is none of another.
  const kept = input.secret ?? (before?.format === input.format ? before.secret : null)
  const made = kept === null && input.format === 'json' ? makeSecret() : null
  const webhook: Webhook = { ...input, secret: kept ?? made }
  checkSecret(webhook)
  if (current !== null && isDeepStrictEqual(before, webhook)) {
    return { created: false, changed: false, revision: current.revision, madeSecret: null }
  }
  if (current === null) checkRoom(webhookCount)
  const { revision } = write
  const { kinds, pools } = webhook
  const row = { ...webhook, kinds: copy(kinds), pools: copy(pools), revision }
  const saved = tx.insert(webhooks).values(row).onConflictDoUpdate({ target: webhooks.name, set: row })
  write.send(
    saved.catch((error: unknown) => {
      throw rootOf(error)
    }),
  )
  write.change('webhook', name)
  const secret = before?.secret === webhook.secret ? 'kept' : 'changed'
  write.audit(
    'webhook.put',
    name,
    before === null ? null : withoutSecret(before, 'kept'),
    withoutSecret(webhook, secret),
  )
  write.say(`webhook ${name} ${current === null ? 'made' : 'changed'}`)
  return {
    created: current === null,
    changed: true,
    revision,
    madeSecret: made,
  }
}

export async function deleteWebhook(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const current = await readRow(write.tx, name)
  checkExists(condition, current, `webhook ${name}`)
  write.send(write.tx.delete(webhooks).where(eq(webhooks.name, name)))
  write.send(write.tx.delete(webhookWaiting).where(eq(webhookWaiting.webhook, name)))
  write.change('webhook', name)
  write.audit('webhook.delete', name, withoutSecret(current, 'kept'), null)
  write.say(`webhook ${name} deleted`)
}

/** What can't be made up must be said. */
function checkSecret({ name, format, secret }: Webhook): void {
  if (format !== 'pagerduty' || secret !== null) return
  throw new ControlError('invalid', `webhook ${name} is invalid`, {
    problems: [{ path: 'secret', message: 'is required: the integration key of a service of PagerDuty' }],
  })
}

function checkRoom(there: number): void {
  if (there >= maxWebhooks)
    throw new ControlError(
      'conflict',
      `there are ${maxWebhooks} webhooks already, which is the most that there may be`,
    )
}

/** Standard Webhooks 1.0, "Signature scheme": 24 octets at least. */
function makeSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

function withoutSecret(webhook: Pick<Webhook, 'url'>, secret: 'kept' | 'changed'): object {
  return { ...hideOfWebhook(webhook), secret }
}

const copy = (words: readonly string[] | null) => (words === null ? null : [...words])

type Row = typeof webhooks.$inferSelect

async function readRow(tx: Tx, name: string): Promise<Row | null> {
  const [row] = await tx.select().from(webhooks).where(eq(webhooks.name, name))
  return row ?? null
}

function readable(rows: readonly Row[], onBad?: OnBad): Stored<Webhook>[] {
  return readRows(
    rows,
    ({ name }) => `webhook ${name}`,
    ({ revision, ...row }, problems) => {
      const { secret } = row
      const body = { ...formatWebhook(row as Webhook), ...(secret === null ? {} : { secret }) }
      const read = parseWebhook(row.name, body, '', problems)
      return read === null ? null : { value: { ...read, secret }, revision }
    },
    onBad,
  )
}

const toStored = (row: Row) => readable([row])[0]!
