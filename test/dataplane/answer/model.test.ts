/** `respond` against the reference resolver, on random zones and random questions. */
import fc from 'fast-check'
import t from 'tap'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { query, readResponse, type TypeName, wireName } from '../../support/dns-client.ts'
import type { ZoneText } from '../zone-text.ts'
import {
  memberTtl,
  negativeTtl,
  type ReferencePlan,
  type ReferenceZone,
  resolveByReference,
  rrsetTtl,
} from './reference-resolver.ts'
import { Served } from './served.ts'

// Few labels and few apexes, so that names meet: owners, targets and questions come from the same small world.
const label = fc.constantFrom('a', 'b', 'a', 'b', 'c', '*')
const apexes = ['test', 'z.test', 'z.test', 'b.z.test', 'org', '']
const join = (labels: readonly string[], apex: string) =>
  [...labels, ...(apex === '' ? [] : [apex])].join('.')
const anyName = fc
  .tuple(
    fc.oneof(fc.array(label, { maxLength: 1 }), fc.array(label, { maxLength: 3 })),
    fc.constantFrom(...apexes, 'net'),
  )
  .map(([labels, apex]) => join(labels, apex))
const types = ['A', 'AAAA', 'TXT', 'NS', 'MX', 'SRV', 'CNAME', 'DS'] as const
const absolute = (name: string) => (name === '' ? '.' : name)

interface Draft {
  readonly labels: readonly string[]
  readonly type: (typeof types)[number] | 'service'
  readonly target: string
  readonly count: number
  /** Takes a name that some zone has in the place of `target`. */
  readonly known: number | null
}

const draft: fc.Arbitrary<Draft> = fc.record({
  labels: fc.oneof(fc.array(label, { minLength: 1, maxLength: 1 }), fc.array(label, { maxLength: 3 })),
  // Aliases and cuts are where the rules are.
  type: fc.constantFrom(...types, 'service', ...new Array(6).fill('CNAME'), 'NS'),
  target: anyName,
  count: fc.integer({ min: 1, max: 2 }),
  known: fc.option(fc.nat(), { freq: 3 }),
})

const plans: readonly ReferencePlan[] = [
  { servfail: false, a: ['192.0.2.101'], aaaa: ['2001:db8::101'] },
  { servfail: false, a: ['192.0.2.102'], aaaa: [] },
  { servfail: false, a: [], aaaa: ['2001:db8::103'] },
  { servfail: false, a: [], aaaa: [] },
  { servfail: true, a: [], aaaa: [] },
]

function compiledPlan({ servfail, a, aaaa }: ReferencePlan): AnswerNode {
  const candidates = [...a, ...aaaa].map((text) => ({
    address: parseAddress(text)!,
    weight: 1,
    counter: 0,
    key: 0,
  }))
  return {
    kind: 'answer',
    gives: servfail ? 'servfail' : 'addresses',
    select: 'rotate',
    answers: 4,
    ttlSeconds: memberTtl,
    candidates,
  }
}

function dataOf({ type, target, count }: Draft): string[] {
  const name = absolute(target)
  const all: Record<(typeof types)[number], string[]> = {
    A: ['192.0.2.1', '192.0.2.2'],
    AAAA: ['2001:db8::1', '2001:db8::2'],
    TXT: ['"x"', '"y"'],
    NS: [name, absolute(join(['a'], target))],
    MX: [`1 ${name}`, `2 ${name}`],
    SRV: [`1 2 3 ${name}`, '1 2 4 .'],
    CNAME: [name],
    DS: ['1 2 3 04', '1 2 3 05'],
  }
  return type === 'service' ? [] : all[type].slice(0, count)
}

/** Keeps to what a zone may hold: a CNAME alone and not at the apex, no wildcard cut, a service without addresses. */
function buildZone(apex: string, drafts: readonly Draft[]): ReferenceZone {
  const rrsets = new Map<string, Map<string, string[]>>()
  const services = new Map<string, ReferencePlan>()
  for (const one of drafts) {
    const owner = join(one.labels, apex)
    const there = rrsets.get(owner) ?? new Map<string, string[]>()
    const service = services.has(owner)
    if (one.type === 'service') {
      if (there.has('A') || there.has('AAAA') || there.has('CNAME')) continue
      services.set(owner, plans[(one.target.length + one.count) % plans.length]!)
      continue
    }
    if (there.has('CNAME') || there.has(one.type)) continue
    if (one.type === 'CNAME' && (there.size > 0 || service || owner === apex)) continue
    if ((one.type === 'A' || one.type === 'AAAA') && service) continue
    if (one.type === 'NS' && one.labels[0] === '*') continue
    rrsets.set(owner, there.set(one.type, dataOf(one)))
  }
  const at = (name: string) => join([name], apex)
  return { apex, rrsets, services, soa: `${at('ns1')} ${at('hostmaster')} 7 3600 600 86400 ${negativeTtl}` }
}

