import fc from 'fast-check'
import t from 'tap'
import {
  isPattern,
  literalCharacters,
  matchesPattern,
  patternsMeet,
  patternWithin,
} from '../../../src/controlplane/model/glob.ts'

t.test('what a pattern stands for', async (t) => {
  const rows: [string, string, boolean][] = [
    // pattern, name, whether they match
    ['fra-1', 'fra-1', true],
    ['fra-1', 'fra-12', false],
    ['fra-12', 'fra-1', false],
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['**', 'a', true],
    ['fra-*', 'fra-', true],
    ['fra-*', 'fra-1', true],
    ['fra-*', 'lon-1', false],
    ['*-1', 'fra-1', true],
    ['*-1', 'fra-1-1', true],
    ['*-1', 'fra-12', false],
    ['web-*-fra', 'web-eu-fra', true],
    ['web-*-fra', 'web-fra', false],
    ['?', 'a', true],
    ['?', '', false],
    ['?', 'ab', false],
    ['fra-??', 'fra-12', true],
    ['*ab?d*', 'xxabababcd', true],
    ['a.c', 'abc', false],
    ['[a-z]', 'b', false],
  ]
  for (const [pattern, name, matches] of rows) {
    t.equal(matchesPattern(pattern, name), matches, `${pattern} ${matches ? 'is' : 'is not'} ${name}`)
  }
})

t.test('patterns, and characters that stand for themselves', async (t) => {
  t.same(['fra-1', 'fra-*', 'fra-?'].map(isPattern), [false, true, true])
  t.same(['fra-1', 'f*-?', '*'].map(literalCharacters), [5, 2, 0])
})

/** Which ends of the pattern each start of the name is matched by, one character of the pattern after the other. */
function reference(pattern: string, name: string): boolean {
  let ends = new Set([0])
  for (const character of pattern) {
    const next = new Set<number>()
    for (const end of ends) {
      if (character === '*') for (let at = end; at <= name.length; at++) next.add(at)
      else if (end < name.length && (character === '?' || character === name[end])) next.add(end + 1)
    }
    ends = next
  }
  return ends.has(name.length)
}

t.test('as the reference says, for any pattern and name', async () => {
  const text = (characters: string[]) =>
    fc.array(fc.constantFrom(...characters), { maxLength: 14 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text(['a', 'b', '*', '?']), text(['a', 'b']), (pattern, name) => {
      return matchesPattern(pattern, name) === reference(pattern, name)
    }),
    { numRuns: 5000 },
  )
})

t.test('no pattern takes more than pattern times name', async (t) => {
  // Two to the power of 32 steps for a matcher that tries every way.
  t.equal(matchesPattern(`${'*a'.repeat(32)}*b`, 'a'.repeat(63)), false)
})

t.test('patterns meet where one name fits both', (t) => {
  const cases: [string, string, boolean][] = [
    ['web', 'web', true],
    ['web', 'web-eu', false],
    ['*', 'web', true],
    ['web-*', 'web-eu', true],
    ['web-*', 'web-', true],
    ['web-*', 'web', false],
    ['*-eu', 'web-*', true],
    ['*-eu', '*-us', false],
    ['a*', 'b*', false],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'acb', false],
    ['*a*', '*b*', true],
    ['web-??', 'web-eu', true],
    ['web-??', 'web-*', true],
    ['web-??', 'web-e', false],
    ['?', '*', true],
    ['?', '', false],
  ]
  for (const [one, other, meets] of cases) t.equal(patternsMeet(one, other), meets, `${one} ${other}`)
  t.end()
})

t.test('that patterns meet agrees with regular expressions, either way round', (t) => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 })
  fc.assert(
    fc.property(pattern, pattern, name, (one, other, text) => {
      const fits = (glob: string) =>
        new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(text)
      if (patternsMeet(one, text) !== fits(one)) return false
      if (fits(one) && fits(other) && !patternsMeet(one, other)) return false
      return patternsMeet(one, other) === patternsMeet(other, one)
    }),
  )
  t.end()
})

t.test('a pattern within another', (t) => {
  const cases: [inner: string, outer: string, isWithin: boolean][] = [
    ['web', 'web', true],
    ['web', '*', true],
    ['web-*', 'web-*', true],
    ['web-eu-*', 'web-*', true],
    ['web-*', 'web-eu-*', false],
    ['*', 'web', false],
    ['*', '?*', false],
    ['*', '**', true],
    ['web-?', 'web-*', true],
    ['web-*', 'web-?', false],
    ['web-??', 'web-?*', true],
    ['*', '?', false],
    ['a*c', '*', true],
    ['a*c', 'a*b*c', false],
    ['', '', true],
    ['a', '', false],
    ['a', 'ab', false],
  ]
  for (const [inner, outer, isWithin] of cases)
    t.equal(patternWithin(inner, outer), isWithin, `${inner} ${outer}`)
  t.end()
})

t.test('what is said to be within stands for nothing else', (t) => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 6 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 })
  fc.assert(
    fc.property(pattern, pattern, name, (inner, outer, text) => {
      if (patternWithin(text, outer) !== matchesPattern(outer, text)) return false
      return !patternWithin(inner, outer) || !matchesPattern(inner, text) || matchesPattern(outer, text)
    }),
    { numRuns: 20_000 },
  )
  t.end()
})
