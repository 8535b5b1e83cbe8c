/**
 * Services in signed zones: every answer has a signature that fits it, made before anybody asked, and is drawn as from a plan that is not
 * signed.
 */
import t from 'tap'
import type { AnswerNode, PlanNode, PlanTrees } from '../../../src/dataplane/image/plan-tree.ts'
import { Random } from '../../../src/dataplane/random.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { formatName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata } from '../../../src/dataplane/wire/rdata.ts'
import { type QueryFields, query, type TypeName } from '../../support/dns-client.ts'
import { chiSquared } from '../chi-squared.ts'
import { TestSigner } from '../test-signer.ts'
import { alias, hashed, leaf, located, type Member, prefix, weighted } from '../trees.ts'
import type { ZoneText } from '../zone-text.ts'
import { subnetQuery } from './client-subnet.ts'
import { Served, type ServeOptions } from './served.ts'
import { faultsOf, readSections, type WireRr } from './validator.ts'

const dnssec: QueryFields = { edns: { flags: 0x8000 } }
const signer = new TestSigner(1, 2)
/** The same key, with NSEC3. */
const hashing = new TestSigner(1, 2, true)
const keys = { 'example.test': signer.publicKey }
const names = ['svc', 'other', 'deep.ent', '*.wild', 'txt', '@'] as const
const lines = [
  '@ 300 NS ns1',
  'ns1 300 A 192.0.2.53',
  'txt 300 TXT x',
  'to 300 CNAME svc',
  'to-wild 300 CNAME a.wild',
  '*.both 300 CNAME a.wild',
]

const serve = (
  plans: readonly (PlanNode | PlanTrees)[],
  options: ServeOptions = {},
  signed = true,
  by = signer,
) => {
  const services = Object.fromEntries(names.slice(0, plans.length).map((name, slot) => [name, slot]))
  const zone: ZoneText = { apex: 'example.test', lines, services, ...(signed ? { signer: by } : {}) }
  return new Served([zone], plans, options)
}
const text = ({ owner, ttlSeconds, type, rdata }: WireRr): string => {
  const name = formatName(owner).replace(/\.example\.test\.$/, '')
  if (type === types.rrsig) return `${name} ${ttlSeconds} RRSIG ${rdata.readUInt16BE(0)}`
  const shown = { [types.a]: 'A', [types.aaaa]: 'AAAA', [types.nsec]: 'NSEC', [types.cname]: 'CNAME' }[type]
  return shown === undefined
    ? `${name} ${type}`
    : `${name} ${ttlSeconds} ${shown} ${formatRdata(type, rdata)}`
}
const members = (count: number, weight: (i: number) => number = () => 1): Member[] =>
  Array.from({ length: count }, (_, i) => [`192.0.2.${i + 1}`, weight(i)])

/** One address of each family, of which nothing is left to chance. */
const both = leaf(['192.0.2.1', '2001:db8::1'])

