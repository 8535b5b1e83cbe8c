/**
 * How much of what a pool answers fits one response. A message has 65,535 octets, whatever carries it, so of more addresses than
 * fit each answer has a part, in turn. Nothing else shows that, so whoever asks how a service stands is told.
 */
import { headerLength, rrHeadLength } from '../../dataplane/wire/constants.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { type Asked, type Family, families, familyNames, ofFamily } from '../model/family.ts'
import type { PoolAnswer } from './selection.ts'

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

/** What an operator is told of that, to be put behind other words; nothing where all fits. */
export function tellRoom(answer: PoolAnswer, service: string, asked: Asked): string {
  const parts = excesses(answer, service, asked).map(({ family, addresses, room }) => {
    return `, of ${addresses} ${familyNames[family]} addresses at most ${room} in one answer, in turn, for no message holds more`
  })
  return parts.join('')
}
