/**
 * Reads files in the MaxMind DB format (specification 2.0): a search tree over the bits of addresses, sixteen zero octets,
 * the data section with the records, and behind a marker the metadata.
 *
 * What is needed is every network in order, so the tree is walked once, from left to right. Rejected: mmdb-lib, address by
 * address. It takes ten times as long (13 us a network), and its decoder trusts the file: a record that points to itself
 * ends the stack, and a truncated one gives `undefined`. Tests hold this reader against it.
 *
 * In a database of IPv6, IPv4 is at ::/96, or at ::ffff:0:0/96 when there is nothing there. 2002::/16 (6to4) and 2001::/32
 * (Teredo), which databases make aliases of the IPv4 part, are passed over: nothing is known of them.
 */
import { DamagedDatabase, type Fields, MmdbValues, type Wanted } from './mmdb-values.ts'

export interface MmdbMetadata {
  readonly databaseType: string
  readonly ipVersion: 4 | 6
  readonly nodeCount: number
  readonly recordBits: 24 | 28 | 32
  /** Null when the file does not say. */
  readonly builtAt: Date | null
}

const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
/** The metadata are in the last 128 KiB. */
const metadataWithin = 128 * 1024
const separatorOctets = 16
/** How often a node may be seen on one walk, on average: aliases refer to a part of the tree again, a circle always does. */
const visitsPerNode = 8
const leastVisits = 1024
/** The node at which every walk begins. */
const root = 0

const wantedMetadata: Wanted = {
  binary_format_major_version: {},
  build_epoch: {},
  database_type: {},
  ip_version: {},
  node_count: {},
  record_size: {},
}

/** What a network's record is known by: equal ones are one record. 0 means that there is none. */
export type RecordId = number

export class Mmdb {
  readonly metadata: MmdbMetadata
  readonly #bytes: Buffer
  readonly #values: MmdbValues
  readonly #dataOctets: number
  /** Numbers of nodes are below this, this itself means that nothing is known, and what is above points to data. */
  readonly #nodeCount: number
  readonly #nodeOctets: number
  #visitsLeft = 0

  /**
   * @param bytes of the whole file
   * @throws DamagedDatabase
   */
  constructor(bytes: Buffer) {
    const markerAt = bytes.lastIndexOf(marker)
    if (markerAt < 0 || markerAt < bytes.length - metadataWithin) {
      throw new DamagedDatabase('it has no metadata: it is not a MaxMind DB, or its end is missing')
    }
    this.metadata = readMetadata(bytes, markerAt + marker.length)
    this.#bytes = bytes
    this.#nodeCount = this.metadata.nodeCount
    this.#nodeOctets = this.metadata.recordBits / 4
    const treeOctets = this.#nodeCount * this.#nodeOctets
    const dataAt = treeOctets + separatorOctets
    if (dataAt > markerAt) {
      throw new DamagedDatabase(
        `a search tree of ${treeOctets} octets does not fit in: a part of it is missing`,
      )
    }
    if (bytes.subarray(treeOctets, dataAt).some((octet) => octet !== 0)) {
      throw new DamagedDatabase(
        `its search tree does not end after ${this.#nodeCount} nodes: a part of it is missing`,
      )
    }
    this.#dataOctets = markerAt - dataAt
    this.#values = new MmdbValues(bytes, dataAt, markerAt)
  }