t.test('answers and proofs', async (t) => {
  const onlyA = leaf(['192.0.2.7', '192.0.2.8'], { answers: 2 })
  const only6 = leaf(['2001:db8::7'])
  const none = leaf([])
  const served = serve([both, onlyA, only6, onlyA, only6, none])
  const ask = (name: string, type: TypeName | number) => {
    const octets = served.respond(query(name, type, dnssec))!
    t.same(faultsOf(octets, keys), [], `${name} ${type}`)
    const { rcode, answer, authority } = readSections(octets)
    return { rcode, answer: answer.map(text), authority: authority.map(text) }
  }
  const negative = (...nsecs: string[]) => [
    'example.test. 6',
    'example.test. 60 RRSIG 6',
    'example.test. 60 RRSIG 6',
    ...nsecs.flatMap((nsec) => {
      const [owner] = nsec.split(' ')
      return [nsec, `${owner} 60 RRSIG 47`, `${owner} 60 RRSIG 47`]
    }),
  ]
  const next = { svc: 'to', other: 'svc', 'deep.ent': 'ns1', txt: '*.wild', '*.wild': null } as const
  const nsec = (name: keyof typeof next, ...listed: string[]) =>
    `${name} 60 NSEC ${next[name] === null ? '' : `${next[name]}.`}example.test. ${[...listed, 'RRSIG', 'NSEC'].join(' ')}`
  const found = { rcode: 0, authority: [] }
  t.same(ask('svc.example.test', 'A'), {
    ...found,
    answer: ['svc 30 A 192.0.2.1', 'svc 30 RRSIG 1', 'svc 30 RRSIG 1'],
  })
  t.same(ask('svc.example.test', 'AAAA').answer, [
    'svc 30 AAAA 2001:db8::1',
    'svc 30 RRSIG 28',
    'svc 30 RRSIG 28',
  ])
  t.same(ask('svc.example.test', 'ANY').answer[0], 'svc 30 A 192.0.2.1')
  t.same(ask('deep.ent.example.test', 'ANY').answer[0], 'deep.ent 30 AAAA 2001:db8::7')
  t.same(ask('txt.example.test', 'ANY').answer[0], 'txt 16', 'what is there always')
  t.same(ask('svc.example.test', 'NSEC').answer, negative(nsec('svc', 'A', 'CNAME', 'AAAA')).slice(3))
  t.same(ask('svc.example.test', 'RRSIG').answer, ['svc 60 RRSIG 47', 'svc 60 RRSIG 47'])
  t.same(ask('txt.example.test', 'RRSIG').answer, ['txt 300 RRSIG 16', 'txt 300 RRSIG 16'])
  t.same(ask('to.example.test', 'A').answer.slice(3), [
    'svc 30 A 192.0.2.1',
    'svc 30 RRSIG 1',
    'svc 30 RRSIG 1',
  ])
  // What may be there is in each NSEC but that of its absence.
  for (const type of ['TXT', 'DS', 'CNAME', 65] as const)
    t.same(ask('svc.example.test', type), {
      rcode: 0,
      answer: [],
      authority: negative(nsec('svc', 'A', 'AAAA')),
    })
  t.same(ask('other.example.test', 'AAAA').authority, negative(nsec('other', 'A')))
  t.same(ask('other.example.test', 'TXT').authority, negative(nsec('other', 'A', 'AAAA')))
  t.same(ask('deep.ent.example.test', 'A').authority, negative(nsec('deep.ent', 'AAAA')))
  t.same(ask('txt.example.test', 'A').authority, negative(nsec('txt', 'TXT', 'AAAA')))
  t.same(ask('txt.example.test', 'TXT').answer[0], 'txt 16')
  t.same(ask('txt.example.test', 'MX').authority, negative(nsec('txt', 'A', 'TXT', 'AAAA')))
  t.equal(ask('nothing.example.test', 'A').rcode, 3)
  t.same(
    ask('svd.example.test', 'A').authority[3],
    nsec('svc', 'A', 'CNAME', 'AAAA'),
    'as a cover it denies nothing',
  )
  // At the apex.
  for (const [type, listed] of [
    ['A', 'NS SOA AAAA RRSIG NSEC DNSKEY'],
    ['AAAA', 'A NS SOA RRSIG NSEC DNSKEY'],
    ['TXT', 'A NS SOA AAAA RRSIG NSEC DNSKEY'],
  ] as const)
    t.match(ask('example.test', type).authority[3], new RegExp(` ${listed}$`))
  // By a wildcard.
  const wild = ask('a.wild.example.test', 'A')
  t.match(wild.answer[0], /^a\.wild 30 A 192\.0\.2\.[78]$/)
  t.equal(wild.answer.length, 4)
  t.same(wild.authority, negative(nsec('*.wild', 'A', 'CNAME', 'AAAA')).slice(3))
  t.same(ask('a.wild.example.test', 'AAAA').authority, negative(nsec('*.wild', 'A')))
  t.same(ask('a.wild.example.test', 'TXT').authority, negative(nsec('*.wild', 'A', 'AAAA')))
  t.same(
    ask('x.both.example.test', 'AAAA').authority.filter(
      (rr) => rr.startsWith('*.wild') && rr.includes(' NSEC '),
    ),
    [nsec('*.wild', 'A')],
    'a name has one NSEC in a response, the one that is needed',
  )
})

