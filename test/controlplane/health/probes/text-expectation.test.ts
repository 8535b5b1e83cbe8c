import fc from 'fast-check'
import t from 'tap'
import { PatternMatcher } from '../../../../src/controlplane/health/probes/pattern-matcher.ts'
import { TextSearch, textLimit } from '../../../../src/controlplane/health/probes/text-expectation.ts'
import { anyText } from '../../model/defaults.ts'

const patterns = new PatternMatcher()
const never = new AbortController().signal
// Threads that match keep no process; here nothing else does.
const keep = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(keep))
const lookAt = async (search: TextSearch) => {
  const look = await search.look(patterns, never)
  if ('failure' in look) throw new Error(look.reason)
  return look
}

t.test('a text that comes in pieces is judged as a whole', async () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'ü'), maxLength: 30 })
  const wanted = fc.string({ unit: fc.constantFrom('a', 'b', 'ü'), minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(letters, wanted, fc.array(fc.nat(3)), async (text, word, sizes) => {
      const substring = new TextSearch({ ...anyText, contains: word, lacks: word })
      const pattern = new TextSearch({ ...anyText, matches: word, mismatches: word })
      let rest: Buffer = Buffer.from(text)
      for (const size of [...sizes, rest.length]) {
        for (const search of [substring, pattern]) search.take(rest.subarray(0, size))
        rest = rest.subarray(size)
      }
      const held = text.includes(word)
      const looks = await Promise.all([substring, pattern].map(lookAt))
      return looks.every(
        ({ missing, unwanted }) => (missing === null) === held && (unwanted !== null) === held,
      )
    }),
  )
})

t.test('only so much counts, and is kept', async (t) => {
  const search = new TextSearch({ ...anyText, contains: 'end' }, true)
  const block = Buffer.alloc(10_000, '.')
  for (let i = 0; i < 6; i++) search.take(block)
  t.notOk(search.full)
  search.take(Buffer.concat([Buffer.alloc(5_534, '.'), Buffer.from('end')]))
  t.ok(search.full)
  search.take(Buffer.from('end'))
  t.equal(search.text.length, textLimit)
  t.equal((await lookAt(search)).missing, 'does not contain "end"')
})

t.test('octets that are no text', async (t) => {
  const search = new TextSearch({ ...anyText, matches: '^.{3}ok' })
  search.take(Buffer.from([0xff, 0xfe, 0x80]))
  search.take(Buffer.from('ok'))
  t.equal((await lookAt(search)).missing, null)
})
