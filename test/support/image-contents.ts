/** All that a zone image says, independent of the order in which it was written; and how large it is, so that an edit leaves nothing behind. */
import { headerAt, type ZoneImage } from '../../src/dataplane/image/image.ts'
import { nameOf } from '../../src/dataplane/image/image-contents.ts'
import { types } from '../../src/dataplane/wire/constants.ts'
import { formatName } from '../../src/dataplane/wire/name.ts'
import { NameScan } from '../../src/dataplane/wire/name-scan.ts'
import { hashWords } from '../../src/dataplane/wire/owner-hash.ts'

export function contentsOf(image: ZoneImage): string[] {
  const name = (node: number) => (node < 0 ? '-' : formatName(nameOf(image, node)))
  const isNsec = image.isSigned && !image.isHashed
  const scan = new NameScan()
  const said = Array.from({ length: image.nodeCount }, (_, node) => {
    scan.load(nameOf(image, node), 0, image.nameLength(node))
    const wildcard = image.wildcard(node)
    const links = [image.cut(node), image.dname(node), wildcard < 0 && isNsec ? -1 : wildcard].map(name)
    const denied = wildcard < 0 && isNsec ? name(image.wildcardNsec(node)) : ''
    const found = image.find(scan, 0) === node
    const rrsets = Array.from({ length: image.rrsetCount(node) }, (_, i) =>
      rrsetOf(image, image.firstRrset(node) + i, name),
    )
    return [name(node), found, image.labels(node), ...links, denied, image.service(node), ...rrsets].join(' ')
  })
  const chain = Array.from({ length: image.chainLength }, (_, place) => {
    if (isNsec) return name(image.words[image.chain + 2 * place + 1]!)
    const at = image.chain + hashWords * place
    return `${image.words.slice(at, at + hashWords)} ${rrsetOf(image, image.firstHashed + place, name)}`
  })
  const { words, negativeSoa } = image
  const sizes = [
    // It is the last of all.
    image.wire(negativeSoa) + image.wireLength(negativeSoa) + image.signatureLength(negativeSoa),
    words[headerAt.maxLabels],
    words[headerAt.flags],
    words[headerAt.chain]! - words[headerAt.links]!,
    image.rrsetTotal,
  ]
  return [...said.sort(), ...chain, rrsetOf(image, image.negativeSoa, name), sizes.join(' ')]
}

function rrsetOf(image: ZoneImage, rrset: number, name: (node: number) => string): string {
  const from = image.wire(rrset)
  const to = from + image.wireLength(rrset) + image.signatureLength(rrset)
  const octets = Buffer.from(image.bytes.slice(from, to)).toString('hex')
  const fixups = Array.from({ length: image.fixupCount(rrset) }, (_, i) => image.fixup(rrset, i))
  const targets = Array.from({ length: image.hasTargets(rrset) ? image.rrCount(rrset) : 0 }, (_, rr) =>
    name(image.target(rrset, rr)),
  )
  const type = image.type(rrset)
  return [type === types.nsec ? 'NSEC' : type, image.signatureCount(rrset), octets, fixups, targets].join('/')
}
