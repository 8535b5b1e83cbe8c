/**
 * A message to Slack, by an incoming webhook: blocks, and a text for where blocks are not shown (notifications).
 *
 * Slack's bounds: 50 blocks, 3,000 characters of a section. Its marks begin with `&`, `<` and `>`: written as
 * entities, nothing that a member says of itself calls a whole channel.
 */
import type { Gravity } from '../../../model/told-event.ts'
import type { Digest } from './digest.ts'

const signs: Readonly<Record<Gravity, string>> = {
  good: ':large_green_circle:',
  info: ':large_blue_circle:',
  warning: ':large_yellow_circle:',
  error: ':large_orange_circle:',
  critical: ':red_circle:',
}

export function slackMessage({ title, gravity, lines, more, footer }: Digest): object {
  const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text } })
  const rest = more === 0 ? [] : [section(`and ${more} more`)]
  return {
    text: `${signs[gravity]} ${escaped(title)}`,
    blocks: [
      section(`*${escaped(title)}*`),
      ...lines.map((line) => section(`${signs[line.gravity]} ${escaped(line.text)}`)),
      ...rest,
      { type: 'context', elements: [{ type: 'mrkdwn', text: escaped(footer) }] },
    ],
  }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