t.test('nothing of either family', async (t) => {
  const served = serve([leaf([])])
  for (const [type, listed] of [
    ['A', 'AAAA RRSIG NSEC'],
    ['AAAA', 'A RRSIG NSEC'],
    ['ANY', 'RRSIG NSEC'],
    ['TXT', 'A AAAA RRSIG NSEC'],
  ] as const) {
    const octets = served.respond(query('svc.example.test', type, dnssec))!
    t.same(faultsOf(octets, keys), [])
    const { rcode, answer, authority } = readSections(octets)
    t.same([rcode, answer], [0, []])
    t.match(text(authority[3]!), new RegExp(`NSEC to\\.example\\.test\\. ${listed}$`))
  }
})

t.test('an alias', async (t) => {
  const served = serve([alias(['other.example.test', 'out.test']), leaf(members(3), { answers: 2 })])
  const seen = new Set<string>()
  for (let i = 0; i < 8; i++) {
    for (const type of ['A', 'TXT'] as const) {
      const octets = served.respond(query('svc.example.test', type, dnssec))!
      t.same(faultsOf(octets, keys), [])
      const { answer, authority } = readSections(octets)
      seen.add(text(answer[0]!))
      const isOurs = text(answer[0]!).endsWith('other.example.test.')
      t.equal(answer.length, isOurs && type === 'A' ? 7 : 3)
      t.equal(authority.length, isOurs && type === 'TXT' ? 6 : 0, 'and its zone proves the rest')
    }
  }
  t.equal(seen.size, 2)
  const plain = served.respond(query('svc.example.test', 'CNAME'))!
  t.equal(readSections(plain).answer.length, 1)
})

t.test('what is not signed is not answered', async (t) => {
  const left = (unsigned: (data: readonly Uint8Array[]) => boolean) => {
    const picky = new TestSigner(1, 1)
    const of = picky.of.bind(picky)
    picky.of = (apex) => {
      const all = of(apex)
      return {
        find: (owner, type, ttl, data) =>
          [types.a, types.cname].some((one) => one === type) && unsigned(data)
            ? undefined
            : all.find(owner, type, ttl, data),
      }
    }
    return picky
  }
  const has = (last: number) => (data: readonly Uint8Array[]) =>
    data.some((octets) => octets.at(-1) === last && octets.length === 4)
  const ask = (plan: PlanNode, unsigned: (data: readonly Uint8Array[]) => boolean, network = false) => {
    const zone = {
      apex: 'example.test',
      lines: ['@ 300 NS ns.elsewhere.example.'],
      services: { svc: 0 },
      signer: left(unsigned),
    }
    const served = new Served([zone], [plan])
    const seen = new Map<string, number>()
    for (let i = 0; i < 200; i++) {
      const request = network
        ? subnetQuery('svc.example.test', 'A', `10.${i >> 8}.${i & 255}.0`, 24)
        : query('svc.example.test', 'A', dnssec)
      const octets = served.respond(request)!
      if (!network) t.same(faultsOf(octets, keys), [])
      const { rcode, answer } = readSections(octets)
      const last = answer.filter((rr) => rr.type === types.a).map(({ rdata }) => rdata.at(-1)!)
      const key = rcode === 0 ? last.sort((a, b) => a - b).join(' ') : `rcode ${rcode}`
      seen.set(key, (seen.get(key) ?? 0) + 1)
    }
    return seen
  }
  const sets = (found: ReadonlyMap<string, number>) => [...found.keys()].sort()
  const fields = (select: AnswerNode['select'], answers: number) =>
    ({ select, answers, ...(select === 'hash' ? { prefix } : {}) }) as const
  for (const select of ['rotate', 'weighted', 'hash'] as const) {
    const isHash = select === 'hash'
    t.same(sets(ask(leaf(members(3), fields(select, 1)), has(2), isHash)), ['1', '3'], select)
    t.same(sets(ask(leaf(members(3), fields(select, 2)), has(2), isHash)), ['1 3'], `two by ${select}`)
    t.same(sets(ask(leaf(members(3), fields(select, 3)), has(2), isHash)), ['rcode 2'], `all by ${select}`)
    t.same(sets(ask(leaf(members(1), fields(select, 1)), has(1), isHash)), ['rcode 2'])
  }
  const zone = { apex: 'example.test', lines: ['@ 300 NS ns.elsewhere.example.'], services: { svc: 0 } }
  const lost = new Served(
    [{ ...zone, signer: left((data) => String.fromCharCode(...data[0]!).includes('lost')) }],
    [alias(['lost.test'])],
  )
  t.equal(lost.ask('svc.example.test', 'A', dnssec).rcode, 2)
  t.equal(lost.ask('svc.example.test', 'TXT').rcode, 2)
})