const dotted = (name: string) => (name === '.' ? name : `${name}.`)

function zoneText({ apex, rrsets, services }: ReferenceZone): ZoneText {
  const lines = [...rrsets].flatMap(([owner, byType]) =>
    [...byType].flatMap(([type, data]) =>
      data.map((text) => {
        const name = dotted(absolute(owner))
        if (type === 'DS')
          return `${name} ${rrsetTtl} TYPE43 0001 02 03 ${text.slice(-2)}`.replace(/ (?=0[2-5])/g, '')
        const words = text.split(' ')
        const named =
          type === 'A' || type === 'AAAA' || type === 'TXT'
            ? words
            : [...words.slice(0, -1), dotted(words.at(-1)!)]
        return `${name} ${rrsetTtl} ${type} ${named.join(' ')}`
      }),
    ),
  )
  return {
    apex: absolute(apex),
    ttlSeconds: rrsetTtl,
    minimumSeconds: negativeTtl,
    lines,
    services: Object.fromEntries(
      [...services].map(([owner, plan]) => [dotted(absolute(owner)), plans.indexOf(plan)]),
    ),
  }
}

const world = fc
  .array(fc.tuple(fc.constantFrom(...apexes), fc.array(draft, { maxLength: 14 })), { maxLength: 5 })
  .map((entries) => {
    const owners = entries.flatMap(([apex, drafts]) => drafts.map(({ labels }) => join(labels, apex)))
    const aim = (one: Draft) =>
      one.known === null ? one : { ...one, target: owners[one.known % owners.length]! }
    return [...new Map(entries)].map(([apex, drafts]) => buildZone(apex, drafts.map(aim)))
  })

/** Any name, or one that some zone has. */
const question = fc.tuple(
  anyName,
  fc.option(fc.nat()),
  fc.constantFrom<TypeName[]>('A', 'A', 'AAAA', 'NS', 'SOA', 'CNAME', 'MX', 'TXT', 'SRV', 'DS', 'ANY', 'CAA'),
)

/** Letters in random case, as resolvers send them (0x20). */
function shuffleCase(name: string, seed: number): string {
  return [...name].map((char, i) => (((seed >>> (i % 31)) & 1) === 1 ? char.toUpperCase() : char)).join('')
}

const lower = (lines: readonly string[]) => lines.map((text) => text.toLowerCase())

t.test('answers as the reference does', async (t) => {
  const seen = { total: 0, chains: 0, referrals: 0, wildcards: 0 }
  fc.assert(
    fc.property(
      world,
      fc.array(question, { minLength: 12, maxLength: 24 }),
      fc.nat(),
      (zones, questions, seed) => {
        const served = new Served(zones.map(zoneText), plans.map(compiledPlan), { stream: true })
        const datagram = new Served(zones.map(zoneText), plans.map(compiledPlan))
        const owners = zones.flatMap(({ rrsets, services }) => [...rrsets.keys(), ...services.keys()])
        for (const [any, known, type] of questions) {
          const name = known === null || owners.length === 0 ? any : owners[known % owners.length]!
          const model = resolveByReference(zones, name, type)
          const wanted = {
            rcode: model.rcode,
            flags: model.authoritative ? 'qr aa' : 'qr',
            answer: lower(model.answer),
            authority: lower(model.authority),
            additional: lower(model.additional),
          }
          const octets = query(wireName(shuffleCase(absolute(name), seed)), type, { flags: 0 })
          const read = (from: Served) => {
            const { rcode, flags, answer, authority, additional } = readResponse(from.respond(octets)!)
            return {
              rcode,
              flags,
              answer: lower(answer),
              authority: lower(authority),
              additional: lower(additional),
            }
          }
          const what = `${absolute(name)} ${type}`
          assertSame(read(served), wanted, what)
          const small = read(datagram)
          // Over UDP the same, or TC, or less of what is a courtesy.
          const cut = {
            ...wanted,
            rcode: 0,
            flags: `${wanted.flags} tc`,
            answer: [],
            authority: [],
            additional: [],
          }
          if (small.flags.includes('tc')) assertSame(small, cut, `${what} over UDP`)
          else assertSame({ ...small, additional: [] }, { ...wanted, additional: [] }, `${what} over UDP`)
          seen.total++
          if (wanted.answer.filter((text) => text.includes(' cname ')).length > 1) seen.chains++
          if (wanted.flags === 'qr' && wanted.rcode === 0) seen.referrals++
          if (zones.every(({ rrsets }) => !rrsets.has(name)) && wanted.answer.length > 0) seen.wildcards++
        }
      },
    ),
    { numRuns: 3000, seed: 20_240_229 },
  )
  // The generator must reach what the test is about.
  t.comment(JSON.stringify(seen))
  for (const [what, count] of Object.entries(seen)) t.ok(count > 500, `${what}: ${count}`)
})

function assertSame(found: unknown, wanted: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`${what}\n found  ${a}\n wanted ${b}`)
}
