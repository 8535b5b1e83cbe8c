/** How the signing of a zone is shown. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { types } from '../../../dataplane/wire/constants.ts'
import { formatRdata, parseType } from '../../../dataplane/wire/rdata.ts'
import { dueAt, endsAt, waitOf, waitsOf } from '../../dnssec/rollover-machine.ts'
import { nodesBehind } from '../../dnssec/rollover-nodes.ts'
import { dnskeyOf, dsOf, keyTag } from '../../dnssec/zone-key.ts'
import { SigningForm } from '../../document/dnssec.ts'
import { denials, keyLayouts, keyRoles, keyStates, type ZoneKey } from '../../model/dnssec.ts'
import type { SigningNode } from '../../model/observation.ts'
import {
  dutiesOf,
  kindOf,
  type Rollover,
  rolloverGoals,
  rolloverKinds,
  rolloverSteps,
  rolloverWaits,
  stepWords,
} from '../../model/rollover.ts'
import { obstacleWords, signalObstacles } from '../../model/signal.ts'
import type { OpenRollover } from '../../store/rollovers.ts'
import type { SigningState } from '../../store/signing.ts'
import type { Stored } from '../../store/stored.ts'
import type { Signing } from '../context.ts'
import { Instant, InstantOrNull, TextOrNull } from '../schemas.ts'
import { etagOf } from '../writes.ts'
import { hostname, notFound } from './resource.ts'

/** Nodes that a step waits for, of which the words tell. */
const mostNamed = 8

/** Of a rollover that is under way. */
const RolloverView = Type.Unsafe<object | null>({
  ...Type.Object({
    goal: Type.Unsafe<string>({ type: 'string', enum: [...rolloverGoals] }),
    kind: Type.Unsafe<string>({
      type: 'string',
      enum: [...rolloverKinds],
      description: 'which keys change',
    }),
    step: Type.Unsafe<string>({ type: 'string', enum: [...rolloverSteps] }),
    steps: Type.Array(Type.String(), { description: 'all that it takes' }),
    waits: Type.Array(
      Type.Object({
        step: Type.String(),
        seconds: Type.Unsafe<number | null>({
          type: ['integer', 'null'],
          description: 'null: until the parent has done its part',
        }),
      }),
      { description: 'how long each step waits for caches, and for servers that are behind' },
    ),
    reverting: Type.Boolean({ description: 'it goes back' }),
    startedAt: Instant,
    stepSince: Instant,
    due: InstantOrNull,
    endsAt: Type.String({
      format: 'date-time',
      description: 'at the earliest: if all servers and the parent do their part at once',
    }),
    wait: Type.Unsafe<string>({
      type: 'string',
      enum: [...rolloverWaits],
      description: 'what the step waits for: servers that serve it, the parent, or caches',
    }),
    waitsFor: Type.String({ description: 'the same in words' }),
    parent: TextOrNull('what was last seen at the parent; null before'),
    parentTtlSeconds: Type.Unsafe<number | null>({
      type: ['integer', 'null'],
      description: 'the greatest TTL of a DS that was seen there',
    }),
  }),
  type: ['object', 'null'],
  description: 'null: none is under way',
})

/** What the parent is told by, of a zone that it has no DS for yet. */
const BootstrapView = Type.Object(
  {
    endedAt: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      format: 'date-time',
      description:
        'when the parent was seen to have a DS, so that there are no signals any more; null before',
    }),
    signals: Type.Array(
      Type.Object({
        server: Type.String({ description: 'a name server of the zone' }),
        name: Type.String({ description: 'where CDS and CDNSKEY stand for it' }),
        zone: TextOrNull('the zone that they stand in; null when they can not'),
        obstacle: Type.Unsafe<string | null>({
          type: ['string', 'null'],
          enum: [...signalObstacles, null],
          description: 'why they can not; null when they do',
        }),
        reason: TextOrNull('the same in words'),
      }),
    ),
  },
  { title: 'DnssecBootstrap', description: 'RFC 9615' },
)

const KeyView = Type.Object(
  {
    tag: Type.Integer(),
    algorithm: Type.Integer(),
    flags: Type.Integer(),
    role: Type.Unsafe<string>({
      type: 'string',
      enum: [...keyRoles],
      description: 'what it signs: all, keys, or the rest',
    }),
    state: Type.Unsafe<string>({ type: 'string', enum: [...keyStates] }),
    since: Instant,
    dnskey: Type.String({ description: 'RDATA of its DNSKEY' }),
    ds: Type.String({ description: 'RDATA of its DS, by SHA-256' }),
    atParent: Type.Boolean({ description: 'whether the parent is to have that' }),
    published: Type.Boolean(),
    signs: Type.Array(Type.Unsafe<string>({ type: 'string', enum: ['keys', 'zone'] }), {
      description: 'what it signs now: DNSKEY, CDS and CDNSKEY, or the rest',
    }),
  },
  { title: 'DnssecKey' },
)

