/** Writes small databases in the MaxMind DB format (specification 2.0) for tests. */
import { parseAddress } from '../../src/dataplane/wire/address.ts'

/** Some fields of the metadata are of this type, and libmaxminddb takes no other for them. */
class Uint16 {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

export type MmdbValue =
  | Uint16
  | string
  | number
  | boolean
  /** uint64 */
  | bigint
  | readonly MmdbValue[]
  | { readonly [key: string]: MmdbValue }

export interface MmdbOptions {
  readonly ipVersion?: 4 | 6
  readonly recordBits?: 24 | 28 | 32
  readonly databaseType?: string
  /** Pairs of prefixes: the first is made to refer to the same nodes as the second. */
  readonly aliases?: readonly (readonly [from: string, to: string])[]
  /** Instead of what the metadata would be. */
  readonly metadata?: { readonly [key: string]: MmdbValue }
}

type Tree = { left: Tree | Leaf | null; right: Tree | Leaf | null }
type Leaf = { readonly value: MmdbValue }

/** @param networks prefixes; the ones of IPv4 are at ::/96 in a database of IPv6. A longer one goes behind a shorter */
export function mmdbFile(
  networks: readonly (readonly [prefix: string, value: MmdbValue])[],
  { ipVersion = 6, recordBits = 24, databaseType = 'Test', aliases = [], metadata }: MmdbOptions = {},
): Buffer {
  const root: Tree = { left: null, right: null }
  for (const [prefix, value] of networks) insert(root, bitsOf(prefix, ipVersion), { value })
  for (const [from, to] of aliases) insert(root, bitsOf(from, ipVersion), at(root, bitsOf(to, ipVersion))!)
  const nodes = new Map<Tree, number>()
  const number = (tree: Tree | Leaf | null) => {
    if (tree === null || 'value' in tree || nodes.has(tree)) return
    nodes.set(tree, nodes.size)
    number(tree.left)
    number(tree.right)
  }
  number(root)
  const section = new DataSection()
  const numberOf = (tree: Tree | Leaf | null) =>
    tree === null
      ? nodes.size
      : 'value' in tree
        ? nodes.size + 16 + section.record(tree.value)
        : nodes.get(tree)!
  const tree = [...nodes.keys()].map(({ left, right }) =>
    nodeOctets(recordBits, numberOf(left), numberOf(right)),
  )
  return Buffer.concat([
    ...tree,
    Buffer.alloc(16),
    section.octets(),
    Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'),
    new DataSection().plain({
      binary_format_major_version: new Uint16(2),
      binary_format_minor_version: new Uint16(0),
      build_epoch: 1_750_000_000n,
      database_type: databaseType,
      description: { en: 'For a test' },
      ip_version: new Uint16(ipVersion),
      languages: ['en'],
      node_count: nodes.size,
      record_size: new Uint16(recordBits),
      ...metadata,
    }),
  ])
}

function bitsOf(prefix: string, ipVersion: 4 | 6): string {
  const [address = '', length] = prefix.split('/')
  const octets = parseAddress(address)!
  const bits = [...octets]
    .map((octet) => octet.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, Number(length))
  return octets.length === 4 && ipVersion === 6 ? '0'.repeat(96) + bits : bits
}

function insert(root: Tree, bits: string, value: Tree | Leaf): void {
  let tree = root
  for (const [depth, bit] of [...bits].entries()) {
    const side = bit === '0' ? 'left' : 'right'
    if (depth === bits.length - 1) tree[side] = value
    else {
      const next = tree[side]
      // A leaf that a longer prefix splits is on both sides of the new node.
      tree[side] = next === null || 'value' in next ? { left: next, right: next } : next
      tree = tree[side] as Tree
    }
  }
}

function at(root: Tree, bits: string): Tree | Leaf | null {
  let tree: Tree | Leaf | null = root
  for (const bit of bits) tree = (tree as Tree)[bit === '0' ? 'left' : 'right']
  return tree
}

function nodeOctets(recordBits: number, left: number, right: number): Buffer {
  const node = Buffer.alloc(recordBits / 4)
  if (recordBits === 32) {
    node.writeUInt32BE(left, 0)
    node.writeUInt32BE(right, 4)
    return node
  }
  node.writeUIntBE(left & 0xffffff, 0, 3)
  node.writeUIntBE(right & 0xffffff, node.length - 3, 3)
  if (recordBits === 28) node[3] = ((left >>> 24) << 4) | (right >>> 24)
  return node
}

/** Texts that come again are pointers to where they were, as in real databases; equal records are one. */
class DataSection {
  readonly #parts: Buffer[] = []
  #length = 0
  readonly #records = new Map<string, number>()
  readonly #texts = new Map<string, number>()

