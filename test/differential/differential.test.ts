/**
 * The same zones in NSD, in Knot and in ours, the same questions to all three (`contest.ts`); once more with zones that are signed
 * (`signing.ts`).
 *
 * POOLDNS_DIFFERENTIAL_QUESTIONS asks for more questions than the default, POOLDNS_DIFFERENTIAL_SEED for other zones.
 */
import t from 'tap'
import { Random } from '../../src/dataplane/random.ts'
import { type Asked, compete } from './contest.ts'
import { maxNameOctets, toText } from './names.ts'
import { chainDifferences } from './own-chain.ts'
import { plainWays, questionsOf, signedWays } from './questions.ts'
import { missingServers } from './servers.ts'
import { missingSigners } from './signers.ts'
import { signWorlds } from './signing.ts'
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

/** NSD and BIND's signer take the hash of the wildcard below each name, and end where that is too long. */
const longestNames = { nsec: maxNameOctets, nsec3: maxNameOctets - 2 } as const

for (const denial of ['nsec', 'nsec3'] as const) {
  t.test(
    `answers of zones that are signed with ${denial}, with DO, too`,
    { skip: missingServers() ?? missingSigners() ?? false },
    async (t) => {
      const random = new Random(seed + (denial === 'nsec' ? 1 : 2))
      const asked: Asked[] = []
      const total = () => asked.reduce((sum, { questions }) => sum + questions.length, 0)
      while (total() < wanted) {
        const worlds: World[] = Array.from({ length: 4 }, (_, i) =>
          makeWorld(random, asked.length + i, longestNames[denial]),
        )
        for (const world of await signWorlds(worlds, denial)) {
          for (const zone of world.zones) {
            const found = chainDifferences(zone)
            if (found.length > 0) t.fail(`the chain of ${toText(zone.apex)} is another one`, { found })
          }
          asked.push({ world, questions: questionsOf(random, world, signedWays) })
        }
      }
      await compete(t, asked)
      t.ok(total() >= wanted, `${total()} questions`)
    },
  )
}
