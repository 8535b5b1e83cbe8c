/** A message by mail: plain text, in lines. */
import type { Digest } from './digest.ts'

export interface Letter {
  readonly subject: string
  readonly text: string
}

export function letterOf({ title, lines, more, footer }: Digest): Letter {
  const rest = more === 0 ? [] : [`and ${more} more`]
  const body = [...lines.map(({ gravity, text }) => `[${gravity}] ${text}`), ...rest, '', footer]
  return { subject: `[pooldns] ${title}`, text: `${body.join('\n')}\n` }
}
