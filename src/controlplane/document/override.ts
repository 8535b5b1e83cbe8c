/** What an operator says of members or of a service, as fields of JSON. */
import Type from 'typebox'
import { overrideStates, type ServiceOverride } from '../model/override.ts'
import { InstantText, Text, Words } from './fields.ts'
import { type Form, fieldsOf, type RecordForm, record } from './forms.ts'

const Until: Form<Date | null> = {
  ...InstantText,
  schema: Type.Unsafe({ ...InstantText.schema, type: ['string', 'null'] }),
  parse: (input, path, problems) => (input === null ? null : InstantText.parse(input, path, problems)),
}
const Reason = Text('a text of at most 500 characters', (text) => text.length <= 500)

type Word = Omit<ServiceOverride, 'service' | 'pending'>

const field = fieldsOf<Word>()

/** What is asked of members or a service; `until` null keeps it until it is deleted. */
export const wishFields = {
  state: field.required('state', Words(overrideStates)),
  until: field.optional('until', Until, null),
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
