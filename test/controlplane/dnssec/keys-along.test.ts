/** Which keys go along with others: those of steps that follow each other, and none further apart. */
import t from 'tap'
import { areGoodAlong } from '../../../src/controlplane/dnssec/keys-along.ts'
import { stepsOf } from '../../../src/controlplane/dnssec/rollover-machine.ts'
import {
  type KeyRole,
  type KeyState,
  keyFlags,
  type ServedKey,
} from '../../../src/controlplane/model/dnssec.ts'
import {
  areRolledOver,
  dutiesOf,
  type RolloverScope,
  type RolloverStep,
} from '../../../src/controlplane/model/rollover.ts'

const scope: RolloverScope = { goal: 'keys', entry: true, data: true, algorithm: false }
const kinds: readonly (readonly [
  name: string,
  scope: RolloverScope,
  roles: readonly KeyRole[],
  stays: readonly KeyRole[],
])[] = [
  ['csk', scope, ['csk'], []],
  ['ksk', { ...scope, data: false }, ['ksk'], ['zsk']],
  ['zsk', { ...scope, entry: false }, ['zsk'], ['ksk']],
  ['both', scope, ['ksk', 'zsk'], []],
  ['algorithm', { ...scope, algorithm: true }, ['csk'], []],
]

/** As the keys are in each step, the states before and after included. */
function statesOf(scope: RolloverScope, roles: readonly KeyRole[], stays: readonly KeyRole[]): ServedKey[][] {
  const key = (role: KeyRole, name: string, state: KeyState, step: RolloverStep | null): ServedKey => ({
    algorithm: scope.algorithm && name === 'new' ? 15 : 13,
    flags: keyFlags[role],
    publicKey: `${name} ${role}`,
    sealed: '',
    duties: dutiesOf(role, state, step === null ? null : { ...scope, step, reverting: false }),
  })
  const always = (step: RolloverStep | null) => stays.map((role) => key(role, 'old', 'active', step))
  const at = (step: RolloverStep) => [
    ...roles.map((role) => key(role, 'old', 'outgoing', step)),
    ...roles.map((role) => key(role, 'new', 'incoming', step)),
    ...always(step),
  ]
  const end = (name: string) => [...roles.map((role) => key(role, name, 'active', null)), ...always(null)]
  return [end('old'), ...stepsOf(scope).map(at), end('new')]
}

for (const [name, scope, roles, stays] of kinds)
  t.test(name, async (t) => {
    const states = statesOf(scope, roles, stays)
    for (const [i, state] of states.entries()) {
      t.ok(areGoodAlong(state, state))
      if (i > 0) t.ok(areGoodAlong(states[i - 1]!, state), `step ${i}`)
      t.equal(areRolledOver(state), i > 0 && i < states.length - 1, 'a step can be told by its keys')
    }
    t.notOk(areGoodAlong(states[0]!, states.at(-1)!))
    t.notOk(areGoodAlong(states.at(-1)!, states[0]!))
  })

t.test('a rollover to no signatures can be told by its keys', async (t) => {
  for (const step of ['parent', 'ds-out'] as const)
    for (const role of ['csk', 'ksk'] as const) {
      const duties = dutiesOf(role, 'active', { ...scope, goal: 'unsigned', step, reverting: false })
      t.ok(areRolledOver([{ duties }]))
    }
})
