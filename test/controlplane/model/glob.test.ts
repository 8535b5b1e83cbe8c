import fc from 'fast-check'
import t from 'tap'
import { isPattern, literalCharacters, matchesPattern } from '../../../src/controlplane/model/glob.ts'

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
