/**
 * What all writes have in common: on what condition they happen, what a merge patch makes of what is there, and the wait until
 * this node answers by them.
 *
 * A resource's entity tag is the configuration revision of its last change. What stands under `status` changes without it, so
 * a tag guards writes and never answers 304.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isMap } from '../document/schema-check.ts'
import type { WriteCondition } from '../store/stored.ts'
import { orAborted } from '../timing/clock.ts'
import type { Ground } from './context.ts'
import { HttpError } from './errors.ts'

export function etagOf(revision: number): string {
  return `"${revision}"`
}

/** A revision that no resource has: a tag that is not one of ours matches nothing. */
const noRevision = -1

/**
 * What the headers of a write demand (RFC 9110 section 13.1). `If-Match` takes `*` or one tag; `If-None-Match` only
 * `*`, which creates and never replaces.
 */
export function conditionOf(request: FastifyRequest): WriteCondition {
  const ifMatch = request.headers['if-match']?.trim()
  const ifNoneMatch = request.headers['if-none-match']?.trim()
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new HttpError(400, 'invalid', 'If-None-Match of a write can only be *', {
      problems: [{ path: 'If-None-Match', message: 'must be *' }],
    })
  }
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: parseTag(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: '*' }),
  }
}

function parseTag(text: string): number | '*' {
  if (text === '*') return '*'
  if (!/^(?:W\/)?"[^"]*"$/.test(text)) {
    throw new HttpError(400, 'invalid', 'If-Match must be * or one entity tag, in its quotes', {
      problems: [{ path: 'If-Match', message: 'must be * or one entity tag such as "12"' }],
    })
  }
  // Weak tags never match here (RFC 9110 section 8.8.3.2: strong comparison).
  const revision = /^"(\d{1,15})"$/.exec(text)?.[1]
  return revision === undefined ? noRevision : Number(revision)
}

/** A JSON merge patch (RFC 7396) applied to a value; neither is changed. A null takes a member away. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch
  const merged = new Map<string, unknown>(isMap(target) ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name), value))
  }
  return Object.fromEntries(merged)
}

/** Longest time that a write waits for the workers. */
const publishTimeoutMs = 5_000

/** Longest time that a write waits for the other nodes, on request; less than a node counts as live that has become silent. */
const fleetTimeoutMs = 5_000

/** What the write that was just made survives; see `Database.durability`. */
const durabilityHeader = 'pooldns-durability'

/** Says whether this node answers DNS by the write that was just made. */
const publishedHeader = 'pooldns-published'
/** Says whether every live node does. */
const fleetHeader = 'pooldns-fleet'
/** Nodes that it names, so that it stays shorter than what clients take of headers. */
const mostNamed = 20

/** Waits until this node's workers serve what it has taken without the database; as `awaitPublished`. */
export async function awaitServed(
  context: Ground,
  served: Promise<void>,
  reply: FastifyReply,
): Promise<void> {
  // What is kept here is synced in any case.
  reply.header(durabilityHeader, 'power')
  const signal = within(publishTimeoutMs, context)
  try {
    await orAborted(served, signal)
    reply.header(publishedHeader, 'yes')
  } catch (error) {
    context.log[signal.aborted ? 'warn' : 'error']({ err: error }, 'taken, but not published yet')
    reply.header(publishedHeader, 'pending')
  }
  // The others hear of it by the database alone.
  if (waitsForFleet(reply)) reply.header(fleetHeader, 'pending')
}

/**
 * Waits until this node's workers serve `revision`, so that a client that has its reply can dig at once. What is
 * written stays written: when the workers are late, or the server stops, the reply is a success all the same, with the header
 * `pooldns-published: pending` in the place of `yes`.
 *
 * With `wait=fleet` it then waits for the other nodes in the same way, and `pooldns-fleet` says `yes`, or `pending` and the ids of
 * nodes that are behind, twenty at most; none when the database is away, so that it is not known of any, and none to a token that has
 * limits.
 */
export async function awaitPublished(context: Ground, revision: number, reply: FastifyReply): Promise<void> {
  context.tracing?.changes.wrote(revision, reply.request.trace)
  reply.header(durabilityHeader, context.database.durability)
  const signal = within(publishTimeoutMs, context)
  try {
    await context.publisher.reached(revision, signal)
    reply.header(publishedHeader, 'yes')
  } catch (error) {
    const level = signal.aborted ? 'warn' : 'error'
    context.log[level]({ err: error, revision }, 'written, but not published yet')
    reply.header(publishedHeader, 'pending')
  }
  if (waitsForFleet(reply))
    reply.header(fleetHeader, await fleetHeaderOf(context, revision, reply.request.reach === null))
}

/** Aborts after this time, and when the server stops: then there is nothing to be waited for, and whoever asked has a reply coming. */
function within(ms: number, { stopping }: Ground): AbortSignal {
  const patience = AbortSignal.timeout(ms)
  return stopping === undefined ? patience : AbortSignal.any([patience, stopping])
}

function waitsForFleet({ request }: FastifyReply): boolean {
  return (request.query as { readonly wait?: 'fleet' }).wait === 'fleet'
}

/** @param names whether whoever asks may hear of nodes */
async function fleetHeaderOf(context: Ground, revision: number, names: boolean): Promise<string> {
  const { fleet, log } = context
  try {
    const behind = await fleet.behind(revision, within(fleetTimeoutMs, context))
    if (behind.length === 0) return 'yes'
    return names ? `pending ${behind.slice(0, mostNamed).join(' ')}` : 'pending'
  } catch (error) {
    log.warn({ err: error, revision }, 'written, but not known to be served by every node')
    return 'pending'
  }
}
