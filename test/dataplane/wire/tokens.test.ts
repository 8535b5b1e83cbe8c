import fc from 'fast-check'
import t from 'tap'
import { splitTokens } from '../../../src/dataplane/wire/tokens.ts'

t.test('words and quoted strings', async (t) => {
  const table: [string, [string, boolean][]][] = [
    ['', []],
    [' \t ', []],
    [
      '10 mail',
      [
        ['10', false],
        ['mail', false],
      ],
    ],
    [
      '\t10\t\tmail ',
      [
        ['10', false],
        ['mail', false],
      ],
    ],
    [
      '"a b" c',
      [
        ['a b', true],
        ['c', false],
      ],
    ],
    ['""', [['', true]]],
    [
      '"a""b"',
      [
        ['a', true],
        ['b', true],
      ],
    ],
    ['"a\\"b"', [['a\\"b', true]]],
    [
      'a\\ b c',
      [
        ['a\\ b', false],
        ['c', false],
      ],
    ],
    ['a\\"b', [['a\\"b', false]]],
    ['"ends with \\\\"', [['ends with \\\\', true]]],
    [
      'semi;colon (paren)',
      [
        ['semi;colon', false],
        ['(paren)', false],
      ],
    ],
  ]
  for (const [source, tokens] of table) {
    t.same(
      splitTokens(source),
      tokens.map(([text, quoted]) => ({ text, quoted })),
      JSON.stringify(source),
    )
  }
})

t.test('what is not a line of tokens says why', async (t) => {
  const table: [string, string][] = [
    ['"open', 'a quote is not closed'],
    ['"open\\"', 'a quote is not closed'],
    ['a"b', 'a quote stands inside a word'],
    ['a\\', 'a backslash stands at the end'],
    ['"a\\', 'a backslash stands at the end'],
    ['a\nb', 'a line break stands in the text'],
    ['"a\rb"', 'a line break stands in the text'],
    ['a\\\nb', 'a line break stands in the text'],
  ]
  for (const [source, message] of table) {
    t.throws(() => splitTokens(source), { name: 'TextError', message }, JSON.stringify(source))
  }
})

t.test('words joined by space come back', async () => {
  const word = fc.stringMatching(/^[a-z0-9.;()@-]{1,10}$/)
  fc.assert(
    fc.property(fc.array(word), fc.constantFrom(' ', '\t', '  '), (words, space) => {
      return (
        splitTokens(words.join(space))
          .map(({ text }) => text)
          .join(' ') === words.join(' ')
      )
    }),
  )
})
