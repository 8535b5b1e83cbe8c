/** How the answers to a service move: which shares, of which clients. */

import { type ClientNetworks, type Whereabouts, whereaboutsOf } from '../serve/client-networks.ts'
import type { PreviewedAnswers, PreviewedMap, PreviewedService, PreviewedShare } from '../serve/preview.ts'

/** A share that moves, of the answers to one service. */
export interface ShareChange {
  readonly pool: string
  /** From 0 to 1. */
  readonly before: number
  readonly after: number
}

/** The same of one member, where shares move within its pool. */
export interface MemberShareChange extends ShareChange {
  readonly member: string
}

export interface ServiceEffect {
  readonly service: string
  /** Whose answers: `A`, `AAAA`, or both where it is the same for them. */
  readonly types: readonly ('A' | 'AAAA')[]
  /** Of these clients alone; left out for all. */
  readonly clients?: ClientNetworks
  readonly pools: readonly ShareChange[]
  /** Those that move most. */
  readonly members: readonly MemberShareChange[]
  readonly moreMembers: number
}

type Moves = Pick<ServiceEffect, 'pools' | 'members' | 'moreMembers'>

/** A share that moves by less is no news. */
const leastMove = 0.0005
const mostMembers = 20
/** Ranges of location maps that are walked through for one service: some half a second. */
const mostRangesInTurn = 2_000_000

/**
 * Looks at services, and keeps what it has found of where clients can be for those that go by the same maps.
 *
 * Bound: `mostKept` of them, some megabytes each.
 */
export class ServiceMoves {
  readonly #kept: { readonly images: readonly SharedArrayBuffer[]; readonly whereabouts: Whereabouts }[] = []

  /** Ranges of maps that were walked through. */
  ranges = 0

  /**
   * @param was null for a service that is not there
   * @returns null when too much would have to be walked through for it
   */
  of(service: string, was: PreviewedService | null, is: PreviewedService | null): ServiceEffect[] | null {
    const ipv4 = this.#inFamily(was?.ipv4, is?.ipv4)
    const areAlike = was?.ipv4 === was?.ipv6 && is?.ipv4 === is?.ipv6
    const ipv6 = areAlike ? ipv4 : this.#inFamily(was?.ipv6, is?.ipv6)
    if (ipv4 === null || ipv6 === null) return null
    const told = (types: ServiceEffect['types'], found: NonNullable<typeof ipv4>) =>
      found.map((each) => ({ service, types, ...each }))
    const isSame = areAlike || JSON.stringify(ipv4) === JSON.stringify(ipv6)
    return isSame ? told(['A', 'AAAA'], ipv4) : [...told(['A'], ipv4), ...told(['AAAA'], ipv6)]
  }

  #inFamily(was: PreviewedAnswers | undefined, is: PreviewedAnswers | undefined) {
    const maps = distinct([...(was?.maps ?? []), ...(is?.maps ?? [])])
    const groups = new MoveGroups(was, is, maps)
    // By one map alone all its areas can be tried, without asking who is in them.
    if (maps.length === 1 && !groups.moves(areasOf(maps[0]!))) return []
    const whereabouts = this.#whereabouts(maps)
    this.ranges += whereabouts.ranges
    const numbers = whereabouts.combinations.map((areas) => groups.numberOf(areas))
    // Each that moves is walked for, in one turn.
    if (groups.found.filter(isMove).length * whereabouts.ranges > mostRangesInTurn) return null
    return groups.found.flatMap((moves, number) => {
      const isMeant = (combination: number) => numbers[combination] === number
      if (!isMove(moves) || !whereabouts.isAnywhere(isMeant)) return []
      const clients = whereabouts.clients(isMeant)
      this.ranges += whereabouts.ranges
      return [{ ...(clients === null ? {} : { clients }), ...moves }]
    })
  }

  #whereabouts(maps: readonly PreviewedMap[]): Whereabouts {
    const isSame = (images: readonly SharedArrayBuffer[]) =>
      images.length === maps.length && images.every((image, index) => image === maps[index]!.image)
    const known = this.#kept.find(({ images }) => isSame(images))
    if (known !== undefined) return known.whereabouts
    const whereabouts = whereaboutsOf(maps)
    if (this.#kept.length === mostKept) this.#kept.shift()
    this.#kept.push({ images: maps.map(({ image }) => image), whereabouts })
    return whereabouts
  }
}

const mostKept = 4

const areasOf = ({ areas }: PreviewedMap) => Array.from({ length: areas }, (_, area) => [area])
const isMove = ({ pools, members }: Moves) => pools.length + members.length > 0

