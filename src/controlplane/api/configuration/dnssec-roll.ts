/** Rollovers of a zone's keys: begun, taken back, and told that the parent has done its part. What drives them is the daemon. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { beginRollover, moveRollover, type RolloverEvent } from '../../dnssec/rollover-machine.ts'
import { keyLayouts, keyRoles, signingAlgorithms } from '../../model/dnssec.ts'
import { ControlError } from '../../model/errors.ts'
import type { RolloverTurn } from '../../model/event.ts'
import { demandAllHeard } from '../../model/silence.ts'
import type { Tx } from '../../store/database.ts'
import { listSigningNodes } from '../../store/fleet.ts'
import { changeRollover, startRollover, type WantedRollover } from '../../store/rollovers.ts'
import { getSigning, ownParentDs } from '../../store/signing.ts'
import type { Ground, Operations, Signing } from '../context.ts'
import { ConditionHeaders, guarded, json, paramsOf, titled, WriteQuery, writeHeaders } from '../schemas.ts'
import { awaitPublished, conditionOf } from '../writes.ts'
import { apexOf, DnssecView, existingZone, shownDnssec } from './dnssec-view.ts'

type Context = Ground & Signing & Pick<Operations, 'tell'>

const url = '/v1/zones/:apex/dnssec'
const params = paramsOf(url)
const config = { access: { kind: 'zone', param: 'apex' } } as const

const oneOf = (words: readonly (string | number)[], description: string) =>
  Type.Optional(Type.Unsafe<string | number>({ enum: [...words], description }))

const RollBody = titled(
  'DnssecRoll',
  Type.Object(
    {
      key: oneOf(keyRoles, 'of which role; left out, all keys'),
      algorithm: oneOf(signingAlgorithms, 'another one for all keys'),
      keys: oneOf(keyLayouts, 'another layout: one key for all, or a KSK and a ZSK'),
      unsigned: Type.Optional(
        Type.Boolean({
          description:
            'true: no other keys, but the parent is asked to take its DS away (RFC 8078), then the zone is signed no more',
        }),
      ),
    },
    { additionalProperties: false },
  ),
)

interface Roll extends Omit<WantedRollover, 'goal' | 'role'> {
  readonly key?: NonNullable<WantedRollover['role']>
  readonly unsigned?: boolean
}

export function dnssecRollRoutes(app: FastifyInstance, context: Context): void {
  registerRoll(app, context)
  registerWord(app, context, {
    path: 'cancel-roll',
    operation: { tag: 'dnssec', id: 'cancelDnssecRoll', summary: 'Takes a rollover back' },
    description:
      'The keys that were there before stay. Where the parent may have a DS of the new ones that takes its time, and goes step by step. ' +
      'Refused once the old keys are on their way out.',
    done: 'It is taken back, or on its way back.',
    event: { kind: 'cancel' },
  })
  registerWord(app, context, {
    path: 'ds-seen',
    operation: {
      tag: 'dnssec',
      id: 'confirmDnssecDs',
      summary: 'Says that the parent has the DS that it is to have',
    },
    description:
      'For a parent that this server can not ask. Whoever says so wrongly has the zone found bogus.',
    done: 'The rollover goes on.',
    event: { kind: 'ds-seen' },
  })
}

function registerRoll(app: FastifyInstance, context: Context): void {
  const operation = { tag: 'dnssec', id: 'rollDnssec', summary: "Begins a rollover of a zone's keys" }
  const schema = guarded(
    operation,
    { 200: json('It is under way.', DnssecView, writeHeaders) },
    [404, 409, 412],
    {
      description:
        'New keys take the place of those that there are, step by step, so that nobody who validates ever takes the zone for bogus. What it ' +
        'waits for is in `status.rollover`. Refused while a server is silent that may go on answering as before.',
      params,
      querystring: WriteQuery,
      headers: ConditionHeaders,
      body: RollBody,
    },
  )
  app.post(`${url}/roll`, { schema, config }, async (request, reply) => {
    const apex = apexOf(request)
    const condition = conditionOf(request)
    const wanted = wantedOf(request.body as Roll)
    const { revision, result } = await context.database.write(request.actor, async (unit) => {
      await startRollover(unit, apex, wanted, condition, beginRollover)
      await unit.settled()
      return existingZone(await getSigning(unit.tx, apex), apex)
    })
    const { step = 'publish' } = result.value.rollover?.rollover ?? {}
    tell(context, apex, 'begun', `${step}, by ${request.actor}`)
    await awaitPublished(context, revision, reply)
    return shownDnssec(context, result, reply)
  })
}

function wantedOf({ key, unsigned = false, ...rest }: Roll): WantedRollover {
  if (unsigned && (key !== undefined || Object.keys(rest).length > 0))
    throw new ControlError('invalid', 'a zone that is to be signed no more gets no other keys', {
      problems: [{ path: 'unsigned', message: 'stands alone' }],
    })
  return { goal: unsigned ? 'unsigned' : 'keys', ...rest, ...(key === undefined ? {} : { role: key }) }
}

interface Word {
  readonly path: string
  readonly operation: { readonly tag: string; readonly id: string; readonly summary: string }
  readonly description: string
  readonly done: string
  readonly event: RolloverEvent
}

function registerWord(app: FastifyInstance, context: Context, word: Word): void {
  const { path, operation, description, done, event } = word
  const schema = guarded(operation, { 200: json(done, DnssecView, writeHeaders) }, [404, 409], {
    description,
    params,
    querystring: WriteQuery,
  })
  app.post(`${url}/${path}`, { schema, config }, (request, reply) => say(context, request, reply, event))
}

async function say(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  event: RolloverEvent,
): Promise<object> {
  const apex = apexOf(request)
  const { revision, result } = await context.database.write(request.actor, async (unit) => {
    if (event.kind === 'ds-seen') await demandOwnDsServed(unit.tx, apex)
    const news = await changeRollover(unit, apex, null, ({ rollover, signing, cachedUntil, nowMs }) =>
      moveRollover(rollover, event, { ...signing, cachedUntil }, Math.round(nowMs)),
    )
    await unit.settled()
    const found = existingZone(await getSigning(unit.tx, apex), apex)
    if (news === null)
      throw new ControlError('conflict', `no rollover of the keys of zone ${apex} is under way`)
    return { news, found }
  })
  const { news, found } = result
  const now = news.after === null ? 'the keys are those of before' : news.after.step
  tell(context, apex, news.to === 'step' ? 'step' : news.to, `${now}, by ${request.actor}`)
  await awaitPublished(context, revision, reply)
  return shownDnssec(context, found, reply)
}

/** Throws `conflict` while a node is silent that may answer the former DS, out of a zone of ours: whatever leases it has are on the zone below. */
async function demandOwnDsServed(tx: Tx, apex: string): Promise<void> {
  if ((await ownParentDs(tx, apex)) === null) return
  const nodes = (await listSigningNodes(tx)).map((node) => ({ ...node, leases: {} }))
  demandAllHeard(nodes, apex, "can't count on its DS")
}

function tell(context: Context, zone: string, what: RolloverTurn, reason: string): void {
  context.tell({ kind: 'dnssec', zone, what, reason, at: context.now() })
}
