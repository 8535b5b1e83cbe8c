/** Values that more than one kind of resource has. */
import t from 'tap'
import { InstantText } from '../../../src/controlplane/document/fields.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'

t.test('an instant is one of the calendar, and no later one is taken for it', (t) => {
  const read = (text: string) => InstantText.parse(text, 'until', [])?.toISOString()
  t.equal(read('2028-02-29T23:59:59.5Z'), '2028-02-29T23:59:59.500Z')
  t.equal(read('2030-01-01t00:00:00+23:59'), '2029-12-31T00:01:00.000Z')
  t.equal(read('0001-01-01T00:00:00Z'), '0001-01-01T00:00:00.000Z')
  const none = [
    '2030-02-29T00:00:00Z',
    '2030-02-30T00:00:00+02:00',
    '2030-04-31T12:00:00Z',
    '2030-01-01T24:00:00Z',
    '2030-01-01T23:59:60Z',
    '2030-00-01T00:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '٢٠٣٠-01-01T00:00:00Z',
  ]
  for (const text of none) {
    const problems: Problem[] = []
    t.equal(InstantText.parse(text, 'until', problems), undefined, text)
    t.match(problems, [{ path: 'until', message: /^must be an instant such as / }], text)
  }
  t.end()
})
