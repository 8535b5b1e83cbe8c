/**
 * Signals: CDS and CDNSKEY of a signed zone once more, under the name of each of its name servers, in the zone which that name lies in
 * (RFC 9615). That zone is signed and has its DS already, so a parent that finds them there may take the CDS of the new zone for good, and
 * give it its first DS without anybody's word.
 *
 *     example.org.                                         CDS 65094 13 2 ...     signed by a key that nobody knows yet
 *     _dsboot.example.org._signal.ns1.example.net.         CDS 65094 13 2 ...     signed by the key of example.net.
 */
/**
 * Why there can't be a signal under the name of a server:
 *
 *     in-domain   the server lies in the zone itself: whoever does not trust the zone yet can't trust its signal (section 4.4)
 *     too-long    the name would be longer than names may be
 *     no-zone     no zone is served here that the name lies in
 *     unsigned    the zone that it lies in is not signed here
 *     taken       it is a zone cut, or lies below one or a DNAME, or a CNAME or a service is there (section 4.1: there is no cut at it)
 */
export const signalObstacles = ['in-domain', 'too-long', 'no-zone', 'unsigned', 'taken'] as const
export type SignalObstacle = (typeof signalObstacles)[number]

/** The same, as sentences go on. */
export const obstacleWords: Readonly<Record<SignalObstacle, string>> = {
  'in-domain': 'the server lies in the zone itself, and can prove nothing of it',
  'too-long': 'the name would be too long',
  'no-zone': 'no zone is served here that the server lies in',
  unsigned: 'the zone that the server lies in is not signed here',
  taken: 'there is a zone cut, a DNAME, a CNAME or a service at that name, or above it',
}

/** What a parent is told of a zone, and where. */
export interface Signal {
  /** Name of the server: lower case, without the final dot. */
  readonly server: string
  /** Of the RRsets, as `server` is. */
  readonly name: string
  /** The zone that they stand in; null when they can't, as `obstacle` says. */
  readonly zone: string | null
  readonly obstacle: SignalObstacle | null
}

/** RDATA of CDS and CDNSKEY; none when the parent is to have no DS. */
export interface ParentData {
  readonly cds: readonly string[]
  readonly cdnskey: readonly string[]
}

/** Name of a signal (section 3.2). Both as zones have their apex. */
export const signalName = (child: string, server: string) => `_dsboot.${child}._signal.${server}`

/** Whether something of that name is a signal, or may be one. */
export const isSignalName = (name: string) => name.startsWith('_dsboot.')
