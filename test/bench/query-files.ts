/**
 * What dnsperf sends, as whole messages: its binary form (`-B`, each message behind its length as over TCP) is the only
 * one in which half of the queries can have an OPT. Random names are random per query, so that no cache of answers helps;
 * they come from a seed, so that every server gets the same ones.
 */
import { optRecord, type TypeName, typeNumbers } from '../support/dns-client.ts'
import { deep, hosts, service, texts, zone } from './zone-data.ts'

export const queryFiles = [
  'hit',
  'miss',
  'lb',
  'weighted',
  'hash',
  'geo',
  'subnet',
  'mixed',
  'flood',
  'any',
  'large',
] as const
export type QueryFile = (typeof queryFiles)[number]

/** Random names in a file: at half a million a second no name comes again within half a second, mostly not at all. */
const randomNames = 250_000
/** For warming up: other names, or else a cache of answers knew those of the measurement already. */
const warmUpNames = 20_000
const seeds = { measured: 20_260_101, warmUp: 7_654_321 } as const

interface Question {
  readonly name: string
  readonly type: TypeName
  /** UDP payload that its OPT offers; no OPT without. */
  readonly payload?: number
  /** Whether its OPT asks for signatures. */
  readonly dnssec?: boolean
  /** The first three octets of the client's subnet, as one number; not told without. */
  readonly subnet?: number
}

/**
 * The octets of a file for `dnsperf -B`, to measure with or to warm up.
 *
 * @param dnssec each asks for signatures (the bit DO, RFC 3225)
 */
export function queryFileOctets(
  file: QueryFile,
  use: keyof typeof seeds = 'measured',
  dnssec = false,
): Buffer {
  const count = use === 'measured' ? randomNames : warmUpNames
  const list = questions(file, count, randomFrom(seeds[use]))
  const octets = Buffer.alloc(list.length * maxFramedOctets)
  let end = 0
  for (const question of list) {
    end = writeFramed(octets, end, dnssec ? { payload: 1232, ...question, dnssec } : question)
  }
  return octets.subarray(0, end)
}

/** Length, header, the longest name here with its zone, type and class, and an OPT. */
const maxFramedOctets = 128
const header = Buffer.of(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)

/** Writes a query as a resolver asks it, without RD, behind its length; returns where it ends. */
function writeFramed(
  octets: Buffer,
  start: number,
  { name, type, payload, dnssec = false, subnet }: Question,
): number {
  let at = start + 2
  at += header.copy(octets, at)
  for (const label of `${name}.${zone}`.split('.')) {
    octets[at++] = label.length
    at += octets.write(label, at, 'latin1')
  }
  octets[at++] = 0
  at = octets.writeUInt16BE(typeNumbers[type], at)
  at = octets.writeUInt16BE(1, at)
  if (payload !== undefined) {
    octets[start + 2 + 11] = 1
    const options = subnet === undefined ? {} : { options: subnetOption(subnet) }
    at += optRecord({ payload, flags: dnssec ? 0x8000 : 0, ...options }).copy(octets, at)
  }
  octets.writeUInt16BE(at - start - 2, start)
  return at
}

/** RFC 7871 section 6: a /24 of IPv4. */
function subnetOption(subnet: number): Buffer {
  return Buffer.of(0, 8, 0, 7, 0, 1, 24, 0, subnet >>> 16, (subnet >>> 8) & 0xff, subnet & 0xff)
}

/** `count` of them where names are random, else one for each name. */
function questions(file: QueryFile, count: number, random: () => number): Question[] {
  const each = (length: number, make: (index: number) => Question) =>
    Array.from({ length }, (_, index) => make(index))
  switch (file) {
    case 'hit':
      return each(hosts, (host) => ({ name: `h${host}`, type: 'A' }))
    case 'miss':
      return each(count, () => ({ name: randomLabel(random), type: 'A' }))
    case 'lb':
      return each(hosts, () => ({ name: service, type: 'A' }))
    case 'weighted':
    case 'hash':
    case 'geo':
      return each(hosts, () => ({ name: file, type: 'A' }))
    case 'subnet':
      return each(count, () => ({ name: 'geo', type: 'A', payload: 1232, subnet: random() >>> 8 }))
    case 'mixed':
      return each(count, (index) => mixedQuestion(index, random))
    case 'flood':
      return each(count, () => ({ name: `${randomLabel(random)}.${deep}`, type: 'A' }))
    case 'any':
      return each(hosts, (host) => ({ name: `h${host}`, type: 'ANY', payload: 1232 }))
    case 'large':
      return each(texts, (text) => ({ name: `t${text}`, type: 'TXT', payload: 1232 }))
  }
}

/** Ten queries: eight hits, a miss and the service; of each kind, every other one with an OPT. */
function mixedQuestion(index: number, random: () => number): Question {
  const kind = index % 10
  const name = kind === 8 ? randomLabel(random) : kind === 9 ? service : `h${random() % hosts}`
  const withOpt = (Math.floor(index / 10) + kind) % 2 === 0
  return { name, type: 'A', ...(withOpt ? { payload: 1232 } : {}) }
}

function randomLabel(random: () => number): string {
  return `x${random().toString(36)}${random().toString(36)}`
}

/** 32 random bits at a time, always the same ones from the same seed (xorshift, Marsaglia 2003). */
function randomFrom(start: number): () => number {
  let state = start
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
