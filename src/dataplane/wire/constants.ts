/** Numbers of the DNS protocol that code speaks of by name (IANA "Domain Name System (DNS) Parameters"). */

export const headerLength = 12
/** A name that is spelled elsewhere: two octets, of which 14 bits are the offset (RFC 1035 section 4.1.4). */
export const pointerLength = 2
export const maxPointer = 0x3fff
/** The bits that tell a pointer's first octet from the length of a label. */
export const pointerBits = 0xc0
/** The pointer to the name of the question, which stands behind the header. */
export const questionPointer = (pointerBits << 8) | headerLength
/** Octets of an RR between its owner and its RDATA: type, class, TTL, length (RFC 1035 section 4.1.3). */
export const rrFixedLength = 10
/** Octets of an RR before its RDATA when the owner is a pointer. */
export const rrHeadLength = pointerLength + rrFixedLength

export const opcodes = { query: 0, notify: 4 } as const

export const rcodes = {
  noerror: 0,
  formerr: 1,
  servfail: 2,
  nxdomain: 3,
  notimp: 4,
  refused: 5,
  /** The name that a DNAME comes to is too long (RFC 6672 section 2.2). */
  yxdomain: 6,
  notauth: 9,
  /** Extended: its upper bits travel in the OPT (RFC 6891 section 6.1.3). */
  badvers: 16,
} as const

/** Mnemonics of the rcodes that need no OPT, by number (RFC 6895 section 2.3). */
export const rcodeNames = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
] as const

const otherRcodeNames: Readonly<Record<number, string>> = { 11: 'DSOTYPENI', 16: 'BADVERS', 23: 'BADCOOKIE' }

/** Mnemonic of an rcode, or `RCODE12` for one that has none. */
export function rcodeName(rcode: number): string {
  return rcodeNames[rcode] ?? otherRcodeNames[rcode] ?? `RCODE${rcode}`
}

export const classes = { in: 1, ch: 3 } as const

export const types = {
  a: 1,
  ns: 2,
  cname: 5,
  soa: 6,
  mx: 15,
  aaaa: 28,
  txt: 16,
  srv: 33,
  dname: 39,
  opt: 41,
  ds: 43,
  rrsig: 46,
  nsec: 47,
  nsec3: 50,
  nsec3param: 51,
  /** What compact answers deny a name by; nobody may ask for it (RFC 9824 section 3.5). */
  nxname: 128,
  tsig: 250,
  ixfr: 251,
  axfr: 252,
  svcb: 64,
  https: 65,
  any: 255,
} as const

/**
 * Meta types stand for an operation and own no data (RFC 6895 section 3.1): OPT and 128..255 except ANY, which is
 * answered.
 */
export function isMetaType(type: number): boolean {
  return type === types.opt || (type >= 128 && type < types.any)
}

/** SVCB and the types that share its form (RFC 9460 section 6). */
export function isServiceBinding(type: number): boolean {
  return type === types.svcb || type === types.https
}

/** Without EDNS, the most octets of a UDP message (RFC 1035 section 4.2.1). */
export const plainPayload = 512
/** The most octets of a UDP message that we send or announce: below every usual path MTU, so no fragments. */
export const ednsPayload = 1232
/** The most octets of a message over TCP, by its two-octet length (RFC 1035 section 4.2.2). */
export const streamPayload = 65535
/** An OPT without options: root owner, type, payload size, extended rcode and flags, length (RFC 6891 section 6.1.2). */
export const optLength = 11
