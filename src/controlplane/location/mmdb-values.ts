/**
 * Values of the data section of a MaxMind DB (MaxMind DB File Format Specification 2.0, "Output Data Section"). A control
 * octet says type and size, and the payload follows:
 *
 *     TTTSSSSS  type 1..7, size 0..28; 29, 30 and 31 mean 1, 2 and 3 more octets of size
 *     000SSSSS  the type is 7 + the next octet
 *     001SSVVV  pointer: 1 to 4 more octets, with VVV before them, from the start of the section
 *
 * Only the keys that are asked for are read, the rest is passed over: the names of a city in eight languages are most of a
 * record. That also bounds the depth to which pointers are followed, and a budget bounds how many values are looked at, so
 * that no file takes for ever.
 */

export type Scalar = string | number | boolean
/** What was wanted of a map, as far as it is there. */
export interface Fields {
  readonly [key: string]: Scalar | Fields | undefined
}
/** Which keys to read; `{}` for a scalar. An array stands for its first element. */
export interface Wanted {
  readonly [key: string]: Wanted
}

/** What is wrong with a file that is not a good MaxMind DB. The message says what, the caller adds which file. */
export class DamagedDatabase extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DamagedDatabase'
  }
}

const typeOf = {
  pointer: 1,
  text: 2,
  double: 3,
  bytes: 4,
  uint16: 5,
  uint32: 6,
  map: 7,
  int32: 8,
  uint64: 9,
  uint128: 10,
  array: 11,
  boolean: 14,
  float: 15,
} as const
const knownTypes: ReadonlySet<number> = new Set(Object.values(typeOf))

const pointerBases = [0, 2048, 526_336, 0]
/** Keys are pointers to the same few texts; those of more are decoded again. */
const maxKeys = 1024
/** Values per octet of the section. A good file, whose records share maps by pointers, stays far below. */
const valuesPerOctet = 16
const leastValues = 65_536

export class MmdbValues {
  readonly #bytes: Buffer
  readonly #start: number
  readonly #end: number
  readonly #keys = new Map<number, string>()
  #at = 0
  #size = 0
  #budget: number

