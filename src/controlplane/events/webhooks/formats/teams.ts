/**
 * A message to Microsoft Teams, by a workflow that is started when a webhook request is received: an adaptive card, as an attachment of a
 * message. Such a message has 28 KB at most, far more than a digest.
 *
 * Lines are runs of rich text, which is shown as it is: in a text block, what a member says of itself could be a link.
 */
import type { Gravity } from '../../../model/told-event.ts'
import type { Digest } from './digest.ts'

const colours: Readonly<Record<Gravity, string>> = {
  good: 'Good',
  info: 'Accent',
  warning: 'Warning',
  error: 'Attention',
  critical: 'Attention',
}

export function teamsMessage({ title, gravity, lines, more, footer }: Digest): object {
  const line = (text: string, look: object) => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text, ...look }],
  })
  const rest = more === 0 ? [] : [line(`and ${more} more`, { isSubtle: true })]
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    body: [
      line(title, { size: 'Medium', weight: 'Bolder', color: colours[gravity] }),
      ...lines.map(({ text, gravity }) => line(text, { color: colours[gravity] })),
      ...rest,
      line(footer, { size: 'Small', isSubtle: true }),
    ],
  }
  const contentType = 'application/vnd.microsoft.card.adaptive'
  return { type: 'message', attachments: [{ contentType, contentUrl: null, content }] }
}
