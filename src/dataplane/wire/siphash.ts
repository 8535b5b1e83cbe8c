/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) with a 64-bit result: the keyed hash of DNS cookies, by which servers of
 * different makes accept each other's (RFC 9018 section 4.4). Written here because a query may not allocate, which
 * every package does. 64-bit words are pairs of 32-bit halves.
 */

/** State v0..v3, each as low and high half. */
const v = new Uint32Array(8)
const message = new Uint32Array(2)

/**
 * @param key 16 octets
 * @param length how many octets of `data` count
 * @param out receives the 8 octets of the hash at `at`, least significant first
 */
export function sipHash24(
  key: Uint8Array,
  data: Uint8Array,
  length: number,
  out: Uint8Array,
  at: number,
): void {
  const [k0l, k0h, k1l, k1h] = [u32(key, 0), u32(key, 4), u32(key, 8), u32(key, 12)]
  v[0] = k0l ^ 0x70736575
  v[1] = k0h ^ 0x736f6d65
  v[2] = k1l ^ 0x6e646f6d
  v[3] = k1h ^ 0x646f7261
  v[4] = k0l ^ 0x6e657261
  v[5] = k0h ^ 0x6c796765
  v[6] = k1l ^ 0x79746573
  v[7] = k1h ^ 0x74656462
  const whole = length & ~7
  for (let block = 0; block < whole; block += 8) {
    message[0] = u32(data, block)
    message[1] = u32(data, block + 4)
    absorb()
  }
  message[0] = 0
  message[1] = (length & 0xff) << 24
  for (let i = whole; i < length; i++) {
    const byte = i - whole
    message[byte >> 2]! |= data[i]! << (8 * (byte & 3))
  }
  absorb()
  v[4]! ^= 0xff
  for (let i = 0; i < 4; i++) round()
  const low = v[0]! ^ v[2]! ^ v[4]! ^ v[6]!
  const high = v[1]! ^ v[3]! ^ v[5]! ^ v[7]!
  for (let i = 0; i < 4; i++) {
    out[at + i] = low >>> (8 * i)
    out[at + 4 + i] = high >>> (8 * i)
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function absorb(): void {
  v[6]! ^= message[0]!
  v[7]! ^= message[1]!
  round()
  round()
  v[0]! ^= message[0]!
  v[1]! ^= message[1]!
}

function round(): void {
  add(0, 2)
  rotate(2, 13)
  xor(2, 0)
  swap(0)
  add(4, 6)
  rotate(6, 16)
  xor(6, 4)
  add(0, 6)
  rotate(6, 21)
  xor(6, 0)
  add(4, 2)
  rotate(2, 17)
  xor(2, 4)
  swap(4)
}

/** Word `a` += word `b`; words are named by the index of their low half. */
function add(a: number, b: number): void {
  const low = v[a]! + v[b]!
  v[a] = low
  v[a + 1] = v[a + 1]! + v[b + 1]! + (low > 0xffff_ffff ? 1 : 0)
}

function xor(a: number, b: number): void {
  v[a]! ^= v[b]!
  v[a + 1]! ^= v[b + 1]!
}

/** Rotates to the left by less than 32. */
function rotate(a: number, by: number): void {
  const low = v[a]!
  const high = v[a + 1]!
  v[a] = (low << by) | (high >>> (32 - by))
  v[a + 1] = (high << by) | (low >>> (32 - by))
}

/** Rotates by 32. */
function swap(a: number): void {
  const low = v[a]!
  v[a] = v[a + 1]!
  v[a + 1] = low
}
