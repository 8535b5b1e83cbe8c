/**
 * The same zones in NSD, in Knot and in ours, the same questions to all three (`contest.ts`); once more with zones that are signed
 * (`signing.ts`).
 *
 * POOLDNS_DIFFERENTIAL_QUESTIONS asks for more questions than the default, POOLDNS_DIFFERENTIAL_SEED for other zones.
 */
import t from 'tap'
import { Random } from '../../src/dataplane/random.ts'
import { type Asked, compete } from './contest.ts'
import { plainWays, questionsOf, signedWays } from './questions.ts'
import { missingServers } from './servers.ts'
import { missingSigner, signWorlds } from './signing.ts'
import { makeWorld, type World } from './world.ts'

const wanted = Number(process.env.POOLDNS_DIFFERENTIAL_QUESTIONS ?? 10_000)
const seed = Number(process.env.POOLDNS_DIFFERENTIAL_SEED ?? 20_261)

t.test('answers as NSD and Knot do', { skip: missingServers() ?? false }, async (t) => {
  const random = new Random(seed)
  const asked: Asked[] = []
  const total = () => asked.reduce((sum, { questions }) => sum + questions.length, 0)
  while (total() < wanted) {
    const world = makeWorld(random, asked.length)
    asked.push({ world, questions: questionsOf(random, world, plainWays) })
  }
  await compete(t, asked)
  t.ok(total() >= wanted, `${total()} questions`)
})

t.test(
  'answers of signed zones, with DO, too',
  { skip: missingServers() ?? missingSigner() ?? false },
  async (t) => {
    const random = new Random(seed + 1)
    const asked: Asked[] = []
    const total = () => asked.reduce((sum, { questions }) => sum + questions.length, 0)
    while (total() < wanted) {
      const worlds: World[] = Array.from({ length: 4 }, (_, i) => makeWorld(random, asked.length + i))
      for (const world of await signWorlds(worlds))
        asked.push({ world, questions: questionsOf(random, world, signedWays) })
    }
    await compete(t, asked)
    t.ok(total() >= wanted, `${total()} questions`)
  },
)
