/**
 * How much of what a pool comes to is answered, and how much of that fits one response. A message has 65,535 octets, whatever
 * carries it, so of more addresses than fit each answer has a part, in turn. Nothing else shows that, so whoever asks how a service
 * stands is told.
 */
import { maxCandidates } from '../../dataplane/image/plan.ts'
import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import { headerLength, rrHeadLength } from '../../dataplane/wire/constants.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { type Asked, type Family, families, familyNames, ofFamily } from '../model/family.ts'
import { expand } from './plan.ts'
import { distinct, type PoolAnswer, type Selections } from './selection.ts'

const maxMessageOctets = 65_535
/** Type and class, behind the name. */
const questionTailOctets = 4
const addressOctets: Readonly<Record<Family, number>> = { ipv4: 4, ipv6: 16 }

/** The most addresses in an answer for a service that is asked by its own name; options and aliases before it take of that. */
function roomFor(service: string, family: Family): number {
  const question = hostnameToWire(service).length + questionTailOctets
  return Math.floor((maxMessageOctets - headerLength - question) / (rrHeadLength + addressOctets[family]))
}

interface Excess {
  readonly family: Family
  readonly addresses: number
  readonly room: number
}

function excesses({ pool, members }: PoolAnswer, service: string, asked: Asked): Excess[] {
  // A CNAME is one; `weighted` and `hash` answer with one where they are not told to answer with more.
  if (pool === null || pool.hosts === 'cname') return []
  const most = pool.answers ?? (pool.select === 'all' || pool.select === 'failover' ? Infinity : 1)
  const all = [...new Set(members.flatMap(({ addresses }) => addresses))]
  return families.flatMap((family) => {
    const addresses = asked === 'any' || asked === family ? ofFamily(all, family).length : 0
    const room = roomFor(service, family)
    return Math.min(addresses, most) > room ? [{ family, addresses, room }] : []
  })
}

/** Whether an answer has but a part of what it should, and the next one another. */
export function isBeyondRoom(answer: PoolAnswer, service: string, asked: Asked): boolean {
  return excesses(answer, service, asked).length > 0
}

/** Addresses that hosts have, and those that the pool can choose among; null where that is all. */
function cut({ pool, members }: PoolAnswer): { readonly known: number; readonly taken: number } | null {
  if (pool === null || pool.hosts === 'cname') return null
  if (members.reduce((sum, { addresses }) => sum + addresses.length, 0) <= maxCandidates) return null
  const known = new Set(members.flatMap(({ addresses }) => addresses)).size
  const taken = expand(pool, members).length
  return taken < known ? { known, taken } : null
}

/** The pools of which some addresses are never answered, each with how many; nothing where there is none. */
export function tellCuts(selections: Selections): string {
  const leaves = new Set(distinct(selections).flatMap(({ tree }) => leavesOf(tree)))
  return Array.from(leaves)
    .flatMap((leaf) => {
      const found = cut(leaf)
      return found === null ? [] : [`pool ${leaf.pool!.name}: ${cutText(found)}`]
    })
    .join('; ')
}

const cutText = ({ known, taken }: NonNullable<ReturnType<typeof cut>>) =>
  `${taken} of the ${known} addresses of its hosts are answered, for a pool can choose among ${maxCandidates}`

/** What an operator is told of that, to be put behind other words; nothing where all fits. */
export function tellRoom(answer: PoolAnswer, service: string, asked: Asked): string {
  const parts = excesses(answer, service, asked).map(({ family, addresses, room }) => {
    return `, of ${addresses} ${familyNames[family]} addresses at most ${room} in one answer, in turn, for no message holds more`
  })
  const found = cut(answer)
  // What is left of them is the smaller number.
  return found === null ? parts.join('') : `, ${cutText(found)}`
}