export const DnssecView = Type.Object(
  {
    enabled: Type.Boolean(),
    algorithm: Type.Optional(Type.Integer()),
    denial: Type.Optional(Type.Unsafe<string>({ type: 'string', enum: [...denials] })),
    keys: Type.Optional(Type.Unsafe<string>({ type: 'string', enum: [...keyLayouts] })),
    maxTtl: Type.Optional(Type.String()),
    propagation: Type.Optional(Type.String()),
    parentServers: Type.Optional(Type.Array(Type.String())),
    foreignKeys: Type.Optional(Type.Array(Type.String())),
    bootstrap: Type.Optional(Type.Boolean()),
    status: Type.Object({
      keys: Type.Array(KeyView),
      rollover: RolloverView,
      bootstrap: BootstrapView,
      signatures: Type.Unsafe<object | null>({
        ...Type.Object({
          count: Type.Integer({ description: 'how many are served' }),
          made: Type.Integer({ description: 'how many this node has made since it was started' }),
          expiresAt: InstantOrNull,
          renewsAt: InstantOrNull,
          ended: Type.Boolean({ description: 'none is good any more: the zone is SERVFAIL' }),
          trouble: TextOrNull('why none can be made; null when they can'),
        }),
        type: ['object', 'null'],
        description: 'as this node has them; null where it has none',
      }),
    }),
  },
  { title: 'DnssecView' },
)

export function shownDnssec(
  context: Signing,
  { value, revision }: Stored<SigningState>,
  reply: FastifyReply,
): object {
  reply.header('etag', etagOf(revision))
  const { apex, dnssec, keys, nodes, rollover, signals, bootstrappedAt } = value
  const found = dnssec === null ? null : context.signing.zone(apex)
  const instant = (seconds: number) =>
    Number.isFinite(seconds) ? new Date(seconds * 1000).toISOString() : null
  return {
    ...(SigningForm.format(dnssec) as object),
    status: {
      keys: keys.map((key) => keyView(apex, key, dnssec === null ? null : (rollover?.rollover ?? null))),
      rollover: rollover === null ? null : rolloverView(rollover, nodes),
      bootstrap: {
        endedAt: bootstrappedAt?.toISOString() ?? null,
        signals: signals.map((signal) => ({
          ...signal,
          reason: signal.obstacle === null ? null : obstacleWords[signal.obstacle],
        })),
      },
      signatures: found && {
        count: found.signatures,
        made: found.madeInAll,
        expiresAt: instant(found.expiresAt),
        renewsAt: instant(found.renewAt),
        ended: context.signing.hasEnded(apex),
        trouble: found.trouble,
      },
    },
  }
}

function keyView(apex: string, key: ZoneKey, rollover: Rollover | null) {
  const { algorithm, flags, role, state, since } = key
  const { atParent, published, signsKeys, signsZone } = dutiesOf(role, state, rollover)
  const dnskey = dnskeyOf(key)
  return {
    tag: keyTag(dnskey),
    algorithm,
    flags,
    role,
    state,
    since: since.toISOString(),
    dnskey: formatRdata(parseType('DNSKEY'), dnskey),
    ds: formatRdata(types.ds, dsOf(apex, dnskey)),
    atParent,
    published,
    signs: [...(signsKeys ? ['keys'] : []), ...(signsZone ? ['zone'] : [])],
  }
}

function rolloverView(
  { rollover, signing, cachedUntil, nowMs }: OpenRollover,
  nodes: readonly SigningNode[],
): object {
  const { goal, step, reverting, startedAt, stepSince, parentSays, parentTtlSeconds } = rollover
  const times = { ...signing, cachedUntil }
  const due = dueAt(rollover, times)
  const instant = (ms: number) => new Date(ms).toISOString()
  const wait = waitOf(rollover)
  const waits = waitsOf(rollover, times)
  const behind = wait === 'servers' ? nodesBehind(nodes, rollover) : []
  const lacks = behind.length === 0 ? '' : ` (${behind.slice(0, mostNamed).join('; ')})`
  return {
    goal,
    kind: kindOf(rollover),
    step,
    steps: waits.map(({ step }) => step),
    waits,
    reverting,
    startedAt: instant(startedAt),
    stepSince: instant(stepSince),
    due: due === null || step === 'parent' ? null : instant(due),
    endsAt: instant(endsAt(rollover, times, nowMs)),
    wait,
    waitsFor: `${stepWords[step]}${wait === 'servers' ? `: not all servers serve it yet${lacks}` : ''}`,
    parent: parentSays,
    parentTtlSeconds,
  }
}

/** Throws `not-found` without the zone. */
export function existingZone(found: Stored<SigningState> | null, apex: string): Stored<SigningState> {
  if (found === null) throw notFound(`zone ${apex}`)
  return found
}

export const apexOf = ({ params: given }: FastifyRequest) =>
  hostname((given as { readonly apex: string }).apex, 'zone', 'apex')
