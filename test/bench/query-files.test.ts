import { decode, type Packet } from 'dns-packet'
import t from 'tap'
import { type QueryFile, queryFileOctets, queryFiles } from './query-files.ts'

/** The messages of a file of dnsperf's binary form. */
function messages(octets: Buffer): Packet[] {
  const found: Packet[] = []
  for (let at = 0; at < octets.length; ) {
    const length = octets.readUInt16BE(at)
    found.push(decode(octets.subarray(at + 2, at + 2 + length)))
    at += 2 + length
  }
  return found
}

const files = new Map(queryFiles.map((file) => [file, messages(queryFileOctets(file, 'warmUp'))]))
const namesOf = (file: QueryFile) => files.get(file)!.map(({ questions }) => questions![0]!.name)
const payloadOf = ({ additionals }: Packet) =>
  additionals!.map((rr) => (rr.type === 'OPT' ? rr.udpPayloadSize : NaN))

t.test('every message is a query with one question, as a resolver asks', async (t) => {
  for (const [file, list] of files) {
    t.ok(list.length >= 100, file)
    const odd = list.filter(
      ({ questions, flags, type }) => questions!.length !== 1 || flags !== 0 || type !== 'query',
    )
    t.same(odd, [], file)
  }
})

t.test('hits go once over the zone', async (t) => {
  t.equal(new Set(namesOf('hit')).size, 1000)
  t.equal(namesOf('hit')[999], 'h999.bench.test')
  t.same(new Set(namesOf('lb')), new Set(['www.bench.test']))
})

t.test('random names do not repeat, and are others while warming up', async (t) => {
  for (const file of ['miss', 'flood'] as const) {
    const names = namesOf(file)
    t.equal(new Set(names).size, names.length, file)
  }
  t.match(namesOf('flood')[0], /^x[0-9a-z]+\.a\.b\.c\.d\.e\.f\.g\.h\.bench\.test$/)
  const first = (octets: Buffer) => octets.subarray(0, 2 + octets.readUInt16BE(0))
  t.notOk(first(queryFileOctets('miss')).equals(first(queryFileOctets('miss', 'warmUp'))))
})

t.test('the mix has its shares of names and of OPT records', async (t) => {
  const list = files.get('mixed')!
  const kind = ({ questions }: Packet) => questions![0]!.name.slice(0, 1)
  const share = (pick: (message: Packet) => boolean) => list.filter(pick).length / list.length
  t.same(
    ['h', 'x', 'w'].map((letter) => share((message) => kind(message) === letter)),
    [0.8, 0.1, 0.1],
  )
  const withOpt = (message: Packet) => message.additionals!.length > 0
  t.equal(share(withOpt), 0.5)
  for (const letter of ['h', 'x', 'w']) {
    const of = list.filter((message) => kind(message) === letter)
    t.equal(of.filter(withOpt).length, of.length / 2, `half of ${letter}`)
  }
})

t.test('large answers are asked for with room for them', async (t) => {
  for (const file of ['any', 'large'] as const) {
    t.same(new Set(files.get(file)!.flatMap(payloadOf)), new Set([1232]), file)
  }
  t.same(new Set(files.get('any')!.map(({ questions }) => questions![0]!.type)), new Set(['ANY']))
})
