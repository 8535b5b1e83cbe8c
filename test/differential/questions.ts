/** Every question about a world whose answer could be interesting, and the ways to ask it. */
import type { Random } from '../../src/dataplane/random.ts'
import { chance, drawLabel, pick } from './draws.ts'
import { isBelow, type Labels, maxLabelOctets, maxNameOctets, nameKey, toWire, wireLength } from './names.ts'
import { testTypes } from './rdata.ts'
import { hashesOf, ownersOf, type World } from './world.ts'

/** How a question is asked. */
export interface Way {
  readonly label: string
  readonly transport: 'udp' | 'tcp'
  /** Payload size of the OPT; null sends none. */
  readonly payload: number | null
  readonly dnssecOk: boolean
}

export interface Question {
  readonly world: World
  readonly name: Labels
  readonly type: number
  readonly way: Way
}

type ShareOfWays = readonly (Way & { readonly share: number })[]

export const plainWays: ShareOfWays = [
  { label: 'UDP, OPT', transport: 'udp', payload: 1232, dnssecOk: false, share: 55 },
  { label: 'UDP, OPT, DO', transport: 'udp', payload: 1232, dnssecOk: true, share: 10 },
  { label: 'UDP, no OPT', transport: 'udp', payload: null, dnssecOk: false, share: 10 },
  { label: 'UDP, payload 512', transport: 'udp', payload: 512, dnssecOk: false, share: 7 },
  { label: 'UDP, payload 4096', transport: 'udp', payload: 4096, dnssecOk: false, share: 5 },
  { label: 'UDP, payload 0', transport: 'udp', payload: 0, dnssecOk: false, share: 3 },
  { label: 'TCP', transport: 'tcp', payload: 1232, dnssecOk: false, share: 10 },
]

/** Of signed zones: most with DO. */
export const signedWays: ShareOfWays = [
  { label: 'UDP, DO', transport: 'udp', payload: 1232, dnssecOk: true, share: 50 },
  { label: 'UDP, OPT', transport: 'udp', payload: 1232, dnssecOk: false, share: 8 },
  { label: 'UDP, no OPT', transport: 'udp', payload: null, dnssecOk: false, share: 4 },
  { label: 'UDP, DO, payload 512', transport: 'udp', payload: 512, dnssecOk: true, share: 8 },
  { label: 'TCP, DO', transport: 'tcp', payload: 1232, dnssecOk: true, share: 30 },
]

export const anyType = 255
const unknownType = 65_280
const everywhere = ['A', 'AAAA', 'NS', 'DS', 'CNAME', 'DNAME', 'SOA', 'TXT', 'MX'] as const

export function questionsOf(random: Random, world: World, ways: ShareOfWays): Question[] {
  const wayByShare = ways.flatMap((way) => new Array<Way>(way.share).fill(way))
  const typesByOwner = new Map<string, Set<number>>()
  for (const { rrsets } of world.zones) {
    for (const { owner, type } of rrsets) {
      const present = typesByOwner.get(nameKey(owner)) ?? new Set()
      typesByOwner.set(nameKey(owner), present.add(testTypes[type]))
    }
  }
  const questions: Question[] = []
  for (const name of namesOf(random, world)) {
    const present = typesByOwner.get(nameKey(name)) ?? []
    const asked = new Set([...everywhere.map((type) => testTypes[type]), anyType, unknownType, ...present])
    for (const type of asked)
      questions.push({ world, name: mixCase(random, name), type, way: pick(random, wayByShare) })
  }
  return questions
}

/** Owners, what is above and below them, and names that make a DNAME's target as long as a name can be, or longer. */
function namesOf(random: Random, world: World): Labels[] {
  const names = new Map<string, Labels>()
  const add = (name: Labels) => {
    if (wireLength(name) <= maxNameOctets) names.set(nameKey(name), name)
  }
  for (const owner of ownersOf(world)) {
    for (let above = owner; above.length > 0; above = above.slice(1)) {
      add(above)
      if (above.length > 12) break
    }
    add([`q${random.below(10)}`, ...owner])
    if (chance(random, 0.3)) add(['y', drawLabel(random), ...owner])
    if (chance(random, 0.3)) add(['*', ...owner])
    if (chance(random, 0.3)) add([drawLabel(random), ...owner.slice(1)])
  }
  for (const hash of hashesOf(world)) {
    if (!chance(random, 0.05)) continue
    add(hash)
    add(['x', ...hash])
  }
  for (const { rrsets } of world.zones) {
    for (const { owner, type, rdata } of rrsets) {
      if (type === 'DNAME')
        for (const prefix of edgePrefixes(rdata[0]!.wire.length)) add([...prefix, ...owner])
    }
  }
  const apexes = world.zones.map(({ apex }) => apex)
  add(['nothing', 'here', 'example'])
  add([])
  return [...names.values()].filter(
    (name) => name.length > 1 || chance(random, 0.2) || apexes.some((apex) => isBelow(name, apex)),
  )
}

/** Labels that together with a target of `targetOctets` fill a name of 255 octets, and of 256. */
function edgePrefixes(targetOctets: number): Labels[] {
  return [0, 1].flatMap((over) => {
    const prefix: string[] = []
    for (let left = maxNameOctets + over - targetOctets; left > 1; ) {
      // One octet that is left over could be no label.
      const label = Math.min(maxLabelOctets, left - 1, left === maxLabelOctets + 2 ? maxLabelOctets - 1 : 255)
      prefix.push('e'.repeat(label))
      left -= label + 1
    }
    return prefix.length === 0 ? [] : [prefix]
  })
}

function mixCase(random: Random, name: Labels): Labels {
  if (!chance(random, 0.3)) return name
  return name.map((label) =>
    label.replace(/[a-zA-Z]/g, (letter) =>
      chance(random, 0.5) ? letter.toLowerCase() : letter.toUpperCase(),
    ),
  )
}

/** RD is set, the opcode is QUERY, and the ID is left to the sender. */
export function encodeQuestion({ name, type, way }: Question): Buffer {
  const header = Buffer.of(0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, way.payload === null ? 0 : 1)
  const question = [header, toWire(name), Buffer.of(type >>> 8, type & 0xff, 0, 1)]
  if (way.payload === null) return Buffer.concat(question)
  const opt = Buffer.of(
    0,
    0,
    41,
    way.payload >>> 8,
    way.payload & 0xff,
    0,
    0,
    way.dnssecOk ? 0x80 : 0,
    0,
    0,
    0,
  )
  return Buffer.concat([...question, opt])
}
