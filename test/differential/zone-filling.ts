/** The second half of the grammar (`world.ts`): gives the names of a sketch their RRsets. */
import type { Random } from '../../src/dataplane/random.ts'
import { chance, drawLabel, pick } from './draws.ts'
import { isBelow, type Labels, maxNameOctets, nameKey, wireLength } from './names.ts'
import type { TestRdata, TestRrset, TestType } from './rdata.ts'
import * as rdata from './rdata.ts'
import type { Sketch, SketchNode } from './sketch.ts'

const ttls = [0, 1, 60, 300, 3600, 86_400, 2_147_483_647]
const outside: readonly Labels[] = [['ns', 'outside', 'example'], ['OUT', 'example'], ['test']]

/** What is being filled: RRsets by owner and type, one TTL each. */
class Filling {
  readonly random: Random
  readonly sketch: Sketch
  readonly sketches: readonly Sketch[]
  readonly #rrsets = new Map<string, TestRrset & { rdata: TestRdata[] }>()

  constructor(random: Random, sketch: Sketch, sketches: readonly Sketch[]) {
    this.random = random
    this.sketch = sketch
    this.sketches = sketches
  }

  get rrsets(): TestRrset[] {
    return [...this.#rrsets.values()]
  }

  #zone(apex: Labels): Sketch | undefined {
    return this.sketches.find((sketch) => nameKey(sketch.apex) === nameKey(apex))
  }

  add(owner: Labels, type: TestType, data: TestRdata): void {
    const key = `${nameKey(owner)} ${type}`
    const rrset = this.#rrsets.get(key) ?? { owner, type, ttlSeconds: pick(this.random, ttls), rdata: [] }
    this.#rrsets.set(key, rrset)
    // Names differ only by more than case, or else two servers count the RRs of the set differently.
    const folded = (wire: Buffer) => wire.toString('latin1').toLowerCase()
    if (!rrset.rdata.some(({ wire }) => folded(wire) === folded(data.wire))) rrset.rdata.push(data)
  }

  /** A and AAAA, at least one of them. */
  addAddresses(owner: Labels): void {
    const { random } = this
    const families = random.below(3)
    if (families !== 1) {
      for (let i = 1 + random.below(3); i > 0; i--) this.add(owner, 'A', rdata.a(random.below(250)))
    }
    if (families !== 0) this.add(owner, 'AAAA', rdata.aaaa(1 + random.below(250)))
  }

  /** Some name that data may lead to: in this zone, hidden, in another zone, outside, or nowhere. */
  drawTarget(): Labels {
    const { random } = this
    const share = random.below(100)
    if (share < 12) return pick(random, outside)
    const zone = share < 70 ? this.sketch : pick(random, this.sketches)
    const { name } = pick(random, [...zone.nodes.values()])
    const target = random.below(100) < 30 ? [drawLabel(random), ...name] : name
    return wireLength(target) <= maxNameOctets ? target : name
  }

