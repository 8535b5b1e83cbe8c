/** All that is fuzzed, for a second each, always with the same input; `npm run fuzz` goes on with other input. */
import fc from 'fast-check'
import t from 'tap'
import { parseFuzzArguments } from './arguments.ts'
import { runTargets } from './run.ts'
import { targetOf } from './target.ts'
import { targetNames } from './targets.ts'

for (const name of targetNames) {
  t.test(name, async (t) => {
    const said: string[] = []
    const say = (line: string) => void said.push(line)
    const passed = await runTargets({ only: [name], seed: 1, minutes: null, seconds: 1, say })
    t.ok(passed, said.join('\n'))
  })
}

t.test('what is found is told with its seed, by which it is found again', async (t) => {
  const run = async (seed: number) => {
    const said: string[] = []
    const passed = await runTargets({
      ...{ only: ['queries'], seed, minutes: null },
      say: (line) => void said.push(line),
      make: async () => targetOf(50, fc.nat(1e6), (input) => (input % 7 === 3 ? `${input} is odd` : null)),
    })
    return { passed, said: said.join('\n') }
  }
  const first = await run(5)
  t.notOk(first.passed)
  t.match(first.said, /queries: found by seed 5\n[\s\S]*is odd[\s\S]*npm run fuzz -- --only queries --seed 5/)
  const inputOf = ({ said }: typeof first) => /Counterexample: .*/.exec(said)?.[0]
  t.ok(inputOf(first))
  t.equal(inputOf(await run(5)), inputOf(first))
})

t.test('one that throws is found as well', async (t) => {
  const thrown = targetOf(1, fc.nat(), () => {
    throw new TypeError('keep is not a function')
  })
  await t.rejects(thrown.check(1, 1), { cause: { message: 'keep is not a function' } })
})

t.test('the command line', async (t) => {
  const parse = (...args: string[]) => parseFuzzArguments(args, () => 77)
  t.same(parse(), { only: targetNames, seed: 77, minutes: 1 })
  t.same(parse('--seed', '5'), { only: targetNames, seed: 5, minutes: null }, 'a seed is run once')
  t.same(parse('--only', 'queries,frames', '--minutes', '0.5', '--seed', '0'), {
    only: ['queries', 'frames'],
    seed: 0,
    minutes: 0.5,
  })
  t.equal(parse('--help'), null)
  t.throws(() => parse('--only', 'x'), { message: /^--only x: not one of queries, / })
  t.throws(() => parse('--seed', '-1'))
  t.throws(() => parse('--seed', 'x'), { message: '--seed x: not a number' })
})
