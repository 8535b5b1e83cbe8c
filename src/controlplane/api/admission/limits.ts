/** What clients may cost, in one place: each number bounds something, and says what. */
import type { LaneLimits } from './lane.ts'

export interface HttpLimits {
  /** Open connections. The next makes the one that has been quiet longest go. */
  readonly connections: number
  /** Requests of one connection that wait for the one before them (pipelining). The one behind them is not taken. */
  readonly waitingByConnection: number
  /** The same over all connections, at some 5 KB each; beyond it connections have no more than a few of their own. */
  readonly waiting: number
  /** Octets of bodies that one connection's waiting requests have announced. */
  readonly waitingBodyOctets: number
  /** Octets of replies that were handed to connections and have not left yet, over all. */
  readonly replyOctets: number
  /** Octets of the items of a list's page; one that is longer by itself comes alone. */
  readonly pageOctets: number
  /** A reply that gains less than `progressOctets` in this time is ended. */
  readonly stalledMs: number
  /** Fewer would keep a reply alive for hours, at an octet now and then. */
  readonly progressOctets: number
  /** What is still read of a body that nobody wants, so that its client gets to see the reply. */
  readonly unwantedOctets: number
  readonly unwantedMs: number
  /** The header of a request must have arrived whole in this time. */
  readonly headersMs: number
  /** And all of the request in this. */
  readonly requestMs: number
  /** How often connections are looked at. */
  readonly lookMs: number
  /** Requests with a token that are worked at. More would not be done any sooner: one thread does it all. */
  readonly work: LaneLimits
  /** Those of them that hold all of the configuration in memory, several times. Who waits for a place has none of `work`. */
  readonly documents: LaneLimits
  /** Reports of agents, which may be many and small. */
  readonly reports: LaneLimits
  /** Uses of the tools without a token, by address; most of them wait for a resolver. */
  readonly tools: LaneLimits
  /** Octets of bodies that are being received or were received for requests in work. */
  readonly bodies: LaneLimits
  /** Master files on their way out; each is a file of up to half a gigabyte, and a connection to the database at first. */
  readonly exports: LaneLimits
  /** Signed ones of them that are being written: each has a copy of its zone, which may be hundreds of megabytes. */
  readonly signedExports: LaneLimits
  /** Master files on their way in. Those that wait are no more than the connections; their bodies are not read, which `requestMs` bounds. */
  readonly imports: LaneLimits
  /** Short bodies with rows of feeds, which are held in memory. They have been read by then. */
  readonly rowsIn: LaneLimits
  /** Long ones: each is a file of up to half a gigabyte, for as long as its client may take to send it, and then some. */
  readonly rowFilesIn: LaneLimits
  /** Answers of feeds on their way out: each has a connection to the database now and then. */
  readonly rowsOut: LaneLimits
  /** Streams of events. */
  readonly streams: LaneLimits
}

const mebi = 1024 * 1024

export const defaultHttpLimits: HttpLimits = {
  connections: 2048,
  waitingByConnection: 100,
  waiting: 5_000,
  waitingBodyOctets: mebi / 4,
  replyOctets: 64 * mebi,
  pageOctets: mebi,
  stalledMs: 30_000,
  progressOctets: 16 * 1024,
  unwantedOctets: 32 * mebi,
  unwantedMs: 10_000,
  headersMs: 20_000,
  requestMs: 60_000,
  lookMs: 1_000,
  work: { places: 16, byHolder: 6, keptForWriters: 4, keptForAdmin: 2, patienceMs: 10_000 },
  documents: { places: 3, byHolder: 1, keptForWriters: 2, keptForAdmin: 1, patienceMs: 30_000 },
  reports: { places: 64, byHolder: 16, keptForWriters: 0, keptForAdmin: 0, patienceMs: 5_000 },
  tools: { places: 64, byHolder: 16, keptForWriters: 0, keptForAdmin: 0, patienceMs: 5_000 },
  bodies: {
    places: 96 * mebi,
    byHolder: 48 * mebi,
    keptForWriters: 32 * mebi,
    keptForAdmin: 16 * mebi,
    patienceMs: 10_000,
  },
  exports: { places: 4, byHolder: 2, keptForWriters: 2, keptForAdmin: 1, patienceMs: 0 },
  signedExports: { places: 1, byHolder: 1, keptForWriters: 0, keptForAdmin: 0, patienceMs: 30_000 },
  imports: { places: 4, byHolder: 2, keptForWriters: 2, keptForAdmin: 1, patienceMs: 15_000 },
  rowsIn: { places: 64, byHolder: 32, keptForWriters: 0, keptForAdmin: 8, patienceMs: 10_000 },
  rowFilesIn: { places: 8, byHolder: 4, keptForWriters: 0, keptForAdmin: 2, patienceMs: 10_000 },
  rowsOut: { places: 6, byHolder: 4, keptForWriters: 2, keptForAdmin: 1, patienceMs: 10_000 },
  streams: { places: 100, byHolder: 20, keptForWriters: 40, keptForAdmin: 20, patienceMs: 0 },
}

/** The limits, with those in the place of others that somebody has asked for. */
export function limitsOf({ httpLimits }: { readonly httpLimits?: Partial<HttpLimits> }): HttpLimits {
  return { ...defaultHttpLimits, ...httpLimits }
}