  /**
   * Every network of IPv4 in order, from 0 on and without gaps.
   *
   * @throws DamagedDatabase
   */
  ipv4(visit: (start: number, record: RecordId) => void): void {
    this.#beginWalk()
    const walk = (node: number, depth: number, start: number): void => {
      if (node >= this.#nodeCount) {
        visit(start, this.#record(node))
        return
      }
      if (depth === 32) throw new DamagedDatabase('its search tree is deeper than an IPv4 address')
      this.#countVisit()
      walk(this.#left(node), depth + 1, start)
      walk(this.#right(node), depth + 1, start + 2 ** (31 - depth))
    }
    walk(this.#ipv4Root(), 0, 0)
  }

  /**
   * The same of IPv6, by the first 64 bits of addresses, in two halves. Of networks that are smaller than that, one counts.
   *
   * @throws DamagedDatabase
   */
  ipv6(visit: (high: number, low: number, record: RecordId) => void): void {
    this.#beginWalk()
    const walk = (node: number, depth: number, high: number, low: number): void => {
      const isAliased = isAlias(depth, high, low)
      if (isAliased || depth === 64 || node >= this.#nodeCount) {
        visit(high, low, isAliased ? 0 : this.#record(this.#firstBelow(node)))
        return
      }
      this.#countVisit()
      walk(this.#left(node), depth + 1, high, low)
      if (depth < 32) walk(this.#right(node), depth + 1, high + 2 ** (31 - depth), low)
      else walk(this.#right(node), depth + 1, high, low + 2 ** (63 - depth))
    }
    if (this.metadata.ipVersion === 4) visit(0, 0, 0)
    else walk(root, 0, 0, 0)
  }

  /**
   * What is wanted of a record; null when it is not a map.
   *
   * @throws DamagedDatabase
   */
  fields(record: RecordId, wanted: Wanted): Fields | null {
    const value = this.#values.read(record - this.#nodeCount - separatorOctets, wanted)
    return typeof value === 'object' ? value : null
  }

  #ipv4Root(): number {
    if (this.metadata.ipVersion === 4) return root
    let zeros = root
    for (let depth = 0; depth < 80 && zeros < this.#nodeCount; depth++) zeros = this.#left(zeros)
    let mapped = zeros
    for (let depth = 80; depth < 96; depth++) {
      if (zeros < this.#nodeCount) zeros = this.#left(zeros)
      if (mapped < this.#nodeCount) mapped = this.#right(mapped)
    }
    return zeros === this.#nodeCount || (zeros > this.#nodeCount && mapped < this.#nodeCount) ? mapped : zeros
  }

  /**
   * What the first way down from a node at depth 64 leads to. It never turns back, so it takes 64 steps at the most. A value
   * that stands where the node would be is its own answer.
   */
  #firstBelow(node: number): number {
    let at = node
    for (let depth = 64; depth < 128; depth++) {
      if (at >= this.#nodeCount) return at
      const left = this.#left(at)
      at = left === this.#nodeCount ? this.#right(at) : left
    }
    if (at < this.#nodeCount) throw new DamagedDatabase('its search tree is deeper than an IPv6 address')
    return at
  }

  #record(value: number): RecordId {
    if (value === this.#nodeCount) return 0
    const offset = value - this.#nodeCount - separatorOctets
    if (offset >= 0 && offset < this.#dataOctets) return value
    throw new DamagedDatabase(
      `its search tree points to octet ${offset} of a data section of ${this.#dataOctets}`,
    )
  }

  #beginWalk(): void {
    this.#visitsLeft = this.#nodeCount * visitsPerNode + leastVisits
  }

  #countVisit(): void {
    if (--this.#visitsLeft < 0) throw new DamagedDatabase('its search tree refers to itself without an end')
  }

  #left(node: number): number {
    const at = node * this.#nodeOctets
    if (this.#nodeOctets === 8) return this.#bytes.readUInt32BE(at)
    const low = this.#bytes.readUIntBE(at, 3)
    return this.#nodeOctets === 6 ? low : ((this.#bytes[at + 3]! & 0xf0) << 20) | low
  }

  #right(node: number): number {
    if (this.#nodeOctets === 8) return this.#bytes.readUInt32BE(node * 8 + 4)
    const at = node * this.#nodeOctets + this.#nodeOctets - 3
    const low = this.#bytes.readUIntBE(at, 3)
    return this.#nodeOctets === 6 ? low : ((this.#bytes[at - 1]! & 0x0f) << 24) | low
  }
}

/** Whether a node is where IPv4 or an alias of it begins; ::/64 holds nothing else. */
function isAlias(depth: number, high: number, low: number): boolean {
  if (depth === 16) return high === 0x20020000
  if (depth === 32) return high === 0x20010000
  return depth === 64 && high === 0 && low === 0
}

function readMetadata(bytes: Buffer, at: number): MmdbMetadata {
  const fields = new MmdbValues(bytes, at, bytes.length).read(0, wantedMetadata)
  if (typeof fields !== 'object' || fields === null) throw new DamagedDatabase('its metadata are not a map')
  const major = fields.binary_format_major_version
  if (major !== 2) throw new DamagedDatabase(`its format has the version ${major}, not 2`)
  const recordBits = fields.record_size
  if (recordBits !== 24 && recordBits !== 28 && recordBits !== 32) {
    throw new DamagedDatabase(`its metadata give records of ${recordBits} bits, not 24, 28 or 32`)
  }
  const ipVersion = fields.ip_version
  if (ipVersion !== 4 && ipVersion !== 6) {
    throw new DamagedDatabase(`its metadata give the IP version ${ipVersion}, not 4 or 6`)
  }
  const nodeCount = fields.node_count
  if (typeof nodeCount !== 'number') throw new DamagedDatabase('its metadata give no number of nodes')
  const { database_type: type, build_epoch: epoch } = fields
  return {
    databaseType: typeof type === 'string' ? type : '',
    ipVersion,
    nodeCount,
    recordBits,
    builtAt: typeof epoch === 'number' && epoch > 0 && epoch < 8.64e12 ? new Date(epoch * 1000) : null,
  }
}
