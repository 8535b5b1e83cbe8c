/** What an operator says of members or of a service, as fields of JSON. */
import { overrideStates, type ServiceOverride } from '../model/override.ts'
import { InstantText, InstantTextOrNull, Text, Words } from './fields.ts'
import { fieldsOf, type RecordForm, record } from './forms.ts'

const Reason = Text('a text of at most 500 characters', (text) => text.length <= 500)

type Word = Omit<ServiceOverride, 'service' | 'pending'>

const field = fieldsOf<Word>()

/** What is asked of members or a service; `until` null keeps it until it is deleted. */
export const wishFields = {
  state: field.required('state', Words(overrideStates)),
  until: field.optional('until', InstantTextOrNull, null),
  reason: field.optional('reason', Reason, ''),
}

/** The same as it is stored, with who said it, and when. */
export const OverrideWord: RecordForm<Word> = record(
  {
    ...wishFields,
    actor: field.required(
      'actor',
      Text('a text', () => true),
    ),
    since: field.required('since', InstantText),
  },
  { description: 'an object with state, until, reason, actor and since' },
)

/** A word as the history tells it, such as `drain web/fra-1 until 2026-11-30T12:00:00.000Z: new disk`. */
export function toldWord(whom: string, { state, until, reason }: Word): string {
  const end = until === null ? '' : ` until ${until.toISOString()}`
  return `${state} ${whom}${end}${reason === '' ? '' : `: ${reason}`}`
}

/** The same of one that is no more. */
export function endedWord(whom: string, { state }: Word, how: 'taken back' | 'run out'): string {
  return `${state} ${whom}: ${how}`
}

/** A word as the audit log shows it: what stands there can be PUT again. */
export function auditedWord({ state, until, reason, actor, since }: Word): object {
  return { state, until, reason, status: { actor, since } }
}
