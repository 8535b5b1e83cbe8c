/** Which share of the answers to a service each member gets, for each kind of clients that are answered alike. */
import { type ClientNetworks, whereaboutsOf } from '../serve/client-networks.ts'
import type { PreviewedAnswers, PreviewedService, PreviewedShare } from '../serve/preview.ts'

export interface ServiceShares {
  readonly groups: readonly ShareGroup[]
  readonly moreGroups: number
}

export interface ShareGroup {
  readonly types: readonly ('A' | 'AAAA')[]
  /** Left out for all. */
  readonly clients?: ClientNetworks
  /** The largest first, as with members. */
  readonly pools: readonly { readonly pool: string; readonly share: number }[]
  readonly members: readonly PreviewedShare[]
  readonly moreMembers: number
}

/** Those that are told. */
const mostGroups = 50

/** @param mostMembers of each group */
export function sharesOfService({ ipv4, ipv6 }: PreviewedService, mostMembers: number): ServiceShares {
  const isSame = ipv4 === ipv6
  const groups = [
    ...groupsOf(ipv4, isSame ? ['A', 'AAAA'] : ['A'], mostMembers),
    ...(isSame ? [] : groupsOf(ipv6, ['AAAA'], mostMembers)),
  ]
  return { groups: groups.slice(0, mostGroups), moreGroups: Math.max(0, groups.length - mostGroups) }
}

function groupsOf(answers: PreviewedAnswers, types: ShareGroup['types'], mostMembers: number): ShareGroup[] {
  const whereabouts = whereaboutsOf(answers.maps)
  const numbers = new Map<string, number>()
  const found: (readonly PreviewedShare[])[] = []
  const known = new Map<readonly PreviewedShare[], number>()
  const ofCombination = whereabouts.combinations.map((areas) => {
    const shares = answers.sharesIn(areas)
    const before = known.get(shares)
    if (before !== undefined) return before
    const key = JSON.stringify(shares)
    const number = numbers.get(key) ?? found.push(shares) - 1
    numbers.set(key, number)
    known.set(shares, number)
    return number
  })
  return found.flatMap((shares, number) => {
    const isMeant = (combination: number) => ofCombination[combination] === number
    if (answers.maps.length > 0 && !whereabouts.isAnywhere(isMeant)) return []
    const clients = answers.maps.length === 0 ? null : whereabouts.clients(isMeant)
    const sorted = shares.toSorted((one, other) => other.share - one.share)
    return [
      {
        types,
        ...(clients === null ? {} : { clients }),
        pools: poolsOf(sorted),
        members: sorted
          .slice(0, mostMembers)
          .map(({ pool, member, share }) => ({ pool, member, share: rounded(share) })),
        moreMembers: Math.max(0, sorted.length - mostMembers),
      },
    ]
  })
}

/** Bound: the pools of a service. */
function poolsOf(shares: readonly PreviewedShare[]): ShareGroup['pools'] {
  const pools = new Map<string, number>()
  for (const { pool, share } of shares) pools.set(pool, (pools.get(pool) ?? 0) + share)
  return Array.from(pools, ([pool, share]) => ({ pool, share: rounded(share) })).sort(
    (one, other) => other.share - one.share,
  )
}

const rounded = (share: number) => Math.round(share * 10_000) / 10_000
