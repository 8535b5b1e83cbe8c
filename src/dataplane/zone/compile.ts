/**
 * Compiles a zone's RRsets into a zone image (layout: `image.ts`). Fed RRset by RRset, in any order, so that a large
 * zone can stream from the store; the builder's own memory is bounded by the zone.
 */
import { ByteWriter } from '../wire/bytes.ts'
import { classes, isServiceBinding, types } from '../wire/constants.ts'
import { isSubdomain, labelCount, lowerName, parentName } from '../wire/name.ts'
import { hashName } from '../wire/name-scan.ts'
import { type NameField, nameFields } from '../wire/rdata.ts'
import {
  type Fixup,
  fixupBases,
  headerAt,
  headerWords,
  maxFixupOffset,
  nodeAt,
  nodeWords,
  packFixup,
  rrsetAt,
  rrsetWords,
  zoneMagic,
} from './image.ts'

/** One RRset in wire terms. */
export interface WireRrset {
  /** Lower-cased wire form, at or below the apex. */
  readonly owner: Uint8Array
  readonly type: number
  readonly ttlSeconds: number
  readonly rdata: readonly Uint8Array[]
}

/** Types whose target's addresses go along in the additional section (RFC 1035 section 3.3, RFC 2782, RFC 9460 section 4.2). */
const targetTypes: ReadonlySet<number> = new Set([types.ns, types.mx, types.srv, types.svcb, types.https])
const pointerToQuestion = 0xc00c
/** Octets of an RR before its RDATA when the owner is a pointer. */
export const rrHeadLength = 12

interface Node {
  readonly name: Uint8Array
  readonly rrsets: Rrset[]
  index: number
  cut: Node | null
  dname: Node | null
  wildcard: Node | null
  service: number
}

interface Rrset {
  readonly type: number
  readonly count: number
  readonly wire: Uint8Array
  readonly fixups: readonly number[]
  /** Target of each RR for the types that have one. */
  readonly targets: readonly (Uint8Array | null)[]
}

export class ZoneCompiler {
  readonly #apex: Uint8Array
  readonly #nodes = new Map<string, Node>()
  readonly #soa: WireRrset

  /**
   * @param apex lower-cased wire form
   * @param soa the SOA's RDATA and TTL; negative answers carry it with the lesser of TTL and MINIMUM
   */
  constructor(apex: Uint8Array, soa: { readonly rdata: Uint8Array; readonly ttlSeconds: number }) {
    this.#apex = apex
    this.#soa = { owner: apex, type: types.soa, ttlSeconds: soa.ttlSeconds, rdata: [soa.rdata] }
    this.add(this.#soa)
  }

  add(rrset: WireRrset): void {
    this.#node(rrset.owner).rrsets.push(this.#encode(rrset))
  }

  /** A name whose A and AAAA come from the plan in `slot`. */
  addService(owner: Uint8Array, slot: number): void {
    this.#node(owner).service = slot + 1
  }

  finish(): SharedArrayBuffer {
    const nodes = [...this.#nodes.values()].sort((a, b) => labelCount(a.name) - labelCount(b.name))
    for (const [index, node] of nodes.entries()) this.#link(node, index)
    return this.#write(nodes)
  }

  /** The node of a name, made with all its ancestors up to the apex: those without data are empty non-terminals. */
  #node(name: Uint8Array): Node {
    const key = nameKey(name)
    let node = this.#nodes.get(key)
    if (node === undefined) {
      node = { name, rrsets: [], index: 0, cut: null, dname: null, wildcard: null, service: 0 }
      this.#nodes.set(key, node)
      if (name.length > this.#apex.length) this.#node(parentName(name))
    }
    return node
  }

  /** Called from the apex downwards, so that a parent's cut is known before its children's. */
  #link(node: Node, index: number): void {
    node.index = index
    node.rrsets.sort((a, b) => a.type - b.type)
    const holdsDname = node.rrsets.some((rrset) => rrset.type === types.dname)
    if (index === 0) {
      node.dname = holdsDname ? node : null
      return
    }
    const parent = this.#nodes.get(nameKey(parentName(node.name)))!
    const delegated = node.rrsets.some((rrset) => rrset.type === types.ns)
    // Whichever of a cut and a DNAME is higher hides what is below it, the other one too.
    node.dname = parent.dname ?? (holdsDname && parent.cut === null && !delegated ? node : null)
    node.cut = parent.cut ?? (delegated && parent.dname === null ? node : null)
    if (isWildcard(node.name)) parent.wildcard = node
  }

  #encode(rrset: WireRrset): Rrset {
    const out = new ByteWriter()
    const fixups: number[] = []
    const targets: (Uint8Array | null)[] = []
    const spelled = new Map<string, number>()
    for (const rdata of rrset.rdata) {
      const names = nameFields(rrset.type, rdata)
      out.u16(pointerToQuestion)
      out.u16(rrset.type)
      out.u16(classes.in)
      out.u32(rrset.ttlSeconds)
      const compressed = this.#compress(rrset.owner, rdata, names, spelled, out.length + 2)
      out.u16(compressed.bytes.length)
      fixups.push(...compressed.fixups)
      out.append(compressed.bytes)
      if (targetTypes.has(rrset.type)) targets.push(targetOf(rrset, rdata, names.at(-1)!))
    }
    return { type: rrset.type, count: rrset.rdata.length, wire: out.finish(), fixups, targets }
  }

