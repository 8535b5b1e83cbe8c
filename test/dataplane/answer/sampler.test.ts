/** A sample of questions: which are kept, what of them, and whether it is fair. */
import fc from 'fast-check'
import t from 'tap'
import { BatchClock } from '../../../src/dataplane/answer/batch-clock.ts'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { Sampler } from '../../../src/dataplane/answer/sampler.ts'
import { Random } from '../../../src/dataplane/random.ts'
import {
  allocateSample,
  SampleMemory,
  sampleWindows,
  slotAt,
  windowMs,
} from '../../../src/dataplane/sample.ts'
import { readSample, type SampledQuestion, unpackSample } from '../../../src/dataplane/sample-reader.ts'
import { formatIpv4, formatIpv6 } from '../../../src/dataplane/wire/address.ts'
import { formatName } from '../../../src/dataplane/wire/name.ts'
import { Query } from '../../../src/dataplane/wire/query.ts'
import { query } from '../../support/dns-client.ts'
import { chiSquared } from '../chi-squared.ts'
import { subnetOption as subnet } from './client-subnet.ts'

const none: Uint8Array = new Uint8Array()
/** A minute's beginning. */
const start = 1_700_000_000_000 - (1_700_000_000_000 % windowMs)

class Sampled {
  readonly buffer: SharedArrayBuffer
  readonly clock = new BatchClock()
  readonly #client = new Client()
  readonly #query = new Query()
  readonly #stream: boolean
  readonly #random: Random
  #sampler: Sampler

  constructor(workers = 3, stream = false, seed = 1) {
    this.buffer = allocateSample(workers)
    this.clock.tick(start)
    this.#stream = stream
    this.#random = new Random(seed)
    this.#sampler = this.#begin()
  }

  #begin = () => new Sampler(this.buffer, this.#stream, this.clock, this.#random)

  /** Another worker takes the place of this one. */
  succeed(): void {
    this.#sampler = this.#begin()
  }

  clear(): void {
    this.#sampler.clear()
  }

  ask(name: string, { type = 'A', address = '192.0.2.77', options = none } = {}): void {
    const request = query(name, type as 'A', options.length > 0 ? { edns: { options } } : {})
    this.#query.decode(request, request.length)
    this.#client.set(address, address.includes(':'))
    this.#sampler.note(request, this.#query, this.#client)
  }

  get sample() {
    return readSample([this.buffer], this.clock.nowMs)
  }
}

const wordsOf = ({ name, type, stream, weight, network: { ipv6, bits, octets } }: SampledQuestion) => {
  const address = new Uint8Array(ipv6 ? 16 : 4)
  address.set(octets)
  const network = `${ipv6 ? formatIpv6(address) : formatIpv4(address)}/${bits}`
  return `${formatName(name)} ${type} ${network} ${stream ? 'stream' : 'datagram'} ${weight}`
}

t.test('names in lower case, types, transports; of addresses no more than the network', async (t) => {
  for (const stream of [false, true]) {
    const sampled = new Sampled(3, stream)
    t.same(sampled.sample, { sinceMs: null, seen: 0, packed: Buffer.alloc(0) })
    sampled.ask('WWW.Example.test')
    sampled.ask('.', { type: 'NS', address: '2001:db8:1:2345:6789::1' })
    sampled.ask('a.test', { address: '::ffff:198.51.100.9' })
    sampled.ask('b.test', { options: subnet('203.0.113.0', 24) })
    sampled.ask('c.test', { options: subnet('203.0.112.0', 20) })
    sampled.ask('d.test', { options: subnet('203.0.113.5', 32) })
    sampled.ask('e.test', { options: subnet('2001:db8:aa:bbcc:dd00::', 72) })
    sampled.ask('f.test', { options: subnet('2001:d00::', 24) })
    sampled.ask('g.test', { options: subnet('0.0.0.0', 0) })
    const over = stream ? 'stream' : 'datagram'
    t.same([...unpackSample(sampled.sample)].map(wordsOf), [
      `www.example.test. 1 192.0.2.0/24 ${over} 1`,
      `. 2 2001:db8:1:2300::/56 ${over} 1`,
      `a.test. 1 198.51.100.0/24 ${over} 1`,
      `b.test. 1 203.0.113.0/24 ${over} 1`,
      `c.test. 1 203.0.112.0/20 ${over} 1`,
      `d.test. 1 203.0.113.0/24 ${over} 1`,
      `e.test. 1 2001:db8:aa:bb00::/56 ${over} 1`,
      `f.test. 1 2001:d00::/24 ${over} 1`,
      `g.test. 1 192.0.2.0/24 ${over} 1`,
    ])
    t.match(sampled.sample, { sinceMs: start, seen: 9 })
    const [first] = unpackSample(sampled.sample)
    t.equal(first!.network.octets.length, 4)
  }
})

