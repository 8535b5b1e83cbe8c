/** The kinds of things that a server keeps by name: where they lie in the API, and how a list shows them. */
import { UsageError } from '../config.ts'
import type { ApiClient } from './api-client.ts'
import { parseMember } from './targets.ts'

export const kindNames = ['zone', 'pool', 'member', 'service', 'monitor', 'feed', 'webhook'] as const
export type Kind = (typeof kindNames)[number]

const folders: Readonly<Record<Exclude<Kind, 'member'>, string>> = {
  zone: '/v1/zones',
  pool: '/v1/pools',
  service: '/v1/services',
  monitor: '/v1/monitors',
  feed: '/v1/feeds',
  webhook: '/v1/webhooks',
}

/** Where one lies. @throws UsageError */
export function pathOf(kind: Kind, name: string): string {
  if (name === '') throw new UsageError(`the name of the ${kind} is missing`)
  if (kind === 'member') return parseMember(name).path
  // A path segment of `.` is taken out by whoever makes a URL of it (RFC 3986 section 5.2.4).
  return `${folders[kind]}/${kind === 'zone' && name === '.' ? '@' : encodeURIComponent(name)}`
}

/** Where what was said of one is read: where a feed lies are its rows. @throws UsageError */
export function saidPathOf(kind: Kind, name: string): string {
  return kind === 'feed' ? `${pathOf(kind, name)}/declaration` : pathOf(kind, name)
}

/** Everything of a kind, page after page, in the order of names. */
export async function* listOf<T>(server: ApiClient, kind: Exclude<Kind, 'member'>): AsyncGenerator<T> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const response = await server.ask(`${folders[kind]}?limit=1000${query}`)
    const page = (await response.json()) as { items: T[]; nextCursor: string | null }
    yield* page.items
    cursor = page.nextCursor
  }
}