  /**
   * Puts a pointer, to be fixed up, in the place of what each compressible name shares with a name that is in the message
   * already.
   *
   * @param spelled where in the RRset's wire form the suffixes begin that were spelled in it; grows
   * @param start where in it this RDATA begins
   */
  #compress(
    owner: Uint8Array,
    rdata: Uint8Array,
    names: ReturnType<typeof nameFields>,
    spelled: Map<string, number>,
    start: number,
  ): { bytes: Uint8Array; fixups: number[] } {
    const out = new ByteWriter()
    const fixups: number[] = []
    let from = 0
    for (const { offset, length, compressible } of names) {
      if (!compressible) continue
      const name = lowerName(rdata.subarray(offset, offset + length))
      out.append(rdata.subarray(from, offset))
      from = offset
      // The root's one octet is shorter than a pointer.
      for (let at = 0; name[at] !== 0; at += name[at]! + 1) {
        const suffix = name.subarray(at)
        const pointer = this.#pointerTo(suffix, owner, spelled)
        if (pointer === null) {
          const here = start + out.length
          if (here <= maxFixupOffset) spelled.set(nameKey(suffix), here)
          out.append(rdata.subarray(from, from + name[at]! + 1))
          from += name[at]! + 1
          continue
        }
        fixups.push(packFixup({ at: start + out.length, ...pointer }))
        out.u16(0)
        from = offset + length
        break
      }
    }
    out.append(rdata.subarray(from))
    return { bytes: out.finish(), fixups }
  }

  /** Where a name is spelled that will be in the message before it is needed, or null. */
  #pointerTo(
    suffix: Uint8Array,
    owner: Uint8Array,
    spelled: ReadonlyMap<string, number>,
  ): Pick<Fixup, 'base' | 'offset'> | null {
    const apex = this.#apex
    if (isSubdomain(apex, suffix)) return { base: fixupBases.apex, offset: apex.length - suffix.length }
    // A wildcard is not spelled where it stands in for another name, which may have more labels.
    if (!isWildcard(owner) && isSubdomain(owner, suffix)) {
      return { base: fixupBases.owner, offset: owner.length - suffix.length }
    }
    const at = spelled.get(nameKey(suffix))
    return at === undefined ? null : { base: fixupBases.rrset, offset: at }
  }

  #negativeSoa(): Rrset {
    const rdata = this.#soa.rdata[0]!
    const minimum = new DataView(rdata.buffer, rdata.byteOffset).getUint32(rdata.length - 4)
    return this.#encode({ ...this.#soa, ttlSeconds: Math.min(minimum, this.#soa.ttlSeconds) })
  }

  #write(nodes: readonly Node[]): SharedArrayBuffer {
    const rrsets = nodes.flatMap((node) => node.rrsets)
    rrsets.push(this.#negativeSoa())
    const links = rrsets.map((rrset) => this.#links(rrset))
    let slots = 4
    while (slots < 2 * nodes.length) slots *= 2
    const table = headerWords
    const nodesAt = table + 2 * slots
    const rrsetsAt = nodesAt + nodes.length * nodeWords
    const linksAt = rrsetsAt + rrsets.length * rrsetWords
    const bytesAt = 4 * (linksAt + links.reduce((sum, list) => sum + list.length, 0))
    const size = bytesAt + sum(nodes, (node) => node.name.length) + sum(rrsets, (rrset) => rrset.wire.length)
    const buffer = new SharedArrayBuffer(Math.ceil(size / 4) * 4)
    const words = new Int32Array(buffer)
    const bytes = new Uint8Array(buffer)
    words[headerAt.magic] = zoneMagic
    words[headerAt.tableMask] = slots - 1
    words[headerAt.table] = table
    words[headerAt.nodes] = nodesAt
    words[headerAt.rrsets] = rrsetsAt
    words[headerAt.links] = linksAt
    words[headerAt.nodeCount] = nodes.length
    words[headerAt.rrsetCount] = rrsets.length
    words[headerAt.apexName] = bytesAt
    words[headerAt.apexLength] = this.#apex.length
    words[headerAt.apexLabels] = labelCount(this.#apex)
    words[headerAt.maxLabels] = labelCount(nodes.at(-1)!.name)
    words[headerAt.negativeSoa] = rrsets.length - 1
    let free = bytesAt
    let rrset = 0
    for (const node of nodes) {
      const base = nodesAt + node.index * nodeWords
      words[base + nodeAt.name] = free
      words[base + nodeAt.size] = node.name.length | (labelCount(node.name) << 8)
      words[base + nodeAt.rrset] = rrset
      words[base + nodeAt.rrsetCount] = node.rrsets.length
      words[base + nodeAt.cut] = node.cut === null ? 0 : node.cut.index + 1
      words[base + nodeAt.wildcard] = node.wildcard === null ? 0 : node.wildcard.index + 1
      words[base + nodeAt.service] = node.service
      words[base + nodeAt.dname] = node.dname === null ? 0 : node.dname.index + 1
      bytes.set(node.name, free)
      free += node.name.length
      rrset += node.rrsets.length
      insert(words, table, slots - 1, hashName(node.name), node.index + 1)
    }
    let link = 0
    for (const [index, { type, count, wire, fixups, targets }] of rrsets.entries()) {
      const base = rrsetsAt + index * rrsetWords
      const list = links[index]!
      words[base + rrsetAt.type] = type | (count << 16)
      words[base + rrsetAt.wire] = free
      words[base + rrsetAt.wireLength] = wire.length
      words[base + rrsetAt.links] = link
      words[base + rrsetAt.linkCounts] =
        fixups.length | (list.length > fixups.length ? targets.length << 16 : 0)
      words.set(list, linksAt + link)
      bytes.set(wire, free)
      link += list.length
      free += wire.length
    }
    return buffer
  }

  /** The node that says what a target's addresses are: its own, or the wildcard that stands in for it. */
  #targetNode(target: Uint8Array): Node | undefined {
    if (!isSubdomain(target, this.#apex)) return undefined
    const exact = this.#nodes.get(nameKey(target))
    if (exact !== undefined) return exact
    let encloser: Node | undefined
    for (let name = target; encloser === undefined; ) {
      name = parentName(name)
      encloser = this.#nodes.get(nameKey(name))
    }
    return encloser.wildcard ?? undefined
  }

  /** Fix-ups, and behind them the targets' nodes, each once, where at least one of them has something to go along. */
  #links(rrset: Rrset): number[] {
    const linked = new Set<string>()
    const nodes = rrset.targets.map((target) => {
      const node = target === null ? undefined : this.#targetNode(target)
      if (target === null || node === undefined || linked.has(nameKey(target))) return 0
      if (!node.rrsets.some((other) => goesAlong(rrset, other))) return 0
      linked.add(nameKey(target))
      return node.index + 1
    })
    return nodes.some((node) => node !== 0) ? [...rrset.fixups, ...nodes] : [...rrset.fixups]
  }
}

/** The name that an RR leads to, or null when it says that there is none. */
function targetOf({ type, owner }: WireRrset, rdata: Uint8Array, name: NameField): Uint8Array | null {
  // The root stands for the owner, or with priority 0 for no service at all (RFC 9460 section 2.5).
  if (isServiceBinding(type) && name.length === 1) return rdata[0] === 0 && rdata[1] === 0 ? null : owner
  return lowerName(rdata.subarray(name.offset, name.offset + name.length))
}

/** Whether an RRset at a target is what a client may ask for next: an address, or another one of SVCB (RFC 9460 section 4.2). */
function goesAlong(rrset: Rrset, other: Rrset): boolean {
  if (other.type === types.a || other.type === types.aaaa) return true
  return isServiceBinding(rrset.type) && other.type === rrset.type && other !== rrset
}

/** Whether the first label is an asterisk (RFC 4592 section 2.1.1). */
function isWildcard(name: Uint8Array): boolean {
  return name[0] === 1 && name[1] === 0x2a
}

/** Names as keys of a Map. */
function nameKey(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}

/** Puts (hash, value) into an open-addressing table of pairs; shared with the directory. */
export function insert(words: Int32Array, table: number, mask: number, hash: number, value: number): void {
  let slot = hash & mask
  while (words[table + 2 * slot + 1] !== 0) slot = (slot + 1) & mask
  words[table + 2 * slot] = hash
  words[table + 2 * slot + 1] = value
}
