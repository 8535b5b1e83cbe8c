/** What operators name on the command line: a member, every member of a pool, a pattern for members, or a service. */
import { UsageError } from '../config.ts'

/** Where the override of a target lies in the API. */
export interface Target {
  readonly path: string
  /** What it is of, for sentences. */
  readonly what: string
}

export const targetArgument = {
  target: { summary: 'POOL/MEMBER, a pattern of them such as web-*/fra-*, or POOL for all its members' },
} as const

const encode = encodeURIComponent

/** @throws UsageError */
export function parseTarget(text: string): Target {
  const { pool, member } = split(text)
  if (member === null)
    return { path: `/v1/pools/${encode(pool)}/override`, what: `every member of pool ${pool}` }
  // The route of patterns takes names, too; that of members tells one that is not there.
  if (/[*?]/.test(text))
    return { path: `/v1/overrides/${encode(pool)}/${encode(member)}`, what: `the members ${text}` }
  return { path: `${memberPath(pool, member)}/override`, what: `member ${text}` }
}

/** One member, by name. @throws UsageError */
export function parseMember(text: string): { readonly path: string } {
  const { pool, member } = split(text)
  if (member === null) throw new UsageError(`"${text}" names no member: it takes POOL/MEMBER`)
  return { path: memberPath(pool, member) }
}

const memberPath = (pool: string, member: string) => `/v1/pools/${encode(pool)}/members/${encode(member)}`

function split(text: string): { pool: string; member: string | null } {
  const [pool = '', member, ...more] = text.split('/')
  if (pool === '' || member === '' || more.length > 0)
    throw new UsageError(`"${text}" is not accepted; it takes POOL/MEMBER, or POOL`)
  return { pool, member: member ?? null }
}
