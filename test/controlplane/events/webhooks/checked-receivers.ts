/**
 * Receivers that take what the documentation of Slack, Teams and PagerDuty says that they take, and refuse all else as they do. The card
 * of a message to Teams is read by Microsoft's own renderer.
 */
import type { ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import Type, { type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Receiver, startReceiver } from './receiver.ts'

export interface CheckedReceiver extends Receiver {
  /** What was refused, and why. */
  readonly refused: readonly string[]
}

/** @param problems of a message; none is taken with `status` */
async function startChecked(status: number, problems: (body: unknown) => string[]): Promise<CheckedReceiver> {
  const refused: string[] = []
  const answer = (response: ServerResponse, nth: number) => {
    const { headers, body } = receiver.received[nth]!
    const wrong = /^application\/json/.test(headers['content-type'] ?? '') ? read(body, problems) : ['type']
    refused.push(...wrong)
    response.writeHead(wrong.length === 0 ? status : 400).end(wrong.join('\n'))
  }
  const receiver = await startReceiver(answer)
  return Object.assign(receiver, { refused })
}

function read(body: string, problems: (body: unknown) => string[]): string[] {
  try {
    return problems(JSON.parse(body))
  } catch (error) {
    return [(error as Error).message]
  }
}

function bySchema(schema: TSchema): (body: unknown) => string[] {
  const check = Compile(schema)
  return (body) => check.Errors(body).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

const text = (type: string, maxLength: number) =>
  Type.Object({ type: Type.Literal(type), text: Type.String({ minLength: 1, maxLength }) })
const block = (type: string, fields: Record<string, TSchema>) =>
  Type.Object({ type: Type.Literal(type), ...fields }, { additionalProperties: false })

/** Slack, "Sending messages using incoming webhooks" and the reference of blocks. */
const slackMessage = Type.Object(
  {
    // "Truncates messages containing more than 40,000 characters".
    text: Type.String({ minLength: 1, maxLength: 40_000 }),
    blocks: Type.Array(
      Type.Union([
        block('section', { text: text('mrkdwn', 3000) }),
        block('context', { elements: Type.Array(text('mrkdwn', 3000), { minItems: 1, maxItems: 10 }) }),
      ]),
      { minItems: 1, maxItems: 50 },
    ),
  },
  { additionalProperties: false },
)

export function startSlack(): Promise<CheckedReceiver> {
  const check = bySchema(slackMessage)
  return startChecked(200, (body) => [...check(body), ...unescaped(JSON.stringify(body))])
}

/** Slack, "Escaping text": what looks like a mark is one. */
function unescaped(text: string): string[] {
  return [...(text.match(/[<>]|&(?!(?:amp|lt|gt);)/g) ?? [])].map((found) => `${found} is not escaped`)
}

const teamsMessage = Type.Object({
  type: Type.Literal('message'),
  attachments: Type.Array(
    Type.Object({
      contentType: Type.Literal('application/vnd.microsoft.card.adaptive'),
      contentUrl: Type.Null(),
      content: Type.Object({ type: Type.Literal('AdaptiveCard') }),
    }),
    { minItems: 1, maxItems: 1 },
  ),
})

interface Renderer {
  readonly AdaptiveCard: new () => {
    parse(card: unknown, context: unknown): void
    validateProperties(): { validationEvents: readonly { message: string }[] }
  }
  readonly SerializationContext: new (
    version: unknown,
  ) => { readonly eventCount: number; getEventAt(index: number): { message: string } }
  readonly Versions: Readonly<Record<string, unknown>>
}

// Its modules name each other in a way that Node does not resolve; the bundle is whole.
const renderer = createRequire(import.meta.url)('adaptivecards/dist/adaptivecards.js') as Renderer

/** What the renderer has to say of a card. Teams shows those of version 1.4 everywhere. */
export function problemsOfCard(content: unknown): string[] {
  const card = new renderer.AdaptiveCard()
  const context = new renderer.SerializationContext(renderer.Versions.v1_4)
  card.parse(content, context)
  return [
    ...Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index).message),
    ...card.validateProperties().validationEvents.map(({ message }) => message),
  ]
}

/** Microsoft, "Create incoming webhooks with Workflows": an adaptive card in a message of 28 KB at most, answered by 202. */
export function startTeams(): Promise<CheckedReceiver> {
  const check = bySchema(teamsMessage)
  return startChecked(202, (body) => {
    const wrong = check(body)
    if (wrong.length > 0) return wrong
    const large = JSON.stringify(body).length > 28 * 1024 ? ['larger than 28 KB'] : []
    return [
      ...large,
      ...problemsOfCard((body as { attachments: { content: unknown }[] }).attachments[0]!.content),
    ]
  })
}

const routingKey = Type.String({ pattern: '^[A-Za-z0-9]{32}$' })
const dedupKey = Type.String({ minLength: 1, maxLength: 255 })

/** PagerDuty, "Send an alert event" (Events API v2). */
const incident = Type.Union([
  Type.Object(
    { routing_key: routingKey, dedup_key: dedupKey, event_action: Type.Literal('resolve') },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      routing_key: routingKey,
      dedup_key: dedupKey,
      event_action: Type.Literal('trigger'),
      client: Type.String(),
      payload: Type.Object(
        {
          summary: Type.String({ minLength: 1, maxLength: 1024 }),
          source: Type.String({ minLength: 1 }),
          severity: Type.Enum(['critical', 'error', 'warning', 'info']),
          timestamp: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' }),
          class: Type.String(),
          group: Type.Optional(Type.String()),
          custom_details: Type.Object({}),
        },
        { additionalProperties: false },
      ),
    },
    { additionalProperties: false },
  ),
])

export interface PagerDuty extends CheckedReceiver {
  /** Keys of incidents that are open, with what they say. */
  readonly open: ReadonlyMap<string, { readonly summary: string; readonly severity: string }>
}

export async function startPagerDuty(): Promise<PagerDuty> {
  const open = new Map<string, { summary: string; severity: string }>()
  const check = bySchema(incident)
  const receiver = await startChecked(202, (body) => {
    const wrong = check(body)
    if (wrong.length > 0) return wrong
    const {
      dedup_key: key,
      event_action: action,
      payload,
    } = body as {
      dedup_key: string
      event_action: string
      payload: { summary: string; severity: string }
    }
    if (action === 'trigger') open.set(key, payload)
    else open.delete(key)
    return []
  })
  return Object.assign(receiver, { open })
}
