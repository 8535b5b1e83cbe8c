/** Documents: each is a configuration or has problems, and a configuration comes back from what we write of it. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { formatConfiguration } from '../../../src/controlplane/document/configuration.ts'
import { parseDocument } from '../../../src/controlplane/document/yaml-text.ts'
import { configurationArbitrary } from '../../controlplane/document/configuration-arbitrary.ts'
import { mutatedText } from '../mutations.ts'
import { corpus, type Target, targetOf } from '../target.ts'

const words = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ':',
    ': ',
    ', ',
    '- ',
    '\n',
    '\n  ',
    '"',
    "'",
    '|',
    '>',
    '&a ',
    '*a',
    '<<: *a',
    '!!str ',
    '---\n',
    '? ',
  ],
  ...[
    'null',
    '~',
    'true',
    '0',
    '-0',
    '1e999',
    '.nan',
    '.inf',
    '0x10',
    '-1',
    '65536',
    '2147483648',
    '4097',
    '""',
  ],
  ...[
    '10s',
    '0s',
    '1h30m',
    '9999999d',
    '-5s',
    '2026-01-01',
    '192.0.2.1',
    '::1',
    '0.0.0.0',
    '10.0.0.0/8',
    'a.test.',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'monitors',
    'pools',
    'services',
    'zones',
    'members',
    'address',
    'host',
  ],
  ...[
    'addresses',
    'weight',
    'monitor',
    'steer',
    'geo',
    'weighted',
    'fallback',
    'minUp',
    'tiers',
    'rrsets',
    'data',
    '\u0000',
    '\ud800',
  ],
]
const written = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...corpus('documents')) },
  {
    weight: 1,
    arbitrary: configurationArbitrary.map((configuration) => stringify(formatConfiguration(configuration))),
  },
)

export function documents(): Target {
  return targetOf(120, mutatedText(written, words), (text) => {
    const read = parseDocument(text)
    if (!read.ok) {
      const bare = read.problems.find(({ message }) => message === '')
      return read.problems.length > 0 && bare === undefined ? null : 'refused without a reason'
    }
    const again = parseDocument(JSON.stringify(formatConfiguration(read.configuration)))
    if (!again.ok) return `what we wrote of it is refused: ${JSON.stringify(again.problems[0])}`
    return isDeepStrictEqual(read.configuration, again.configuration) ? null : 'it came back as another'
  })
}
