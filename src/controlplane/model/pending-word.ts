/** What an operator said to a node while the database was away: an override, or the end of one. */
import { formatMemberKey } from './member-key.ts'
import type { Override, ServiceOverride } from './override.ts'

interface Said {
  /** When; of two words on the same the later one holds, whichever node it was said to. */
  readonly at: Date
  readonly actor: string
  /** The birth of the member or the service that it was said of (`births.ts`); null where that is not known, and for patterns. */
  readonly born: number | null
}

/** `override` null ends what there is. */
export interface MemberWord extends Said {
  readonly pool: string
  readonly member: string
  readonly override: Override | null
}

export interface ServiceWord extends Said {
  readonly service: string
  readonly override: ServiceOverride | null
}

export type PendingWord = MemberWord | ServiceWord

/** What a word is said of: by names, or by patterns. */
export type WordTarget = { readonly pool: string; readonly member: string } | { readonly service: string }

/** One for all words on the same. */
export function wordKey(target: WordTarget): string {
  return 'service' in target ? `service ${target.service}` : `member ${formatMemberKey(target)}`
}