  /** @param start of the section in the file, where its pointers count from, and `end` of it */
  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#budget = leastValues + (end - start) * valuesPerOctet
  }

  /**
   * Reads the value at an offset of the section.
   *
   * @returns null when it is neither a map nor a scalar
   * @throws DamagedDatabase
   */
  read(offset: number, wanted: Wanted): Fields | Scalar | null {
    this.#jump(offset)
    return this.#value(wanted, false)
  }

  #value(wanted: Wanted, inArray: boolean): Fields | Scalar | null {
    const type = this.#head()
    switch (type) {
      case typeOf.pointer:
        return this.#behindPointer(() => this.#value(wanted, inArray))
      case typeOf.map:
        return this.#map(wanted)
      case typeOf.array:
        return this.#firstOf(wanted, inArray)
      case typeOf.text: {
        const from = this.#take(this.#size)
        return this.#bytes.toString('utf8', from, from + this.#size)
      }
      case typeOf.double:
        return this.#bytes.readDoubleBE(this.#take(this.#sized(8)))
      case typeOf.float:
        return this.#bytes.readFloatBE(this.#take(this.#sized(4)))
      case typeOf.boolean:
        return this.#size !== 0
      case typeOf.uint16:
      case typeOf.uint32:
      case typeOf.uint64:
        return this.#unsigned()
      case typeOf.int32:
        return this.#unsigned() | 0
      default:
        this.#pass(type)
        return null
    }
  }

  #map(wanted: Wanted): Fields {
    const fields: Record<string, Scalar | Fields> = {}
    for (let left = this.#size; left > 0; left--) {
      const key = this.#key()
      const inner = Object.hasOwn(wanted, key) ? wanted[key] : undefined
      if (inner === undefined) this.#pass(this.#head())
      else fields[key] = this.#value(inner, false) ?? {}
    }
    return fields
  }

  #firstOf(wanted: Wanted, inArray: boolean): Fields | Scalar | null {
    const count = this.#size
    // Arrays in arrays hold nothing that is known, and would be a depth without a bound.
    if (inArray || count === 0) {
      this.#size = count
      this.#pass(typeOf.array)
      return null
    }
    const first = this.#value(wanted, true)
    for (let left = count - 1; left > 0; left--) this.#pass(this.#head())
    return first
  }

  #key(): string {
    const type = this.#head()
    if (type === typeOf.pointer) return this.#behindPointer(() => this.#textOfKey(this.#head()))
    return this.#textOfKey(type)
  }

  #textOfKey(type: number): string {
    if (type !== typeOf.text)
      throw new DamagedDatabase(`a key of a map is not a text, before octet ${this.#at}`)
    const from = this.#take(this.#size)
    const known = this.#keys.get(from)
    if (known !== undefined) return known
    const key = this.#bytes.toString('utf8', from, from + this.#size)
    if (this.#keys.size < maxKeys) this.#keys.set(from, key)
    return key
  }

  #behindPointer<T>(read: () => T): T {
    const target = this.#pointer()
    const back = this.#at
    this.#jump(target)
    if (this.#at < this.#end && this.#bytes[this.#at]! >> 5 === typeOf.pointer) {
      throw new DamagedDatabase(`a pointer points to a pointer, at octet ${this.#at}`)
    }
    const value = read()
    this.#at = back
    return value
  }

  /** After the head of a pointer, whose size is then its five bits. */
  #pointer(): number {
    const octets = (this.#size >> 3) + 1
    const from = this.#take(octets)
    const low = this.#bytes.readUIntBE(from, octets)
    return octets === 4 ? low : (this.#size & 7) * 2 ** (8 * octets) + low + pointerBases[octets - 1]!
  }

  #unsigned(): number {
    if (this.#size > 8)
      throw new DamagedDatabase(`a number of ${this.#size} octets, before octet ${this.#at}`)
    const from = this.#take(this.#size)
    let value = 0
    for (let i = from; i < from + this.#size; i++) value = value * 256 + this.#bytes[i]!
    return value
  }

  /** Passes over values, beginning with one whose head was read: without recursion, whatever is nested. */
  #pass(type: number): void {
    let count = this.#passPayload(type)
    while (count-- > 0) count += this.#passPayload(this.#head())
  }

  /** @returns how many values follow that belong to it */
  #passPayload(type: number): number {
    switch (type) {
      case typeOf.pointer:
        this.#take((this.#size >> 3) + 1)
        return 0
      case typeOf.map:
        return 2 * this.#size
      case typeOf.array:
        return this.#size
      case typeOf.boolean:
        return 0
      default:
        if (!knownTypes.has(type)) {
          throw new DamagedDatabase(`a value of the unknown type ${type}, before octet ${this.#at}`)
        }
        this.#take(this.#size)
        return 0
    }
  }

  /** Reads the head of a value: gives its type, and `#size` its size. */
  #head(): number {
    if (--this.#budget < 0) throw new DamagedDatabase('its data section refers to itself without an end')
    const control = this.#bytes[this.#take(1)]!
    let type = control >> 5
    this.#size = control & 0x1f
    if (type === typeOf.pointer) return type
    if (type === 0) type = 7 + this.#bytes[this.#take(1)]!
    if (this.#size >= 29) {
      const octets = this.#size - 28
      const base = octets === 1 ? 29 : octets === 2 ? 285 : 65_821
      this.#size = base + this.#bytes.readUIntBE(this.#take(octets), octets)
    }
    return type
  }

  #sized(octets: number): number {
    if (this.#size === octets) return octets
    throw new DamagedDatabase(
      `a number of ${this.#size} octets instead of ${octets}, before octet ${this.#at}`,
    )
  }

  #jump(offset: number): void {
    this.#at = this.#start + offset
    if (offset < 0 || this.#at >= this.#end) {
      throw new DamagedDatabase(
        `something points to octet ${offset} of a data section of ${this.#end - this.#start}`,
      )
    }
  }

  /** @returns where the octets begin that are passed over */
  #take(octets: number): number {
    const from = this.#at
    if (octets > this.#end - from)
      throw new DamagedDatabase(`its data section ends inside a value, at octet ${from}`)
    this.#at = from + octets
    return from
  }
}