t.test('TTLs', async (t) => {
  const nowS = Math.floor(Date.now() / 1000)
  const ttls = (plan: PlanNode) => {
    const octets = serve([plan]).respond(query('svc.example.test', 'A', dnssec))!
    t.same(faultsOf(octets, keys), [])
    return new Set(readSections(octets).answer.map(({ ttlSeconds }) => ttlSeconds))
  }
  t.same([...ttls(leaf(members(3), { ttlSeconds: 7 }))], [7], 'less than what is signed')
  t.same([...ttls(leaf(members(3), { ttlSeconds: 7200 }))], [3600], 'never more')
  const [left] = ttls(leaf(members(3), { ttlSeconds: 600, answers: 2, expiresAtSeconds: nowS + 100 }))
  t.ok(left! > 80 && left! <= 100, `${left}`)
  t.same([...ttls(leaf(members(3), { expiresAtSeconds: nowS - 100 }))], [1])
})

t.test('a set goes out whole or not at all', async (t) => {
  const served = serve([
    leaf(members(40), { answers: 25 }),
    alias([`${'l'.repeat(60)}.${'m'.repeat(60)}.test`]),
  ])
  for (const name of ['svc', 'other']) {
    const ask = (payload: number, flags: number) =>
      served.respond(query(`${name}.example.test`, 'A', { edns: { flags, payload } }))!
    const whole = ask(1232, 0x8000)
    t.same(faultsOf(whole, keys), [])
    for (let payload = 512; payload <= 1232; payload += 40) {
      const octets = ask(payload, 0x8000)
      const { truncated, answer } = readSections(octets)
      t.equal(truncated, payload < whole.length, `${name} in ${payload}`)
      t.equal(answer.length > 0, !truncated)
      t.same(faultsOf(octets, keys), [])
    }
    const plain = ask(512, 0)
    t.ok(readSections(plain).answer.every(({ type }) => type !== types.rrsig))
  }
  const many = new Served(
    [{ apex: 'example.test', lines: ['@ 300 NS ns1'], services: { svc: 0 }, signer: new TestSigner(1, 6) }],
    [alias(['out.test'])],
  )
  const ask = (payload: number) =>
    readSections(many.respond(query('svc.example.test', 'A', { edns: { flags: 0x8000, payload } }))!)
  t.match(ask(1232), { truncated: false, answer: { length: 7 } })
  t.match(ask(512), { truncated: true, answer: { length: 0 } })
  t.equal(many.answers(1), 1)
  const before = served.answers(1) + served.answers(40)
  served.respond(query('svc.example.test', 'A', { edns: { flags: 0x8000, payload: 512 } }))
  t.equal(served.answers(1) + served.answers(40), before, 'what is not answered is not counted')
})

