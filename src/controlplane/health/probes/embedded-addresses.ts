/** IPv6 addresses that reach an IPv4 one: by a translator, a tunnel, or the kernel itself. */
import { type Prefix, parsePrefix, prefixHolds } from '../../../dataplane/wire/prefix.ts'

/** Where in an IPv6 address the four octets of an IPv4 one may stand. */
type Places = readonly (readonly [number, number, number, number])[]

const last: Places = [[12, 13, 14, 15]]
/** RFC 6052 section 2.2, by length of prefix; octet 8 is left out. */
const translated: Places = [
  [12, 13, 14, 15],
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
]

const own: readonly Prefix[] = ['::/128', '::1/128'].map((text) => parsePrefix(text)!)

const forms = (
  [
    // RFC 4291 section 2.5.5: compatible and mapped.
    ['::/96', last],
    ['::ffff:0:0/96', last],
    // SIIT's translated ones (RFC 2765 section 2.1).
    ['::ffff:0:0:0/96', last],
    // NAT64's well-known prefix (RFC 6052 section 2.1).
    ['64:ff9b::/96', last],
    // 6to4 (RFC 3056 section 2).
    ['2002::/16', [[2, 3, 4, 5]]],
  ] as const
).map(([text, places]) => ({ prefix: parsePrefix(text)!, places }))

/** For translators of a network's own (RFC 8215), cut into prefixes of a length that we don't know. */
const ofLocalTranslators = parsePrefix('64:ff9b:1::/48')!

/** The octets of every IPv4 address that an IPv6 one may reach; none for one that stands for itself alone. */
export function embeddedAddresses(octets: Uint8Array): Uint8Array[] {
  const holds = (prefix: Prefix): boolean => prefixHolds(prefix, octets, octets.length)
  // These are IPv6's own, though the range of the compatible ones holds them.
  if (octets.length !== 16 || own.some(holds)) return []
  const found = forms.filter(({ prefix }) => holds(prefix)).flatMap(({ places }) => taken(octets, places))
  if (holds(ofLocalTranslators)) {
    const read = taken(octets, translated)
    // Where another length was meant, zeros are read.
    const likely = read.filter(([first]) => first !== 0)
    found.push(...(likely.length > 0 ? likely : read))
  }
  if (isIsatap(octets)) found.push(...taken(octets, last))
  return found
}

function taken(octets: Uint8Array, places: Places): Uint8Array[] {
  return places.map((place) => Uint8Array.from(place, (index) => octets[index]!))
}

/** ISATAP (RFC 5214 section 6.1): below any prefix, for addresses that are unique in the world or aren't. */
function isIsatap(octets: Uint8Array): boolean {
  return (octets[8]! & 0xfd) === 0 && octets[9] === 0 && octets[10] === 0x5e && octets[11] === 0xfe
}
