/** What the connections of a stream transport may cost, all together and each. */

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
  /** When the listener stops, clients that go on asking are answered for so long. */
  readonly drainTimeoutMs: number
  /** Behind our last octet, what a client still sends is thrown away for so long: a reset could take from it what it has not read. */
  readonly lingerTimeoutMs: number
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
  drainTimeoutMs: 2000,
  lingerTimeoutMs: 1000,
  heldOctets: 64 << 20,
}
