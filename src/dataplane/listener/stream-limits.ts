/** What the connections of a stream transport may cost, all together and each. */
import { readFileSync } from 'node:fs'

export interface StreamLimits {
  /** Open connections over all addresses. */
  readonly connections: number
  /** Open connections of one client address. */
  readonly connectionsPerAddress: number
  /** Without a message for this long, a connection is closed (RFC 7766 section 6.2.3). */
  readonly idleTimeoutMs: number
  /** A message that has begun must be whole after this. */
  readonly messageTimeoutMs: number
  /** Octets of responses that the client has not read; above it we stop reading from the connection. */
  readonly unreadOctets: number
  /** Responses that the client has not read for this long end its connection, however much of them trickles away. */
  readonly unreadTimeoutMs: number
  /** Octets of requests and responses that all connections together may hold in memory. */
  readonly heldOctets: number
}

export const defaultStreamLimits: StreamLimits = {
  connections: 8192,
  connectionsPerAddress: 512,
  idleTimeoutMs: 10_000,
  messageTimeoutMs: 500,
  unreadOctets: 256 << 10,
  unreadTimeoutMs: 10_000,
  heldOctets: 64 << 20,
}

/** What else the process opens: the embedded database has some 150, and there are probes and HTTP. */
const reservedFiles = 400
const shareOfFiles = 0.75
/** However few files there are. */
const fewestConnections = 16

/**
 * The default limits, with no more connections than the process may have files open: beyond that the kernel would turn
 * new clients away, however idle the old ones are, and the database with them.
 *
 * @param limitsPath where Linux tells the limits of a process; elsewhere there is no such file, and no bound is known
 */
export function streamLimitsOfProcess(limitsPath = '/proc/self/limits'): StreamLimits {
  let files = Number.POSITIVE_INFINITY
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync(limitsPath, 'latin1'))?.[1]
    if (limit !== undefined) files = Number(limit)
  } catch {
    // Not Linux.
  }
  const room = Math.max(fewestConnections, Math.min(files - reservedFiles, Math.floor(files * shareOfFiles)))
  return { ...defaultStreamLimits, connections: Math.min(defaultStreamLimits.connections, room) }
}