  /** For a name that data may stand at besides those sketched. */
  mayHoldAddresses(name: Labels): boolean {
    const { nodes, children, everywhere, longest } = this.sketch
    const child = children.find((apex) => isBelow(name, apex))
    // Glue that the child has too.
    if (child !== undefined && this.#zone(child)?.nodes.get(nameKey(name)) === undefined) return false
    if (wireLength(name) > longest || nodes.get(nameKey(name))?.kind === 'cname') return false
    return !everywhere.some((node) => node.kind === 'dname' && isBelow(name, node.name))
  }
}

export function fillZone(random: Random, sketch: Sketch, sketches: readonly Sketch[]): TestRrset[] {
  const filling = new Filling(random, sketch, sketches)
  for (const node of sketch.nodes.values()) fillNode(filling, node)
  return filling.rrsets
}

function fillNode(filling: Filling, node: SketchNode): void {
  switch (node.kind) {
    case 'apex':
      fillApex(filling, node.name)
      break
    case 'cname':
      filling.add(node.name, 'CNAME', rdata.target(node.leadsTo ?? filling.drawTarget()))
      break
    case 'cut':
      fillCut(filling, node.name)
      break
    case 'dname':
      filling.add(node.name, 'DNAME', rdata.target(drawDnameTarget(filling, node.name)))
      if (chance(filling.random, 0.4)) fillData(filling, node.name)
      break
    case 'data':
      fillData(filling, node.name)
      break
  }
}

function fillApex(filling: Filling, apex: Labels): void {
  const { random, sketch } = filling
  const minimum = pick(random, [0, 30, 300, 7200])
  filling.add(apex, 'SOA', rdata.soa(['ns1', ...apex], ['host.master', ...apex], minimum))
  const onlyApex = sketch.nodes.size === 1
  filling.add(apex, 'NS', rdata.target(onlyApex ? outside[0]! : filling.drawTarget()))
  if (!onlyApex) fillNameServer(filling, ['ns1', ...apex])
  if (chance(random, 0.5)) fillData(filling, apex)
  if (onlyApex) filling.add(apex, 'DNAME', rdata.target(drawDnameTarget(filling, apex)))
}

/** A server's name with addresses, where the grammar allows them. */
function fillNameServer(filling: Filling, name: Labels): void {
  const { sketch } = filling
  if (sketch.nodes.get(nameKey(name)) === undefined && filling.mayHoldAddresses(name)) {
    filling.addAddresses(name)
    filling.add(sketch.apex, 'NS', rdata.target(name))
  }
}

function fillCut(filling: Filling, cut: Labels): void {
  const { random, sketch } = filling
  const cuts = [...sketch.nodes.values()].filter(({ kind }) => kind === 'cut')
  for (let i = 1 + random.below(3); i > 0; i--) {
    const share = random.below(100)
    const server =
      share < 45
        ? [pick(random, ['ns1', 'NS2', '\x00ns', '*']), ...cut]
        : share < 55
          ? cut
          : share < 70
            ? ['ns1', ...pick(random, cuts).name]
            : filling.drawTarget()
    if (wireLength(server) > maxNameOctets) continue
    filling.add(cut, 'NS', rdata.target(server))
    const glued = share < 70 && chance(random, 0.8) && filling.mayHoldAddresses(server)
    if (glued) filling.addAddresses(server)
  }
  // A cut it is only with an NS.
  filling.add(cut, 'NS', rdata.target(outside[0]!))
  if (chance(random, 0.4)) filling.add(cut, 'DS', rdata.ds(random.below(200)))
  if (chance(random, 0.3)) filling.add(cut, 'TXT', rdata.txt('hidden by the cut'))
}

function drawDnameTarget(filling: Filling, owner: Labels): Labels {
  const { random, sketch } = filling
  const share = random.below(100)
  const long = ['t'.repeat(60), 'T'.repeat(60), 'u'.repeat(40), ...sketch.apex]
  if (share < 20 && wireLength(long) <= maxNameOctets) return long
  // Below itself: each step makes the name longer.
  if (share < 28 && wireLength(owner) < 200) return ['again', ...owner]
  return filling.drawTarget()
}

/** RRsets of one to four types. */
function fillData(filling: Filling, owner: Labels): void {
  const { random } = filling
  for (let i = 1 + random.below(4); i > 0; i--) {
    const share = random.below(100)
    if (share < 35) filling.addAddresses(owner)
    else if (share < 55) fillMany(filling, () => filling.add(owner, 'MX', mx(filling)))
    else if (share < 70) fillText(filling, owner)
    else if (share < 85) fillMany(filling, () => filling.add(owner, 'SRV', srv(filling)))
    else if (share < 90) filling.add(owner, 'CAA', rdata.caa('ca.example'))
    else if (share < 95) fillMany(filling, () => filling.add(owner, 'HTTPS', https(filling)))
    else filling.add(owner, 'PTR', rdata.target(filling.drawTarget()))
  }
}

function fillMany({ random }: Filling, one: () => void): void {
  for (let i = 1 + random.below(3); i > 0; i--) one()
}

function mx(filling: Filling): TestRdata {
  return rdata.mx(10 * filling.random.below(3), filling.drawTarget())
}

function srv(filling: Filling): TestRdata {
  return rdata.srv(filling.random.below(3), filling.drawTarget())
}

function https(filling: Filling): TestRdata {
  const { random } = filling
  return rdata.https(random.below(3), chance(random, 0.3) ? [] : filling.drawTarget())
}

/** Now and then too large for a plain response of 512 octets, or for any over UDP. */
function fillText(filling: Filling, owner: Labels): void {
  const { random } = filling
  const long = 'v'.repeat(255)
  const share = random.below(100)
  if (share < 10) filling.add(owner, 'TXT', rdata.txt(long, long, long))
  else if (share < 18) filling.add(owner, 'TXT', rdata.txt(...new Array<string>(6).fill(long)))
  else filling.add(owner, 'TXT', rdata.txt('Some text', '\x00\xff"\\;'))
}
