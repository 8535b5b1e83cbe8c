/**
 * What an RR may be and yet can hardly be meant to be: taken, with a warning. Pure, over canonical text; what needs more than
 * the RR and the types at its name is looked for in the database (`store/zone-warnings.ts`).
 */
import { rdataDoubt } from '../../dataplane/wire/rdata.ts'
import { addressDoubt } from './addresses.ts'
import { absoluteName } from './owners.ts'

/** An RR, and whether its name is a zone cut (NS at another name than the apex). */
export interface DoubtedRr {
  /** Relative to the apex. */
  readonly owner: string
  readonly type: string
  /** Canonical text. */
  readonly data: string
  readonly cut: boolean
}

/** What the parent has at a cut: the delegation, glue, and the types of DNSSEC that go with any name (RFC 4035 section 2). */
export const typesAtCut = ['NS', 'DS', 'A', 'AAAA', 'NSEC', 'RRSIG'] as const

/** Types that say something of the zone, so that only those at its apex are looked at. */
export const typesOfApex = ['DNSKEY', 'CDNSKEY', 'CDS', 'CSYNC', 'NSEC3PARAM', 'ZONEMD'] as const

/** Types of text in which policies for mail stand. */
export const policyTypes = ['TXT', 'SPF'] as const

export function rrDoubts(apex: string, rr: DoubtedRr): string[] {
  const { type, data } = rr
  const doubts = [
    rdataDoubt(type, data),
    type === 'A' || type === 'AAAA' ? addressOf(apex, rr) : null,
    ...hintDoubts(rr),
    outsideAscii(rr),
    policyTypes.some((each) => each === type) ? runTogether(data) : null,
    misplaced(rr),
    repeated(apex, rr),
  ]
  return doubts.filter((doubt) => doubt !== null)
}

/** Blocking by 0.0.0.0 is told all the same; `localhost` is where a loopback address is meant (RFC 1912 section 4.1). */
function addressOf(apex: string, { owner, data }: DoubtedRr): string | null {
  return absoluteName(owner, apex).split('.')[0] === 'localhost' ? null : addressDoubt(data)
}

/** The addresses that SVCB and HTTPS give beside their own, as those of A and AAAA. */
function hintDoubts({ type, data }: DoubtedRr): (string | null)[] {
  if (type !== 'SVCB' && type !== 'HTTPS') return []
  const lists = data.matchAll(/ ipv([46])hint=(\S+)/g)
  return Array.from(lists, ([, family, list]) =>
    list!.split(',').map((address) => {
      const doubt = addressDoubt(address)
      return doubt === null ? null : `ipv${family}hint: ${doubt}`
    }),
  ).flat()
}

/** Types that lead to names of hosts. */
export const hostTypes = ['CNAME', 'DNAME', 'NS', 'MX', 'SRV', 'PTR', 'SVCB', 'HTTPS'] as const

/** Octets above ASCII as canonical text has them. */
const aboveAscii = /\\(?:12[89]|1[3-9]\d|2\d\d)/

/** UTF-8 in a name of a host, which nobody asks for in that form; instances of services (RFC 6763 section 4.1.1) are to have it. */
function outsideAscii({ type, data }: DoubtedRr): string | null {
  if (!hostTypes.some((each) => each === type) || !aboveAscii.test(data)) return null
  const name = data.split(' ').find((word) => aboveAscii.test(word) && !/\._(?:tcp|udp)\./i.test(word))
  return name === undefined || name.includes('=')
    ? null
    : `${name} has octets outside of ASCII, and names of hosts are asked for as xn--... (RFC 5891)`
}

/**
 * SPF whose words were taken for strings of their own: they are joined without blanks between them (RFC 7208 section 3.3).
 * Strings of more than half their length were cut by a program, wherever that was.
 */
function runTogether(data: string): string | null {
  const strings = data.slice(1, -1).split('" "')
  if (strings.length < 2 || !/^v=spf1(?: |$)/i.test(strings[0]!)) return null
  const joined = strings.some((text, index) => {
    const before = strings[index - 1]
    return before !== undefined && before.length < 128 && !before.endsWith(' ') && !text.startsWith(' ')
  })
  return joined
    ? `an SPF policy of several strings, which are joined without blanks: "${strings.join('').slice(0, 40)}..."; quote it as one`
    : null
}

/** On the wrong side of a zone cut. */
function misplaced({ owner, type, cut }: DoubtedRr): string | null {
  if (type === 'DS' && owner === '@') {
    return "a DS stands at the parent's side of a cut, and never at a zone's apex (RFC 4035 section 2.4)"
  }
  if (type === 'DS' && !cut)
    return 'a DS stands beside the NS of a zone cut, and there is none (RFC 4035 section 2.4)'
  if (cut && !typesAtCut.some((each) => each === type)) {
    return 'the name is a zone cut (it has NS), and data of the other side is never answered from here'
  }
  // RFC 9615 section 4.1: signals of zones that are yet to be delegated securely stand below such names.
  if (owner !== '@' && typesOfApex.some((each) => each === type) && !owner.startsWith('_dsboot.')) {
    return `${type} is about a zone, and is looked at nowhere but at its apex`
  }
  return null
}

/** A name that lacks its final dot takes the zone once more. Zones of one label may well have names of that form. */
function repeated(apex: string, { owner, data }: DoubtedRr): string | null {
  if (!apex.includes('.')) return null
  const said = (name: string) => `${name} has the name of the zone twice: its final dot may be missing`
  if (owner === apex || owner.endsWith(`.${apex}`)) return said(`${owner}.${apex}.`)
  const twice = `${apex}.${apex}.`
  const found = data
    .split(' ')
    .find((word) => word.length >= twice.length && `.${word.toLowerCase()}`.endsWith(`.${twice}`))
  return found === undefined ? null : said(found)
}
