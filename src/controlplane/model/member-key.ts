/** Names one member: its pool, and its own name in it. */
export interface MemberKey {
  readonly pool: string
  readonly member: string
}

/**
 * Writes a key as `pool/member`, for maps, for the journal of changes and for people. No name holds a slash, and neither does a
 * pattern for names, so the text stands for one key alone.
 */
export function formatMemberKey({ pool, member }: MemberKey): string {
  return `${pool}/${member}`
}

/** Parses what `formatMemberKey` wrote. */
export function parseMemberKey(text: string): MemberKey {
  const slash = text.indexOf('/')
  return { pool: text.slice(0, slash), member: text.slice(slash + 1) }
}
