import t from 'tap'
import { splitTokens, TokenReader } from '../../../src/dataplane/wire/tokens.ts'

t.test('a quoted value behind "=" is one word with its key', async (t) => {
  t.same(splitTokens('1 alpn="h2,h3" port=1'), [
    { text: '1', quoted: false },
    { text: 'alpn=h2,h3', quoted: false, valueAt: 5 },
    { text: 'port=1', quoted: false },
  ])
  t.same(splitTokens('a="b c\\"="'), [{ text: 'a=b c\\"=', quoted: false, valueAt: 2 }])
  t.same(splitTokens('a=""\tb'), [
    { text: 'a=', quoted: false, valueAt: 2 },
    { text: 'b', quoted: false },
  ])
})

t.test('quotes elsewhere in a word are refused', async (t) => {
  const table: [string, string][] = [
    ['a="b', 'a quote is not closed'],
    ['a="b\\"', 'a quote is not closed'],
    ['a="b"c', 'text stands behind a closing quote'],
    ['a="b""c"', 'text stands behind a closing quote'],
    ['a=b"c"', 'a quote stands inside a word'],
  ]
  for (const [source, message] of table) {
    t.throws(() => splitTokens(source), { name: 'TextError', message }, source)
  }
})

t.test('a reader gives words one by one', async (t) => {
  const tokens = new TokenReader('a b="c" d e', Uint8Array.of(0))
  t.equal(tokens.peek()?.text, 'a')
  t.equal(tokens.next().text, 'a')
  t.throws(() => tokens.next(), { message: 'a quote stands inside a word' })
  t.notOk(tokens.done)
  t.equal(tokens.rest(), 'de')
  t.ok(tokens.done)
  t.equal(tokens.peek(), undefined)
  t.throws(() => tokens.next(), { message: 'is missing' })
  t.equal(tokens.rest(), '')
})
