/** What a question is answered by one configuration, as a replay compares it with another one. */
import type { MemberKey } from '../../model/member-key.ts'

/** One of the answers that a question may get. */
export interface ExpectedAnswer {
  /** Of all answers to the question; 1 together. */
  readonly share: number
  readonly outcome: Outcome
  /** The services that were met, in the order of the chain. */
  readonly services: readonly ExpectedService[]
  /** Stands for the RRs that no service has chosen: the same text for the same data. */
  readonly data: string
}

export interface ExpectedService {
  readonly service: string
  /** Shares of being the first of the answer; none when the service answers with nobody. */
  readonly members: readonly (MemberKey & { readonly share: number })[]
}

/** How outcomes are told: by rcode, but that NOERROR without data is `NODATA`, and a referral `REFERRAL`. */
export const outcomeWords = {
  answer: 'NOERROR',
  nodata: 'NODATA',
  nxdomain: 'NXDOMAIN',
  referral: 'REFERRAL',
  yxdomain: 'YXDOMAIN',
  servfail: 'SERVFAIL',
  refused: 'REFUSED',
} as const
export type Outcome = keyof typeof outcomeWords

/** Shares by what they are of. */
export type Shares = ReadonlyMap<string, number>

/** What moves from one to another. */
export interface Move {
  readonly from: string
  readonly to: string
  readonly share: number
}

/** The pool of whom no pool answers. No pool is called so. */
export const nobody = ''

export function rcodesOf(answers: readonly ExpectedAnswer[]): Shares {
  return sharesBy(answers, ({ outcome }) => rcodeOf(outcome))
}

/** That has the rcode alone in common with NOERROR. */
function rcodeOf(outcome: Outcome): string {
  return outcome === 'nodata' || outcome === 'referral' ? outcomeWords.answer : outcomeWords[outcome]
}

export function outcomesOf(answers: readonly ExpectedAnswer[]): Shares {
  return sharesBy(answers, ({ outcome }) => outcomeWords[outcome])
}

/** By outcome and data. */
export function dataOf(answers: readonly ExpectedAnswer[]): Shares {
  return sharesBy(answers, ({ outcome, data }) => `${outcome} ${data}`)
}

/** Who answers for a service, in shares of the answers to a question. */
interface Answering {
  readonly pools: Map<string, number>
  /** Keys are those of pool and member. */
  readonly members: Map<string, number>
  /** Of the answers that do not meet the service. */
  readonly unmet: number
}

/**
 * Who answers for a service before and after, in shares of those of its answers that meet it at either time.
 *
 * @returns with which part of the answers these are
 */
export function answeringOf(
  before: readonly ExpectedAnswer[],
  after: readonly ExpectedAnswer[],
  service: string,
): { part: number; before: Omit<Answering, 'unmet'>; after: Omit<Answering, 'unmet'> } {
  const [was, is] = [whoAnswers(before, service), whoAnswers(after, service)]
  const part = 1 - Math.min(was.unmet, is.unmet)
  const among = ({ pools, members, unmet }: Answering) => {
    const share = (all: Map<string, number>) => {
      if (unmet > 1 - part) add(all, nobody, unmet - (1 - part))
      return new Map(Array.from(all, ([key, each]) => [key, each / part]))
    }
    return { pools: share(pools), members: share(members) }
  }
  return { part, before: among(was), after: among(is) }
}

function whoAnswers(answers: readonly ExpectedAnswer[], service: string): Answering {
  const pools = new Map<string, number>()
  const members = new Map<string, number>()
  let unmet = 0
  for (const { share, services } of answers) {
    const met = services.find((each) => each.service === service)
    if (met === undefined) unmet += share
    else if (met.members.length === 0) {
      add(pools, nobody, share)
      add(members, nobody, share)
    }
    for (const { pool, member, share: own } of met?.members ?? []) {
      add(pools, pool, share * own)
      add(members, `${pool}/${member}`, share * own)
    }
  }
  return { pools, members, unmet }
}

/** Which part of all is elsewhere afterwards. */
export function moved(before: Shares, after: Shares): number {
  let sum = 0
  for (const [key, share] of before) sum += Math.max(0, share - (after.get(key) ?? 0))
  return sum
}

/** Who loses gives to those who gain, to each in proportion: nobody moves who need not. */
export function movesOf(before: Shares, after: Shares): Move[] {
  const changes = [...new Set([...before.keys(), ...after.keys()])].map((key) => {
    return { key, change: (after.get(key) ?? 0) - (before.get(key) ?? 0) }
  })
  const gaining = changes.filter(({ change }) => change > 0)
  const gained = gaining.reduce((sum, { change }) => sum + change, 0)
  return changes.flatMap(({ key: from, change: lost }) =>
    lost >= 0 ? [] : gaining.map(({ key: to, change }) => ({ from, to, share: (-lost * change) / gained })),
  )
}

function sharesBy(answers: readonly ExpectedAnswer[], keyOf: (answer: ExpectedAnswer) => string): Shares {
  const shares = new Map<string, number>()
  for (const answer of answers) add(shares, keyOf(answer), answer.share)
  return shares
}

export function add(sums: Map<string, number>, key: string, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount)
}