/** A map may be there on both sides. */
function distinct(maps: readonly PreviewedMap[]): PreviewedMap[] {
  const found = new Map<SharedArrayBuffer, PreviewedMap>()
  for (const map of maps) {
    const areas = Math.max(map.areas, found.get(map.image)?.areas ?? 0)
    found.set(map.image, { ...map, areas })
  }
  return [...found.values()]
}

/** What moves, each once, and for whom by number. */
class MoveGroups {
  readonly found: Moves[] = []
  readonly #numbers = new Map<string, number>()
  /** By what is answered before and after; the shares of areas that are answered alike are one object. */
  readonly #known = new Map<unknown, Map<unknown, number>>()
  readonly #was: (areas: readonly number[]) => readonly PreviewedShare[]
  readonly #is: (areas: readonly number[]) => readonly PreviewedShare[]

  /** @param maps whose areas are asked for, in this order */
  constructor(
    was: PreviewedAnswers | undefined,
    is: PreviewedAnswers | undefined,
    maps: readonly PreviewedMap[],
  ) {
    this.#was = sharesBy(was, maps)
    this.#is = sharesBy(is, maps)
  }

  /** Whether anything moves for clients of some of these areas. */
  moves(combinations: readonly (readonly number[])[]): boolean {
    return combinations.some((areas) => isMove(this.found[this.numberOf(areas)]!))
  }

  numberOf(areas: readonly number[]): number {
    const [was, is] = [this.#was(areas), this.#is(areas)]
    const known = this.#known.get(was)?.get(is)
    if (known !== undefined) return known
    const moves = movesBetween(was, is)
    const key = JSON.stringify(moves)
    const number = this.#numbers.get(key) ?? this.found.push(moves) - 1
    this.#numbers.set(key, number)
    this.#known.set(was, (this.#known.get(was) ?? new Map()).set(is, number))
    return number
  }
}

const nothing: readonly PreviewedShare[] = []

function sharesBy(answers: PreviewedAnswers | undefined, maps: readonly PreviewedMap[]) {
  if (answers === undefined) return () => nothing
  const places = answers.maps.map(({ image }) => maps.findIndex((map) => map.image === image))
  return (areas: readonly number[]) => answers.sharesIn(places.map((place) => areas[place]!))
}

function movesBetween(was: readonly PreviewedShare[], is: readonly PreviewedShare[]): Moves {
  const [before, after] = [byPool(was), byPool(is)]
  const pools = unionOf(before, after).flatMap((pool) => {
    const change = { pool, before: round(before.get(pool)), after: round(after.get(pool)) }
    return Math.abs(change.after - change.before) < leastMove ? [] : [change]
  })
  const members = memberMoves(was, is, before, after)
  return {
    pools,
    members: members.slice(0, mostMembers),
    moreMembers: Math.max(0, members.length - mostMembers),
  }
}

/** Of pools that are answered before and after: members whose part of their pool's answers is another one. */
function memberMoves(
  was: readonly PreviewedShare[],
  is: readonly PreviewedShare[],
  poolsBefore: ReadonlyMap<string, number>,
  poolsAfter: ReadonlyMap<string, number>,
): MemberShareChange[] {
  const [before, after] = [byMember(was), byMember(is)]
  const changes = unionOf(before, after).flatMap((key) => {
    const { pool, member } = (before.get(key) ?? after.get(key))!
    const [whole, wholeAfter] = [poolsBefore.get(pool) ?? 0, poolsAfter.get(pool) ?? 0]
    if (whole === 0 || wholeAfter === 0) return []
    const [own, ownAfter] = [before.get(key)?.share ?? 0, after.get(key)?.share ?? 0]
    if (Math.abs(ownAfter / wholeAfter - own / whole) < leastMove) return []
    return [{ pool, member, before: round(own), after: round(ownAfter) }]
  })
  const size = (change: MemberShareChange) => Math.abs(change.after - change.before)
  return changes.length <= mostMembers ? changes : changes.sort((a, b) => size(b) - size(a))
}

function unionOf(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort()
}

function byPool(shares: readonly PreviewedShare[]): Map<string, number> {
  const pools = new Map<string, number>()
  for (const { pool, share } of shares) pools.set(pool, (pools.get(pool) ?? 0) + share)
  return pools
}

const byMember = (shares: readonly PreviewedShare[]) =>
  new Map(shares.map((share) => [`${share.pool}/${share.member}`, share]))

const round = (share = 0) => Math.round(share * 10_000) / 10_000