t.test('over a stream, as many as are signed', async (t) => {
  const many: Member[] = Array.from({ length: 4096 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
  const served = serve([leaf(many, { answers: 4096 })], { stream: true })
  const octets = served.respond(query('svc.example.test', 'A', dnssec))!
  t.equal(readSections(octets).answer.length, 3902)
  t.same(faultsOf(octets, keys), [])
})

/** The last octets of the addresses of an answer, as they stand in it. */
const lastOctets = (octets: Buffer) =>
  readSections(octets)
    .answer.filter(({ type }) => type === types.a || type === types.aaaa)
    .map(({ rdata }) => rdata.at(-1)!)

t.test('shares are those of a plan that is not signed', async (t) => {
  const queries = 10_000
  const request = query('svc.example.test', 'A')
  const weights = [1, 2, 3, 10]
  const plans: Readonly<Record<string, PlanNode>> = {
    'one in turn': leaf(members(5)),
    windows: leaf(members(5), { answers: 2 }),
    'all in turn': leaf(members(5), { answers: 9 }),
    'one by weight': leaf(
      members(4, (i) => weights[i]!),
      { select: 'weighted' },
    ),
    'two by weight': leaf(
      members(4, (i) => weights[i]!),
      { select: 'weighted', answers: 2 },
    ),
    'three by weight': leaf(
      members(4, (i) => weights[i]!),
      { select: 'weighted', answers: 3 },
    ),
    'all by weight': leaf(
      members(4, (i) => weights[i]!),
      { select: 'weighted', answers: 4 },
    ),
    'a tree': weighted(
      [1, leaf(members(2))],
      [3, leaf(['192.0.2.3', ['192.0.2.4', 7]], { select: 'weighted' }, 3)],
    ),
  }
  for (const [what, plan] of Object.entries(plans)) {
    const [signed, unsigned] = [true, false].map((isSigned) => {
      const served = serve([plan], { seed: isSigned ? 5 : 6 }, isSigned)
      const found = new Map<string, number>()
      for (let i = 0; i < queries; i++) {
        const key = lastOctets(served.respond(request)!)
          .sort((a, b) => a - b)
          .join(' ')
        found.set(key, (found.get(key) ?? 0) + 1)
      }
      const counted = Array.from({ length: 5 }, (_, i) => served.answers(1 + i))
      return { found, counted }
    })
    const all = [...new Set([...signed!.found.keys(), ...unsigned!.found.keys()])]
    // Both are samples: the sum of the squares of the differences is twice what it is with known shares.
    const [a, b] = [signed!, unsigned!].map(({ found }) => all.map((key) => found.get(key) ?? 0))
    const middle = a!.map((count, i) => (count + b![i]!) / 2)
    t.ok(
      all.length === 1 ||
        chiSquared(
          a!.map((count, i) => middle[i]! + (count - b![i]!) / Math.SQRT2),
          middle,
        ) < 1,
      `${what}: ${a} ${b}`,
    )
    const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0)
    t.equal(total(signed!.counted), total(unsigned!.counted), 'as many are counted')
  }
})

t.test('who goes first goes round', async (t) => {
  for (const fields of [
    { answers: 9 },
    { select: 'weighted', answers: 3 },
    { select: 'weighted', answers: 2 },
  ] as const) {
    const served = serve([leaf(members(3), fields)])
    const firsts = [0, 0, 0]
    for (let i = 0; i < 9000; i++)
      firsts[lastOctets(served.respond(query('svc.example.test', 'A'))!)[0]! - 1]!++
    t.ok(chiSquared(firsts, [1, 1, 1]) < 1, String(firsts))
  }
})

t.test('by client: the same answers, but those of several', async (t) => {
  const weight = (i: number) => 1 + i
  const ask = (plan: PlanNode, signed: boolean) => {
    const served = serve([plan], {}, signed)
    return Array.from({ length: 3000 }, (_, i) =>
      lastOctets(served.respond(subnetQuery('svc.example.test', 'A', `10.${i >> 8}.${i & 255}.0`, 24))!),
    )
  }
  const plan = (answers: number) => leaf(members(6, weight), { select: 'hash', prefix, answers })
  for (const answers of [1, 6]) t.same(ask(plan(answers), true), ask(plan(answers), false), `${answers}`)
  const several = ask(plan(2), true)
  t.same(ask(plan(2), true), several, 'the same for each client, after a restart too')
  const firsts = new Array<number>(6).fill(0)
  for (const [first] of several) firsts[first! - 1]!++
  const shares = firsts.map((count) => count / several.length)
  t.ok(
    shares.every((share, i) => Math.abs(share - (i + 1) / 21) < 0.04),
    String(shares),
  )
})

t.test('random plans: every answer is valid', { timeout: 200_000 }, async (t) => {
  const random = new Random(20_261_130)
  const pick = <T>(...of: readonly T[]) => of[random.below(of.length)]!
  const addresses = () =>
    Array.from({ length: random.below(5) }, (): Member => {
      const last = random.below(30)
      return [pick(`192.0.2.${last}`, `2001:db8::${last}`), 1 + random.below(9)]
    })
  const tree = (depth: number, canAlias: boolean): PlanNode => {
    const below = () => tree(depth - 1, canAlias)
    switch (depth === 0 ? 0 : random.below(5)) {
      case 1:
        return weighted([1 + random.below(3), below()], [1, below()])
      case 2:
        return hashed({ a: below(), b: below() })
      case 3:
        return located(0, below(), below())
      default: {
        const select = pick('rotate', 'weighted', 'hash')
        const fields = {
          select,
          answers: 1 + random.below(4),
          ttlSeconds: pick(0, 5, 30),
          ...(select === 'hash' ? { prefix } : {}),
        } as const
        if (random.below(20) === 0) return leaf([], { gives: 'servfail' })
        if (canAlias && random.below(4) === 0)
          return alias(
            [`${pick('svc', 'other', 'deep.ent', 'a.wild', 'nothing')}.example.test`, 'out.test'],
            fields,
          )
        return leaf(addresses(), fields)
      }
    }
  }
  const asked = [
    'svc',
    'other',
    'deep.ent',
    'a.wild',
    'x.a.wild',
    '*.wild',
    'to',
    'to-wild',
    'x.both',
    'ent',
    'nothing',
  ].map((name) => `${name}.example.test`)
  const questions = [...asked, 'example.test']
  const qtypes = ['A', 'AAAA', 'A', 'AAAA', 'TXT', 'ANY', 'RRSIG', 'NSEC', 'DS', 'CNAME'] as const
  let answers = 0
  for (let round = 0; round < 80; round++) {
    const plans = names.map((name) => {
      const ipv4 = tree(2, name !== '@')
      return random.below(3) === 0 ? { ipv4, ipv6: tree(1, false) } : ipv4
    })
    const options = { seed: 1 + round, stream: random.below(4) === 0 }
    const served = serve(plans, options, true, round % 2 === 0 ? signer : hashing)
    for (let i = 0; i < 40; i++) {
      const [name, type] = [pick(...questions), pick(...qtypes)]
      const octets = served.respond(query(name, type, dnssec))!
      const faults = faultsOf(octets, keys)
      answers += readSections(octets).answer.length
      if (faults.length > 0) t.same(faults, [], `round ${round}: ${name} ${type}`)
    }
  }
  t.ok(answers > 5000, `${answers} RRs`)
})

t.test('the validator knows a changed octet', async (t) => {
  const octets = serve([both]).respond(query('svc.example.test', 'A', dnssec))!
  // The last of the address.
  octets[12 + 22 + 15]! ^= 1
  t.match(faultsOf(octets, keys), [/does not fit/, /does not fit/])
})