t.test('the longest name, and as many as fit', async (t) => {
  const name = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`
  const sampled = new Sampled()
  const { slots } = new SampleMemory(sampled.buffer)
  for (let i = 0; i < slots; i++) sampled.ask(i % 2 === 0 ? name : 'x')
  const questions = [...unpackSample(sampled.sample)]
  t.equal(questions.length, slots)
  t.ok(questions.every(({ name: each }, i) => formatName(each) === (i % 2 === 0 ? `${name}.` : 'x.')))
})

t.test('memory is bounded, however many workers there are', async (t) => {
  for (const workers of [1, 2, 3, 17, 257]) {
    const { byteLength } = allocateSample(workers)
    t.ok(byteLength * workers < 8 * 1024 * 1024, `${workers} workers have ${byteLength} octets each`)
    const { slots } = new SampleMemory(allocateSample(workers))
    t.ok(Number.isInteger(slots) && slots >= 8, `${slots} slots`)
  }
})

t.test(
  'of more than there is room for, each is kept with the same chance, and all are counted',
  async (t) => {
    const tenths = new Array<number>(10).fill(0)
    for (let seed = 1; seed <= 40; seed++) {
      const sampled = new Sampled(50, false, seed)
      const count = 2000
      for (let i = 0; i < count; i++) sampled.ask(`n${Math.floor((10 * i) / count)}`)
      // The next window, so that what was passed over last is counted.
      sampled.clock.tick(start + windowMs)
      sampled.ask('later')
      const { seen, packed } = sampled.sample
      t.equal(seen, count + 1)
      const questions = [...unpackSample({ packed })]
      const { slots } = new SampleMemory(sampled.buffer)
      t.equal(questions.length, slots + 1)
      const weights = questions.reduce((sum, { weight }) => sum + weight, 0)
      t.ok(Math.abs(weights - seen) < 1e-6, `${weights} of ${seen}`)
      for (const { name } of questions.slice(0, slots)) tenths[Number(formatName(name)[1])]!++
    }
    t.ok(chiSquared(tenths, new Array(10).fill(1)) < 1, tenths.join(' '))
  },
)

t.test('a flood of a minute stands for itself, and leaves the other minutes theirs', async (t) => {
  const sampled = new Sampled(50)
  const { slots } = new SampleMemory(sampled.buffer)
  for (let minute = 0; minute < 8; minute++) {
    sampled.clock.tick(start + minute * windowMs)
    const count = minute === 3 ? 5000 : 20
    for (let i = 0; i < count; i++) sampled.ask(minute === 3 ? 'flood' : 'quiet')
  }
  const questions = [...unpackSample(sampled.sample)]
  t.equal(questions.length, slots + 7 * 20)
  const share = (name: string) =>
    questions.reduce((sum, each) => sum + (formatName(each.name) === name ? each.weight : 0), 0)
  t.equal(Math.round(share('quiet.')), 140)
  t.ok(Math.abs(share('flood.') - 5000) < 500, `${share('flood.')}`)
})

t.test('what is older than ten minutes goes, also when nobody asks any more', async (t) => {
  const sampled = new Sampled()
  for (let minute = 0; minute < 3 * sampleWindows; minute++) {
    sampled.clock.tick(start + minute * windowMs + 7)
    sampled.ask(`m${minute}`)
  }
  const last = 3 * sampleWindows - 1
  const names = [...unpackSample(sampled.sample)].map(({ name }) => Number(formatName(name).slice(1, -1)))
  t.same(
    names.sort((a, b) => a - b),
    Array.from({ length: sampleWindows }, (_, i) => last - sampleWindows + 1 + i),
  )
  t.equal(sampled.sample.sinceMs, start + (last - sampleWindows + 1) * windowMs + 7)
  sampled.clock.tick(start + (last + 4) * windowMs)
  t.equal([...unpackSample(sampled.sample)].length, sampleWindows - 4)
  sampled.clock.tick(start + (last + 100) * windowMs)
  t.same(sampled.sample, { sinceMs: null, seen: 0, packed: Buffer.alloc(0) })
})

t.test(
  'a clock that is set back begins another window, and what is to come is none of the last minutes',
  async (t) => {
    const sampled = new Sampled()
    sampled.ask('before')
    sampled.clock.tick(start - 3 * windowMs)
    sampled.ask('after')
    t.same(
      [...unpackSample(sampled.sample)].map(({ name }) => formatName(name)),
      ['after.'],
    )
  },
)

t.test('a worker that takes the place of another goes on with its window', async (t) => {
  const sampled = new Sampled(50)
  const { slots } = new SampleMemory(sampled.buffer)
  sampled.ask('first')
  sampled.succeed()
  sampled.ask('second')
  t.equal([...unpackSample(sampled.sample)].length, 2)
  for (let i = 0; i < 1000; i++) sampled.ask('first')
  const { seen } = sampled.sample
  sampled.succeed()
  for (let i = 0; i < 1000; i++) sampled.ask('second')
  const counts = Object.groupBy(unpackSample(sampled.sample), ({ name }) => formatName(name))
  t.equal(counts['first.']!.length + counts['second.']!.length, slots)
  t.ok(counts['first.']!.length > slots / 5 && counts['second.']!.length > slots / 5)
  t.ok(sampled.sample.seen > seen + 500)
})

t.test('what is cleared is gone, and the sample begins anew', async (t) => {
  const sampled = new Sampled()
  sampled.ask('secret')
  sampled.clear()
  t.equal(sampled.sample.seen, 0)
  t.notOk(Buffer.from(sampled.buffer).includes('secret'))
  sampled.ask('next')
  t.same(
    [...unpackSample(sampled.sample)].map(({ name }) => formatName(name)),
    ['next.'],
  )
})

t.test('nobody reads half a question, nor a window whose place another takes', async (t) => {
  const sampled = new Sampled()
  sampled.ask('one')
  sampled.ask('two')
  const memory = new SampleMemory(sampled.buffer)
  const place = (start / windowMs) % sampleWindows
  const at = memory.slot(place, 0)
  memory.words[at + slotAt.sequence]! += 1
  t.same(
    [...unpackSample(sampled.sample)].map(({ name, weight }) => `${formatName(name)} ${weight}`),
    ['two. 2'],
  )
  memory.setNumber(place, 0)
  t.equal(sampled.sample.packed.length, 0)
})

t.test('any questions come out as they went in', async (t) => {
  const label = fc.stringMatching(/^[a-z0-9]{1,20}$/)
  const asked = fc.record({
    name: fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.')),
    octets: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  })
  const holds = () =>
    fc.assert(
      fc.property(fc.array(asked, { minLength: 1, maxLength: 50 }), (all) => {
        const sampled = new Sampled()
        for (const { name, octets } of all) sampled.ask(name, { address: octets.join('.') })
        const read = [...unpackSample(sampled.sample)].map(wordsOf)
        const wanted = all.map(({ name, octets }) => {
          return `${name}. 1 ${octets.subarray(0, 3).join('.')}.0/24 datagram 1`
        })
        return JSON.stringify(read) === JSON.stringify(wanted)
      }),
    )
  t.doesNotThrow(holds)
})
