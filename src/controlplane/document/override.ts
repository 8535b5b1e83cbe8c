/** The body of an override. */
import Type from 'typebox'
import type { Problem } from '../model/errors.ts'
import { type Override, overrideStates } from '../model/override.ts'
import { InstantText, Text, Words } from './fields.ts'
import { type Form, fieldsOf, ignored, type RecordForm, record } from './forms.ts'
import { joinPath } from './path.ts'

/** What an operator asks of members. */
type Wish = Pick<Override, 'state' | 'until' | 'reason'>

const Until: Form<Date | null> = {
  ...InstantText,
  schema: Type.Unsafe({ ...InstantText.schema, type: ['string', 'null'] }),
  parse: (input, path, problems) => (input === null ? null : InstantText.parse(input, path, problems)),
}

const wish = fieldsOf<Wish>()
const form: RecordForm<Wish> = record(
  {
    state: wish.required('state', Words(overrideStates)),
    until: wish.optional('until', Until, null),
    reason: wish.optional(
      'reason',
      Text('a text of at most 500 characters', (text) => text.length <= 500),
      '',
    ),
    status: ignored,
  },
  { description: 'an object with state, until and reason' },
)
export const OverrideSchema = form.schema

/** What an operator asks of members: `until` null keeps it until it is deleted. The caller adds who and when. */
export function parseOverride(input: unknown, now: Date, path: string, problems: Problem[]): Wish | null {
  const wish = form.parse(input, path, problems)
  if (wish === undefined) return null
  if (wish.until === null || wish.until > now) return wish
  problems.push({ path: joinPath(path, 'until'), message: 'must lie in the future' })
  return null
}
