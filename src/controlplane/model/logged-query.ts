/** A query that was answered, as the query log keeps it. */
export interface LoggedQuery {
  readonly at: Date
  /** The network that it came from, such as `192.0.2.0/24`, or an address. */
  readonly client: string
  readonly transport: QueryTransport
  /** Lower-cased, in presentation form without its final dot unless it is the root; null, as the type, for a query whose question can't be read. */
  readonly name: string | null
  /** Such as `AAAA` or `TYPE1234`. */
  readonly type: string | null
  /** Such as `NXDOMAIN`. */
  readonly rcode: string
  /** Of the response. */
  readonly octets: number
  /** Members that the answer has, eight at the most; none where no service was asked for. */
  readonly answered: readonly AnsweredBy[]
}

export interface AnsweredBy {
  readonly service: string
  readonly pool: string
  readonly member: string
}

export const queryTransports = ['udp', 'tcp'] as const
export type QueryTransport = (typeof queryTransports)[number]

/** How many bits are kept of the addresses of clients. */
export interface KeptBits {
  readonly ipv4: number
  readonly ipv6: number
}

/** What the log is cut back to. */
export interface QueryLogBounds {
  readonly ageMs: number
  /** Rows, of all nodes together. */
  readonly rows: number
}
