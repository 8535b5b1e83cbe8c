import { encode } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import {
  enclosingHostnames,
  formatName,
  formatOctet,
  hostnameToWire,
  isSubdomain,
  labelCount,
  labelOffsets,
  lowerName,
  parentName,
  parseHostname,
  parseName,
  relativeName,
  rootName,
} from '../../../src/dataplane/wire/name.ts'
import { TextError } from '../../../src/dataplane/wire/text-error.ts'
import { anyName, deepName, hostName } from './arbitrary-names.ts'

const wire = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
const origin = wire('\x07example\x04test\0')
const label63 = 'a'.repeat(63)

t.test('presentation form to wire form', async (t) => {
  const table: [string, string][] = [
    ['.', '\0'],
    ['@', '\x07example\x04test\0'],
    ['www', '\x03www\x07example\x04test\0'],
    ['www.example.', '\x03www\x07example\0'],
    ['WwW.', '\x03WwW\0'],
    ['a\\.b.', '\x03a.b\0'],
    ['a\\\\.', '\x02a\\\0'],
    ['a\\.', '\x02a.\x07example\x04test\0'],
    ['\\000\\255\\065.', '\x03\x00\xffA\0'],
    ['\\@', '\x01@\x07example\x04test\0'],
    ['\\"\\;x.', '\x03";x\0'],
    ['*', '\x01*\x07example\x04test\0'],
    ['_sip._tcp.', '\x04_sip\x04_tcp\0'],
    [`${label63}.`, `\x3f${label63}\0`],
  ]
  for (const [text, expected] of table) t.same(parseName(text, origin), wire(expected), text)
})

t.test('what is not a name says why', async (t) => {
  const table: [string, RegExp][] = [
    ['', /^a name is missing$/],
    ['..', /empty label/],
    ['.a', /empty label/],
    ['a..b', /empty label/],
    ['a..', /empty label/],
    [`${label63}a.`, /label longer than 63 octets/],
    [`${label63}\\065.`, /label longer than 63 octets/],
    [`${label63}.${label63}.${label63}.${label63}.`, /longer than 255 octets/],
    [`${label63}.${label63}.${label63}.${'a'.repeat(50)}`, /longer than 255 octets/],
    ['a\\256.', /escape \\256, above \\255/],
    ['a\\25', /broken escape/],
    ['a\\', /broken escape/],
    ['a\\é', /broken escape/],
    ['bücher.', /outside of ASCII/],
  ]
  for (const [text, message] of table)
    t.throws(() => parseName(text, origin), { name: 'TextError', message }, text)
  t.throws(() => parseName('@'), new TextError('"@" has no origin here'))
  t.throws(() => parseName('www'), new TextError('name "www" lacks its final dot'))
})

t.test('255 octets are the most', async (t) => {
  const text = `${label63}.${label63}.${label63}.${'b'.repeat(61)}.`
  t.equal(parseName(text).length, 255)
  t.throws(() => parseName(`c${text}`), TextError)
  t.throws(() => parseName(text.replace('b', 'bb')), TextError)
  t.equal(labelCount(parseName('a.'.repeat(127))), 127)
  t.throws(() => parseName('a.'.repeat(128)), TextError)
})

t.test('wire -> text -> wire, for any octets', async () => {
  fc.assert(
    fc.property(fc.oneof(anyName, deepName), (name) => Buffer.from(parseName(formatName(name))).equals(name)),
  )
})

t.test('text keeps to printable ASCII and escapes what has a meaning', async (t) => {
  t.equal(formatName(rootName), '.')
  t.equal(formatName(wire('\x0b.\\"();@$ \x7f!\0')), '\\.\\\\\\"\\(\\)\\;\\@\\$\\032\\127!.')
  fc.assert(fc.property(anyName, (name) => /^[\x21-\x7e]+$/.test(formatName(name))))
  t.equal(formatOctet(0x20, new Set(), true), ' ')
  t.equal(formatOctet(0x20, new Set()), '\\032')
})

