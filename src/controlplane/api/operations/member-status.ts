/** What is known of a member beside its configuration: what the probes, an operator and the resolvers say. */
import Type, { type Static } from 'typebox'
import { daysLeft } from '../../model/certificate.ts'
import { type HealthState, healthStates, type Resolution, resolutionStates } from '../../model/observation.ts'
import type { Override } from '../../model/override.ts'
import { type Member, needsAddresses, type Pool } from '../../model/pool.ts'
import { memberDoubts } from '../../rules/addresses.ts'
import type { Observations } from '../context.ts'
import { Instant, InstantOrNull, TextOrNull } from '../schemas.ts'
import { EffectiveOverride, presentEffective } from './override-view.ts'

const ResolutionView = Type.Object({
  state: Type.Enum([...resolutionStates], {
    description:
      '`fresh`: the last lookup gave the addresses; `stale`: it did not, and the last good ones are kept; ' +
      '`absent`: there are none; `failed`: nothing is known; `pending`: not looked up yet',
  }),
  addresses: Type.Array(Type.String()),
  since: Instant,
  expires: InstantOrNull,
  error: TextOrNull('why the last lookup gave less than it should'),
})

const AddressStatus = Type.Object(
  {
    address: Type.String(),
    state: Type.Enum([...healthStates]),
    since: Instant,
    reason: Type.String(),
  },
  { title: 'AddressStatus' },
)

const CertificateStatus = Type.Object({
  name: Type.String({ description: 'the first name in it' }),
  notAfter: Instant,
  daysLeft: Type.Integer({ description: 'whole days, negative once it has ended' }),
  fingerprint: Type.String({ description: 'SHA-256, in hexadecimal' }),
})

export const MemberStatus = Type.Object(
  {
    state: Type.Enum([...healthStates], {
      description: 'what the probes say; in a pool without a monitor `up`, but for a host without addresses',
    }),
    since: InstantOrNull,
    reason: Type.String(),
    addresses: Type.Optional(
      Type.Array(AddressStatus, {
        description:
          'of a member whose addresses are probed each by itself, when it has several; it is up while one of them is',
      }),
    ),
    certificate: Type.Optional(
      Type.Unsafe<Static<typeof CertificateStatus>>({
        ...CertificateStatus,
        description:
          'what the probes of a member with TLS were shown last and verified, of several certificates the one that ends first',
      }),
    ),
    answered: Type.Optional(
      Type.Boolean({
        description:
          'whether this node answers with the member now, for any service; of a drained one, whether a live node does',
      }),
    ),
    answeredBy: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'of a drain that other live nodes have not heard of: their ids; they may still answer with it',
      }),
    ),
    safeAt: Type.Optional(
      Type.Unsafe<string | null>({
        ...InstantOrNull,
        description:
          'of a member that is not answered: when the last TTL that this node handed out with it has run out, at the latest; of a drained one, that any live node did. ' +
          'Null while it is answered, and for one that has not been for long',
      }),
    ),
    leaving: Type.Optional(
      Type.Array(Type.Object({ address: Type.String(), safeAt: Instant }), {
        description:
          'of a member that is answered: addresses that it is not answered with any more, and that caches may have until `safeAt`',
      }),
    ),
    override: Type.Unsafe<Static<typeof EffectiveOverride> | null>(
      Type.Union([EffectiveOverride, Type.Null()], {
        description: "the operator's word, which goes before the state",
      }),
    ),
    warnings: Type.Optional(
      Type.Array(Type.String(), {
        description: 'what is taken and yet can hardly be meant, such as a loopback address',
      }),
    ),
    resolution: Type.Optional(
      Type.Unsafe<Static<typeof ResolutionView>>({
        ...ResolutionView,
        description: 'of a member that is a host; left out where its addresses are not needed',
      }),
    ),
  },
  { title: 'MemberStatus' },
)

/** The measured state and the override that holds the member, side by side; `override` null when none does. */
export function memberStatus(
  context: Observations,
  pool: Pool,
  member: Member,
  override: Override | null,
): Static<typeof MemberStatus> {
  const resolution = resolutionOf(context, pool, member)
  const warnings = memberDoubts(member)
  const { answered, answeredBy, safeAt, leaving } = context.handedOut(pool.name, member.name)
  return {
    ...measured(context, pool, member, resolution),
    ...certificateOf(context, pool, member),
    answered,
    ...(answeredBy === undefined ? {} : { answeredBy: [...answeredBy] }),
    safeAt: safeAt?.toISOString() ?? null,
    ...(leaving === undefined
      ? {}
      : { leaving: leaving.map(({ address, safeAt: at }) => ({ address, safeAt: at.toISOString() })) }),
    override: override === null ? null : presentEffective(override),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(resolution === null ? {} : { resolution: presentResolution(resolution) }),
  }
}

function certificateOf(context: Observations, pool: Pool, member: Member) {
  const certificate = context.health.vitals(pool.name, member.name)?.certificate ?? null
  if (certificate === null) return {}
  const { name, notAfterMs, fingerprint } = certificate
  const notAfter = new Date(notAfterMs).toISOString()
  return { certificate: { name, notAfter, daysLeft: daysLeft(certificate, Date.now()), fingerprint } }
}

function resolutionOf(context: Observations, pool: Pool, member: Member): Resolution | null {
  if (member.host === null || !needsAddresses(pool, member)) return null
  return context.resolution(member.host)
}

function presentResolution({ state, addresses, since, expiresAt, error }: Resolution) {
  return {
    state,
    addresses: [...addresses],
    since: since.toISOString(),
    expires: expiresAt?.toISOString() ?? null,
    error,
  }
}

/** The measured state alone, for counts of many. */
export function stateOf(context: Observations, pool: Pool, member: Member): HealthState {
  if (pool.monitor !== null)
    return context.health.availability().get(pool.name)?.get(member.name)?.state ?? 'unknown'
  return measured(context, pool, member, resolutionOf(context, pool, member)).state
}

function measured(
  context: Observations,
  pool: Pool,
  member: Member,
  resolution: Resolution | null,
): Pick<Static<typeof MemberStatus>, 'state' | 'since' | 'reason' | 'addresses'> {
  if (pool.monitor === null && resolution?.addresses.length === 0) {
    const state = resolution.state === 'pending' ? 'unknown' : 'down'
    return { state, since: resolution.since.toISOString(), reason: 'not resolved' }
  }
  if (pool.monitor === null) return { state: 'up', since: null, reason: 'the pool has no monitor' }
  const health = context.health.availability().get(pool.name)?.get(member.name)
  if (health === undefined) return { state: 'unknown', since: null, reason: 'not probed yet' }
  const { state, since, reason, addresses } = health
  const each = addresses?.map((one) => ({ ...one, since: one.since.toISOString() }))
  return { state, since: since.toISOString(), reason, ...(each === undefined ? {} : { addresses: each }) }
}
