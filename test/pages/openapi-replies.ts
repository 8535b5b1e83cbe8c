/**
 * Replies as the OpenAPI document shows them: what a server has said to the examples. What is another one each time (instants,
 * secrets, the id of the node) is made the same, so that the file changes with the API alone.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isMap } from '../../src/controlplane/document/schema-check.ts'
import { repository, startDaemonProcess } from '../support/daemon.ts'
import { OpenapiDocument } from '../support/openapi-document.ts'
import { type Sent, sendExamples } from '../support/openapi-examples.ts'

const run = promisify(execFile)

export const path = 'src/controlplane/api/openapi/examples/replies.json'

export type Replies = Record<string, Record<string, unknown>>

export async function readReplies(): Promise<Replies> {
  return JSON.parse(await readFile(join(repository, path), 'utf8')) as Replies
}

/** One of each operation is enough; no text, no stream, and not the document in itself. */
export function isShown({ example, reply }: Sent): boolean {
  return (
    example.name === undefined && /json/.test(reply.type) && !/^getOpenapi$|Unversioned$/.test(example.of)
  )
}

/** What of a reply stays the same from server to server: which fields it has, and of which types they are. */
export function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (!isMap(value)) return value === null ? null : typeof value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, shapeOf(field)]))
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const someInstant = '2026-01-01T12:00:00.000Z'
/** UNIX times, as serials of zones. */
const someTime = 1_767_268_800
const unixTime = /\b1[7-9]\d{8}\b/g
/** As BIND's files of keys write times. */
const compactTime = /\b20\d{12}\b/g
const fixed: Readonly<Record<string, unknown>> = {
  ageSeconds: 0,
  created_at: someTime,
  date: someTime,
  serial: someTime,
}

/** @param node id of the server that replied */
export function masked(value: unknown, node: string, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => masked(item, node))
  if (isMap(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, masked(field, node, name)]))
  }
  if (value !== null && key in fixed) return fixed[key]
  if (typeof value !== 'string') return value
  if (key === 'secret' && value !== 'set') return `${value.slice(0, 6)}...`
  if (instant.test(value) && !value.startsWith('2099')) return someInstant
  return value
    .replaceAll(node, 'node-1')
    .replaceAll(unixTime, String(someTime))
    .replaceAll(compactTime, '20260101120000')
}

/** Writes those whose shape is another one than before. Returns whether there are any. */
export async function recordReplies(): Promise<boolean> {
  const before = await readReplies()
  const after: Replies = {}
  await using daemon = await startDaemonProcess({ env: { POOLDNS_RESOLVERS: '127.0.0.1:1' } })
  const nodes = (await (await daemon.request('/v1/nodes')).json()) as { items: { id: string }[] }
  for await (const sent of sendExamples(daemon, await OpenapiDocument.of(daemon.http))) {
    if (!isShown(sent)) continue
    const { of } = sent.example
    after[of] = { [sent.name]: masked(sent.reply.body, nodes.items[0]!.id) }
  }
  const text = (replies: Replies) => JSON.stringify(shapeOf(replies))
  if (text(after) === text(before)) return false
  await writeFile(join(repository, path), JSON.stringify(after, null, 2))
  await run(join(repository, 'node_modules/.bin/biome'), ['format', '--write', path], { cwd: repository })
  return true
}
