/** Who signs people in to the console by OpenID Connect, and what they may by their groups. */
import type { Limits } from './reach.ts'
import type { TokenScope } from './token.ts'

export interface IdentityProvider {
  /** Its issuer identifier: an https URL, or http on a loopback address. */
  readonly issuer: string
  readonly clientId: string
  /** Null for a client that has none and goes by PKCE alone. */
  readonly clientSecret: string | null
  /** What people call it. */
  readonly title: string
  /** Where browsers reach this server: scheme, host and port. */
  readonly origin: string
  /** Scopes that are asked for beside `openid`. */
  readonly scopes: readonly string[]
  /** The claim that people are called by in the audit log. */
  readonly nameClaim: string
  /** The claim that says which groups people are in. */
  readonly groupsClaim: string
  /** The first that somebody is in says what they may. At least one. */
  readonly groups: readonly GroupRights[]
}

/** What the people of a group may: as much as a token with the same scopes and limits. */
export interface GroupRights {
  /** `*` is everybody whom the provider signs in. */
  readonly group: string
  readonly scopes: readonly TokenScope[]
  readonly limits: Limits | null
}

/** The first that somebody who is in these groups has the rights of; null for somebody who has none. */
export function rightsByGroups(
  { groups }: Pick<IdentityProvider, 'groups'>,
  theirs: ReadonlySet<string>,
): GroupRights | null {
  return groups.find(({ group }) => group === '*' || theirs.has(group)) ?? null
}
