import fc from 'fast-check'
import t from 'tap'
import { patternsMeet } from '../../../../src/controlplane/events/webhooks/selection.ts'

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
  ]
  for (const [one, other, meets] of cases) t.equal(patternsMeet(one, other), meets, `${one} ${other}`)
  t.end()
})

t.test('against a regular expression, and either way round', (t) => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 })
  fc.assert(
    fc.property(pattern, pattern, name, (one, other, text) => {
      const fits = (glob: string) => new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(text)
      if (patternsMeet(one, text) !== fits(one)) return false
      if (fits(one) && fits(other) && !patternsMeet(one, other)) return false
      return patternsMeet(one, other) === patternsMeet(other, one)
    }),
  )
  t.end()
})