t.test('ordinary names are encoded as dns-packet encodes them', async () => {
  fc.assert(
    fc.property(hostName, (name) => {
      const question = encode({ questions: [{ type: 'A', name }] }).subarray(12, -4)
      return question.equals(parseName(`${name}.`))
    }),
  )
})

t.test('only ASCII letters fold', async (t) => {
  t.same(lowerName(wire('\x06Ab[`{Z\x02\xc4\xe4\0')), wire('\x06ab[`{z\x02\xc4\xe4\0'))
  fc.assert(fc.property(anyName, (name) => Buffer.from(lowerName(name)).equals(lowerName(lowerName(name)))))
})

t.test('labels, parents and ancestors', async (t) => {
  const name = wire('\x03www\x07example\x04test\0')
  t.same(labelOffsets(name), [0, 4, 12])
  t.equal(labelCount(name), 3)
  t.equal(labelCount(rootName), 0)
  t.same(parentName(name), origin)
  t.same(parentName(rootName), rootName)
  t.ok(isSubdomain(name, name))
  t.ok(isSubdomain(name, origin))
  t.ok(isSubdomain(name, rootName))
  t.notOk(isSubdomain(origin, name))
  t.notOk(isSubdomain(name, wire('\x03www\0')))
  // Ends in the octets of the other one, but not at a label's edge.
  t.notOk(isSubdomain(wire('\x0cw\x07example\x04tes\x04test\0'), wire('\x04test\x04test\0')))
  t.notOk(isSubdomain(wire('\x0dx\x07example\x04test\0'), origin))
  fc.assert(
    fc.property(anyName, (name) => {
      let count = labelCount(name)
      for (let at = name; at.length > 1; at = parentName(at), count--) {
        if (!isSubdomain(name, at) || labelCount(at) !== count) return false
      }
      return count === 0
    }),
  )
})

t.test('hostnames of the document', async (t) => {
  const table: [string, string][] = [
    ['Example.Test', 'example.test'],
    ['example.test.', 'example.test'],
    ['.', '.'],
    ['a\\.', 'a\\.'],
    ['a\\\\.', 'a\\\\'],
    ['a\\\\', 'a\\\\'],
    ['@', '\\@'],
    ['*.example.test', '*.example.test'],
  ]
  for (const [text, canonical] of table) {
    t.equal(parseHostname(text), canonical, text)
    t.equal(formatName(hostnameToWire(canonical)), canonical === '.' ? '.' : `${canonical}.`)
  }
  for (const text of ['', 'a..b', '..', '.a', 'é']) t.throws(() => parseHostname(text), TextError, text)
  fc.assert(
    fc.property(anyName, (name) => {
      const canonical = formatName(lowerName(name))
      const hostname = parseHostname(formatName(name))
      return (
        (hostname === '.' ? '.' : `${hostname}.`) === canonical &&
        Buffer.from(hostnameToWire(hostname)).equals(lowerName(name))
      )
    }),
  )
})

t.test('names that enclose a hostname', async (t) => {
  t.same(enclosingHostnames('www.example.test'), ['www.example.test', 'example.test', 'test', '.'])
  t.same(enclosingHostnames('.'), ['.'])
})

t.test('names relative to an apex', async (t) => {
  t.equal(relativeName(origin, origin), '@')
  t.equal(relativeName(wire('\x01@\x07example\x04test\0'), origin), '\\@')
  t.equal(relativeName(wire('\x01a\x01b\x07example\x04test\0'), origin), 'a.b')
  t.equal(relativeName(origin, rootName), 'example.test')
  fc.assert(
    fc.property(anyName, (name) => {
      if (name.length + origin.length > 256) return true
      const below = Uint8Array.from([...name.subarray(0, -1), ...origin])
      return Buffer.from(parseName(relativeName(below, origin), origin)).equals(below)
    }),
  )
})
