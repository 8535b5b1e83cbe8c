/**
 * Explain: what a client is answered, and why. Nothing of it comes from the database, so it describes this node, even while the
 * database is away (to the admin token, which needs no look into it).
 */
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { canonicalAddress } from '../../../dataplane/wire/address.ts'
import { parseType, typeName } from '../../../dataplane/wire/rdata.ts'
import { readHostname, reading } from '../../document/fields.ts'
import type { ExplainQuestion, Explanation } from '../../explain/explanation.ts'
import { explanationView, presentExplanation } from '../../explain/view.ts'
import type { Problem } from '../../model/errors.ts'
import type { Override } from '../../model/override.ts'
import type { Member, Pool } from '../../model/pool.ts'
import type { Named, Reach } from '../../model/reach.ts'
import { outOfReach } from '../access.ts'
import { clientAddress } from '../clients/client-address.ts'
import { invalid } from '../configuration/resource.ts'
import type { Observations, Operations } from '../context.ts'
import { guarded, json } from '../schemas.ts'
import { activeOn, type GradualReply, GradualView, presentGradual, reachedChanges } from './gradual-view.ts'
import { MemberStatus, memberStatus } from './member-status.ts'

/** Members of each pool: all that one may have, and those that are told of when nobody says how many. */
const mostMembers = 4096
const usualMembers = 500

const ExplainQuery = Type.Object(
  {
    name: Type.String({ description: 'a domain name, with or without the final dot' }),
    type: Type.Optional(Type.String({ default: 'A', description: 'such as AAAA, TYPE65280 or ANY' })),
    client: Type.Optional(
      Type.String({ description: 'the IPv4 or IPv6 address that asks; yours when left out' }),
    ),
    members: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: mostMembers,
        default: usualMembers,
        description: 'most members that are told of each pool: a whole number',
      }),
    ),
    find: Type.Optional(
      Type.String({
        maxLength: 255,
        description:
          'a part of the name, an address or the host of members: beside those that this answer holds no others are told',
      }),
    ),
  },
  { additionalProperties: false },
)

export const ExplanationView = Type.Object(
  {
    ...explanationView(MemberStatus).properties,
    gradualChanges: Type.Array(GradualView, {
      description: 'that move the weights of a service or a pool which had a part in the answer',
    }),
  },
  { title: 'Explanation' },
)
export type ExplainReply = Static<typeof ExplanationView>

export function explainRoutes(app: FastifyInstance, context: Observations & Operations): void {
  const summary = 'What a client is answered by this node, and why'
  const schema = guarded(
    { tag: 'explain', id: 'explain', summary },
    { 200: json('The answer and its reasons.', ExplanationView) },
    [],
    {
      description:
        'The answer is made by the code that answers DNS. Beside it stands every service, choice, pool and member that had a ' +
        'part in it. What depends on chance or on turns is drawn anew each time, as it is for each query.',
      querystring: ExplainQuery,
    },
  )
  app.get('/v1/explain', { schema, config: { access: 'within' } }, async (request): Promise<ExplainReply> => {
    const query = request.query as Static<typeof ExplainQuery>
    const question = readQuestion(query, clientAddress(request))
    const explanation = await context.explain(question)
    if (request.reach !== null) throwIfBeyond(explanation, request.reach)
    const views = {
      vitals: context.health.vitals,
      status: (pool: Pool, member: Member, override: Override | null) =>
        memberStatus(context, pool, member, override),
    }
    const told = { most: query.members ?? usualMembers, find: query.find ?? '' }
    const shown = presentExplanation(explanation, views, told)
    return { ...shown, gradualChanges: movingIn(explanation, context, request.reach) }
  })
}

function movingIn({ services }: Explanation, { gradual }: Operations, reach: Reach | null): GradualReply[] {
  const names = {
    service: new Set(services.flatMap(({ levels }) => levels.map(({ judgement }) => judgement.service.name))),
    pool: new Set(services.flatMap(({ pools }) => pools.map(({ judgement }) => judgement.pool.name))),
  }
  return activeOn(reachedChanges(gradual.current(), reach), names).map(presentGradual)
}

/** Throws 403 when anything had a part in an answer that is not reached: the zone of a name that is no service, too. */
function throwIfBeyond({ question, zone, services }: Explanation, reach: Reach): void {
  const met = services.flatMap(({ selection, levels, pools }) => [
    named('service', selection.judgement.service.name),
    ...levels.flatMap(({ judgement: { service } }) => [
      named('service', service.name),
      ...service.choices.map(({ kind, name }) => named(kind, name)),
    ]),
    ...pools.map(({ judgement }) => named('pool', judgement.pool.name)),
  ])
  const isService = met.some(({ kind, name }) => kind === 'service' && name === question.name)
  const parts = isService ? met : [named('zone', zone ?? ''), ...met]
  if (parts.every((part) => reach.includes(part))) return
  throw outOfReach('the token does not reach everything that has a part in this answer')
}

const named = (kind: Named['kind'], name: string): Named => ({ kind, name })

function readQuestion(query: Static<typeof ExplainQuery>, asker: string): ExplainQuestion {
  const problems: Problem[] = []
  const name = readHostname(query.name, 'name', problems)
  const type = reading('type', problems, () => canonicalType(query.type ?? 'A'))
  const client = canonicalAddress(query.client ?? asker)
  if (client === null) {
    const message = `must be an IPv4 or IPv6 address, not ${JSON.stringify(query.client ?? asker)}`
    problems.push({ path: 'client', message })
  }
  if (name === null || type === null || client === null) throw invalid('the query', problems)
  return { name, type, client: client.replace(/^::ffff:(?=\d+\.)/, '') }
}

/** @throws TextError */
function canonicalType(text: string): string {
  const upper = text.toUpperCase()
  return upper === 'ANY' ? upper : typeName(parseType(upper))
}
