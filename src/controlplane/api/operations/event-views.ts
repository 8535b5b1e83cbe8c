/** Events as the API shows them, in lists, in streams and to webhooks. */
import Type, { type TProperties } from 'typebox'
import { type eventKinds, overrideActions, poolStates, trustStates } from '../../model/event.ts'
import { healthStates } from '../../model/observation.ts'
import { overrideStates } from '../../model/override.ts'

const Instant = Type.String({ format: 'date-time' })
const pool = Type.String()
const member = Type.String()
const reason = Type.String()

function View(kind: (typeof eventKinds)[number], description: string, properties: TProperties) {
  const head = {
    id: Type.Integer(),
    kind: Type.Literal(kind),
    node: Type.String({ description: 'who saw it' }),
  }
  return Type.Object({ ...head, ...properties, at: Instant }, { description })
}

const changed = (words: readonly string[]) => ({
  from: Type.Enum([...words]),
  to: Type.Enum([...words]),
  reason,
})

export const EventView = Type.Union([
  View('member', "A member's measured state changed.", { pool, member, ...changed(healthStates) }),
  View('pool', 'A pool became healthy, degraded or down.', { pool, ...changed(poolStates) }),
  View('override', 'What an operator says of members changed; names may be patterns.', {
    pool,
    member,
    what: Type.Enum([...overrideActions]),
    state: Type.Enum([...overrideStates]),
    actor: Type.String(),
    reason,
  }),
  View('drained', 'The last TTL that was handed out with a drained member has run out.', { pool, member }),
  View('isolation', "The node's own network became suspect, or is trusted again.", changed(trustStates)),
  View('hold', 'A member that changes too often is held down.', { pool, member, reason, until: Instant }),
])
