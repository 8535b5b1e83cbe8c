import fc from 'fast-check'
import t from 'tap'
import { AgeingLink, AgeingList } from '../../../src/controlplane/health/ageing-list.ts'

t.test('an ageing list agrees with a sorted array', (t) => {
  const operation = fc.tuple(
    fc.constantFrom('append', 'append', 'remove', 'take'),
    fc.nat({ max: 9 }),
    fc.nat(3),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 100 }), (operations) => {
      const list = new AgeingList<number>()
      const links = Array.from({ length: 10 }, (_, index) => new AgeingLink(index))
      let expected: { item: number; atMs: number }[] = []
      let nowMs = 0
      for (const [what, item, laterMs] of operations) {
        nowMs += laterMs
        if (what === 'take') {
          const thanMs = nowMs - 5
          const oldest = expected[0]
          const taken = oldest !== undefined && oldest.atMs < thanMs ? oldest.item : null
          t.equal(list.takeOlder(thanMs), taken)
          if (taken !== null) expected.shift()
        } else {
          expected = expected.filter((one) => one.item !== item)
          if (what === 'append') {
            expected.push({ item, atMs: nowMs })
            list.append(links[item]!, nowMs)
          } else list.remove(links[item]!)
        }
        for (const link of links)
          if (link.inside !== expected.some((one) => one.item === link.item)) t.fail(`${link.item}`)
      }
      const rest: number[] = []
      for (let next = list.takeOlder(nowMs + 1); next !== null; next = list.takeOlder(nowMs + 1))
        rest.push(next)
      t.strictSame(
        rest,
        expected.map(({ item }) => item),
      )
    }),
  )
  t.end()
})
