/**
 * What of the configuration opens something else than this server: the path and query of a webhook's URL, where receivers have
 * their tokens, and what monitors send to members (values of header fields, bodies, the query of a path). Who may only read sees a
 * mark in its place, and so does the audit log. A mark that comes back in a write is refused by name: it would replace what it
 * stands for.
 */
import type { Problem } from '../model/errors.ts'
import { isMap, maxProblems } from './schema-check.ts'

export const mark = '[hidden]'

type Fields = Readonly<Record<string, unknown>>

/** A webhook, as body or as model, without what is behind the host of its URL. Addresses of mail open nothing. */
export function hideOfWebhook<T extends object>(webhook: T): T {
  return replace(webhook, 'url', (url) => {
    if (url.startsWith('mailto:')) return url
    const [origin] = /^[a-z]+:\/\/[^/?#]*/i.exec(url) ?? ['']
    return url === origin || url === `${origin}/` ? url : `${origin}/${mark}`
  })
}

/** A monitor, as body or as model, without what it sends. */
export function hideOfMonitor<T extends object>(monitor: T): T {
  let shown = replace(monitor, 'body', () => mark)
  shown = replace(shown, 'send', () => mark)
  shown = replace(shown, 'path', (path) => path.replace(/\?.+$/s, `?${mark}`))
  return withoutHeaders(shown)
}

/** A feed, without what its source sends beside the query. */
export function hideOfFeed<T extends object>(feed: T): T {
  const { source } = feed as Fields
  return isMap(source) && source.headers !== undefined ? { ...feed, source: withoutHeaders(source) } : feed
}

function withoutHeaders<T extends object>(value: T): T {
  const { headers } = value as Fields
  if (Array.isArray(headers)) return { ...value, headers: headers.map(([name]) => [name, mark]) }
  if (!isMap(headers)) return value
  return { ...value, headers: Object.fromEntries(Object.keys(headers).map((name) => [name, mark])) }
}

function replace<T extends object>(value: T, field: string, change: (text: string) => string): T {
  const text = (value as Fields)[field]
  return typeof text === 'string' ? { ...value, [field]: change(text) } : value
}

/** What may be shown of a part of a kind, as the document or the audit log names it. */
export function hideOf<T extends object>(kind: string, body: T): T {
  if (kind === 'monitor') return hideOfMonitor(body)
  if (kind === 'feed') return hideOfFeed(body)
  return kind === 'webhook' ? hideOfWebhook(body) : body
}

/** Says where in a body a mark stands in place of what it hides. */
export function reportMarks(body: unknown, problems: Problem[]): void {
  if (!isMap(body)) return
  const report = (path: string) => {
    if (problems.length >= maxProblems) return
    const message = `must not be what a token without the scope write is shown (${mark}): it would replace what is there`
    problems.push({ path, message })
  }
  const { headers, source } = body as Fields
  for (const field of ['body', 'send']) if ((body as Fields)[field] === mark) report(field)
  for (const field of ['path', 'url']) if (endsInMark((body as Fields)[field])) report(field)
  reportHeaders(headers, 'headers')
  if (isMap(source)) reportHeaders(source.headers, 'source.headers')

  function reportHeaders(fields: unknown, at: string): void {
    if (!isMap(fields)) return
    for (const [name, value] of Object.entries(fields)) if (value === mark) report(`${at}.${name}`)
  }
}

function endsInMark(text: unknown): boolean {
  return typeof text === 'string' && (text.endsWith(`/${mark}`) || text.endsWith(`?${mark}`))
}
