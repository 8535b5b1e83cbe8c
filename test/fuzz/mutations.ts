/** Changes that make of something right something nearly right, which gets further than noise does. */
import fc from 'fast-check'

/** Where it happens, as a number that is taken modulo the length. */
const place = fc.nat(0xffff)

type Change<T> = (whole: T) => T

const octetChange = (pieces: readonly Uint8Array[]): fc.Arbitrary<Change<Buffer>> =>
  fc.oneof(
    fc.tuple(place, fc.nat(7)).map(([at, bit]) => (whole: Buffer) => {
      if (whole.length > 0) whole[at % whole.length]! ^= 1 << bit
      return whole
    }),
    fc
      .tuple(place, fc.constantFrom(0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff))
      .map(([at, octet]) => (whole: Buffer) => {
        if (whole.length > 0) whole[at % whole.length] = octet
        return whole
      }),
    place.map((at) => (whole: Buffer) => whole.subarray(0, at % (whole.length + 1))),
    fc.tuple(place, fc.nat(16)).map(
      ([at, count]) =>
        (whole: Buffer) =>
          splice(whole, at, count),
    ),
    fc.tuple(place, fc.uint8Array({ maxLength: 16 })).map(
      ([at, inserted]) =>
        (whole: Buffer) =>
          splice(whole, at, 0, inserted),
    ),
    fc.tuple(place, fc.constantFrom(...pieces)).map(
      ([at, piece]) =>
        (whole: Buffer) =>
          splice(whole, at, 0, piece),
    ),
    fc.tuple(place, place, fc.nat(64)).map(([from, to, count]) => (whole: Buffer) => {
      const start = from % (whole.length + 1)
      return splice(whole, to, 0, whole.subarray(start, start + count))
    }),
  )

function splice(whole: Buffer, at: number, removed: number, inserted: Uint8Array = Buffer.alloc(0)): Buffer {
  const start = at % (whole.length + 1)
  return Buffer.concat([whole.subarray(0, start), inserted, whole.subarray(start + removed)])
}

/**
 * Octets with some changes, none as often as one.
 *
 * @param pieces what may be inserted as it is
 */
export function mutatedOctets(
  octets: fc.Arbitrary<Uint8Array>,
  pieces: readonly Uint8Array[],
): fc.Arbitrary<Buffer> {
  return fc
    .tuple(octets, fc.array(octetChange(pieces), { maxLength: 4, size: 'max' }))
    .map(([whole, changes]) =>
      changes.reduce<Buffer>((changed, change) => change(changed), Buffer.from(whole)),
    )
}

/** The same of text; `words` are those of its language. */
export function mutatedText(text: fc.Arbitrary<string>, words: readonly string[]): fc.Arbitrary<string> {
  const inserted = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...words) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  )
  const change: fc.Arbitrary<Change<string>> = fc.oneof(
    fc.tuple(place, fc.nat(8), inserted).map(([at, removed, word]) => (whole: string) => {
      const start = at % (whole.length + 1)
      return whole.slice(0, start) + word + whole.slice(start + removed)
    }),
    // One word for another, which stays a sentence more often.
    fc.tuple(place, inserted).map(([nth, word]) => (whole: string) => {
      const found = [...whole.matchAll(/[\w.-]+/g)]
      if (found.length === 0) return word
      const { index, 0: before } = found[nth % found.length]!
      return whole.slice(0, index) + word + whole.slice(index + before.length)
    }),
    fc.tuple(place, place).map(([one, other]) => (whole: string) => {
      const lines = whole.split('\n')
      const [from, to] = [one % lines.length, other % lines.length]
      return lines.toSpliced(to, 0, lines[from]!).join('\n')
    }),
    place.map((nth) => (whole: string) => {
      const lines = whole.split('\n')
      return lines.toSpliced(nth % lines.length, 1).join('\n')
    }),
    place.map((at) => (whole: string) => whole.slice(0, at % (whole.length + 1))),
  )
  return fc
    .tuple(text, fc.array(change, { maxLength: 5, size: 'max' }))
    .map(([whole, changes]) => changes.reduce((changed, apply) => apply(changed), whole))
}

/** Values that are of another kind, at an edge, or names that JavaScript has a meaning for. */
const oddValues = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 0.5, 1e308, 65_536, 2 ** 31, [], {}, '', ' ', '0', '1h', '-1s'),
  fc.constantFrom(
    '\u0000',
    '\ud800',
    'x'.repeat(300),
    '__proto__',
    '../..',
    '192.0.2.1',
    '::',
    'a.test.',
    '*',
    '%00',
  ),
  fc.jsonValue({ maxDepth: 2 }),
)

interface Place {
  readonly holder: Record<string, unknown> | unknown[]
  readonly key: string
}

/** Every value inside, with what holds it. */
function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return []
  const holder = value as Place['holder']
  return Object.keys(holder).flatMap((key) => [
    { holder, key },
    ...placesIn((holder as Record<string, unknown>)[key]),
  ])
}

/** JSON with some values changed, gone or added. */
export function mutatedJson(json: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const word = fc.oneof(fc.constantFrom('weight', 'name', 'ttl', 'x', '__proto__', 'status'), fc.string())
  const change = fc.tuple(fc.constantFrom('set', 'set', 'delete', 'add', 'wrap'), place, word, oddValues)
  return fc
    .tuple(json, fc.array(change, { maxLength: 3, size: 'max' }))
    .map(([whole, changes]) => changes.reduce(changed, { body: structuredClone(whole) }).body)
}

function changed(
  document: { body: unknown },
  [kind, nth, word, value]: readonly [string, number, string, unknown],
): { body: unknown } {
  const places = placesIn(document)
  const { holder, key } = places[nth % places.length]!
  const inside = holder as Record<string, unknown>
  if (kind === 'set') inside[key] = value
  else if (kind === 'wrap') inside[key] = [inside[key]]
  else if (kind === 'delete' && holder !== document) delete inside[key]
  else if (kind === 'add') {
    const target = inside[key]
    // As JSON.parse has it, `__proto__` is a field like any other.
    if (typeof target === 'object' && target !== null)
      Object.defineProperty(target, word, { value, enumerable: true, configurable: true, writable: true })
  }
  return document
}
