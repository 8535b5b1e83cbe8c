/** What operators' words on members would do to answers, before anybody says them. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { type Effect, effectOfOverrides, type OverrideWish } from '../../apply/effect.ts'
import { Pattern, Words } from '../../document/fields.ts'
import { type Form, fieldsOf, list, record } from '../../document/forms.ts'
import { ControlError } from '../../model/errors.ts'
import { type OverrideState, overrideStates } from '../../model/override.ts'
import { beyondReach } from '../access.ts'
import { effectFields } from '../configuration/plan-schema.ts'
import { valid } from '../configuration/resource.ts'
import type { Ground, Operations } from '../context.ts'
import { markRevision } from '../memory.ts'
import { guarded, json } from '../schemas.ts'

/** Words that are tried at once. */
const most = 100

const StateOrNull: Form<OverrideState | null> = {
  ...Words(overrideStates),
  schema: Type.Union([Words(overrideStates).schema, Type.Null()], {
    description: `${overrideStates.join(', ')}, or null to take it back`,
  }),
  parse: (input, path, problems) =>
    input === null ? null : Words(overrideStates).parse(input, path, problems),
  format: (state) => state,
}

const field = fieldsOf<OverrideWish>()
const wish = record(
  {
    pool: field.required('pool', Pattern),
    member: field.required('member', Pattern),
    state: field.required('state', StateOrNull),
  },
  { description: 'an object with pool, member and state' },
)
interface Wishes {
  readonly overrides: readonly OverrideWish[]
}
const wishes = record(
  {
    overrides: fieldsOf<Wishes>().required(
      'overrides',
      list(wish, {
        minItems: 1,
        maxItems: most,
        description: `a list of at most ${most} overrides, each with pool, member and state`,
      }),
    ),
  },
  { title: 'OverrideTrial', description: 'an object with overrides' },
)

const EffectView = Type.Object(effectFields, {
  title: 'OverrideEffect',
  description: 'which shares of the answers would move, with what is known of members now',
})
/** As a client reads it. */
export type EffectReply = Effect

export function overridePreviewRoute(app: FastifyInstance, context: Ground & Operations): void {
  const replies = {
    200: json('What would move.', EffectView, {
      'pooldns-revision': 'The revision that this node serves, which it was tried on.',
    }),
  }
  const schema = guarded(
    { tag: 'override', id: 'previewOverrides', summary: 'What overrides of members would do to answers' },
    replies,
    [],
    {
      description:
        'Nothing is changed, so it needs the scope `read` alone. The shares are those of the code that answers, by what this node knows.',
      body: wishes.schema,
    },
  )
  const config = { access: 'within', changing: ['read', 'override', 'write'] } as const
  app.post('/v1/overrides/preview', { schema, config }, async (request, reply) => {
    const { reach, actor } = request
    const { overrides } = valid('the trial', (problems) => wishes.parse(request.body, '', problems))
    const beyond = overrides.find(({ pool }) => reach?.includes({ kind: 'pool', name: pool }) === false)
    if (beyond !== undefined) throw beyondReach(actor, { kind: 'pool', name: beyond.pool })
    const memory = context.memory()
    if (memory === null) throw new ControlError('unavailable', 'this node has no configuration yet')
    markRevision(reply, memory)
    return effectOfOverrides(overrides, memory.catalog, context.now(), context.preview, reach)
  })
}