  record(value: MmdbValue): number {
    const key = JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part))
    const known = this.#records.get(key)
    if (known !== undefined) return known
    const offset = this.#length
    this.#write(value, true)
    this.#records.set(key, offset)
    return offset
  }

  plain(value: MmdbValue): Buffer {
    this.#write(value, false)
    return this.octets()
  }

  octets(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #write(value: MmdbValue, pointers: boolean): void {
    const known = pointers && typeof value === 'string' ? this.#texts.get(value) : undefined
    if (typeof value === 'string' && known === undefined) this.#texts.set(value, this.#length)
    if (known !== undefined) this.#add(pointer(known))
    else if (typeof value !== 'object' || value instanceof Uint16) this.#add(...scalar(value))
    else if (Array.isArray(value)) {
      this.#add(head(11, value.length))
      for (const item of value as readonly MmdbValue[]) this.#write(item, pointers)
    } else {
      const entries = Object.entries(value)
      this.#add(head(7, entries.length))
      for (const part of entries.flat()) this.#write(part, pointers)
    }
  }

  #add(...octets: readonly Buffer[]): void {
    for (const part of octets) {
      this.#parts.push(part)
      this.#length += part.length
    }
  }
}

function head(type: number, size: number): Buffer {
  const [low, more] =
    size < 29 ? [size, []] : size < 285 ? [29, [size - 29]] : [30, [(size - 285) >> 8, (size - 285) & 0xff]]
  return Buffer.from(type > 7 ? [low, type - 7, ...more] : [(type << 5) | low, ...more])
}

function pointer(offset: number): Buffer {
  if (offset < 2048) return Buffer.from([0x20 | (offset >> 8), offset & 0xff])
  if (offset < 526_336) {
    const rest = offset - 2048
    return Buffer.from([0x28 | (rest >> 16), (rest >> 8) & 0xff, rest & 0xff])
  }
  const octets = Buffer.alloc(5)
  octets[0] = 0x38
  octets.writeUInt32BE(offset, 1)
  return octets
}

/** Numbers: uint32 in as few octets as possible, int32 below 0, else a double. */
function scalar(value: string | number | boolean | bigint | Uint16): Buffer[] {
  if (value instanceof Uint16) {
    const octets = Buffer.alloc(2)
    octets.writeUInt16BE(value.value)
    return [head(5, 2), octets]
  }
  if (typeof value === 'string') return [head(2, Buffer.byteLength(value)), Buffer.from(value)]
  if (typeof value === 'boolean') return [head(14, value ? 1 : 0)]
  if (typeof value === 'bigint') {
    const octets = Buffer.alloc(8)
    octets.writeBigUInt64BE(value)
    return [head(9, 8), octets]
  }
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) {
    const digits = value === 0 ? '' : value.toString(16)
    const octets = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
    return [head(6, octets.length), octets]
  }
  if (Number.isInteger(value)) {
    const octets = Buffer.alloc(4)
    octets.writeInt32BE(value)
    return [head(8, 4), octets]
  }
  const octets = Buffer.alloc(8)
  octets.writeDoubleBE(value)
  return [head(3, 8), octets]
}
