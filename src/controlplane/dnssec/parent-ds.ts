/** Asks resolvers whether the parent of a zone says that the zone is signed: whether there is a DS (RFC 4035 section 2.4). */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns'
import { isIPv6 } from 'node:net'
import { rcodeName, rcodes, types } from '../../dataplane/wire/constants.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { decodeAnswer, encodeQuery } from '../dns-client/message.ts'

/** Bounds an attempt at one resolver; each is tried twice. */
const timeoutMs = 2_000
const tries = 2
/** Of those that a host names, the rest is not asked. */
const mostResolvers = 4

export type ParentDs =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly count: number }
  /** Nobody could say. */
  | { readonly kind: 'unknown'; readonly reason: string }

/**
 * @param apex as zones have it
 * @param resolvers as `address:port` or `[address]:port`; none means the system's
 */
export async function askParentDs(
  apex: string,
  resolvers: readonly string[],
  signal: AbortSignal,
): Promise<ParentDs> {
  const servers = (resolvers.length > 0 ? resolvers : new Resolver().getServers()).slice(0, mostResolvers)
  let last: ParentDs = { kind: 'unknown', reason: 'there is no resolver to ask' }
  for (const server of servers) {
    for (let attempt = 0; attempt < tries; attempt++) {
      last = await askOne(apex, server, signal)
      if (last.kind !== 'unknown') return last
    }
  }
  return last
}

async function askOne(apex: string, server: string, signal: AbortSignal): Promise<ParentDs> {
  const { host, port } = addressOf(server)
  const question = { name: hostnameToWire(apex), type: types.ds }
  const id = randomInt(0x1_0000)
  const { promise, resolve } = Promise.withResolvers<ParentDs>()
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  const unknown = (reason: string) => resolve({ kind: 'unknown', reason: `${server}: ${reason}` })
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  const giveUp = () => unknown('timeout')
  timeout.addEventListener('abort', giveUp, { once: true })
  if (timeout.aborted) giveUp()
  socket.on('error', (error) => unknown(error.message))
  socket.on('message', (octets) => {
    const answer = decodeAnswer(octets, id, question, false)
    // What answers something else may come from anybody.
    if (typeof answer === 'string') return
    const { rcode, truncated, data } = answer
    if (truncated) resolve({ kind: 'found', count: 1 })
    else if (rcode === rcodes.nxdomain || (rcode === rcodes.noerror && data.length === 0))
      resolve({ kind: 'none' })
    else if (rcode === rcodes.noerror) resolve({ kind: 'found', count: data.length })
    else unknown(rcodeName(rcode))
  })
  // Connected, so that a port that is closed says so, and only it is heard.
  socket.connect(port, host, () => socket.send(encodeQuery(id, question)))
  try {
    return await promise
  } finally {
    timeout.removeEventListener('abort', giveUp)
    socket.close()
  }
}

function addressOf(server: string): { readonly host: string; readonly port: number } {
  const [, inBrackets, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(server) ?? []
  const host = inBrackets ?? plain
  return host === undefined ? { host: server, port: 53 } : { host, port: Number(port) }
}
