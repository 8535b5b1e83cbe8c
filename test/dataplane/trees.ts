/** Trees of plan nodes for tests, from addresses and names. */

import type { LocationRanges } from '../../src/dataplane/image/location-map.ts'
import type { AnswerNode, HashNode, KeyPrefix, PlanNode } from '../../src/dataplane/image/plan-tree.ts'
import { stableKey } from '../../src/dataplane/image/stable-key.ts'
import { parseAddress } from '../../src/dataplane/wire/address.ts'
import { hostnameToWire } from '../../src/dataplane/wire/name.ts'

export const prefix: KeyPrefix = { ipv4: 24, ipv6: 56 }

export type Member = string | readonly [target: string, weight: number]

const targets = (members: readonly Member[], firstCounter: number) =>
  members.map((member, index) => {
    const [target, weight] = typeof member === 'string' ? ([member, 1] as const) : member
    return { target, weight, counter: firstCounter + index, key: stableKey(target) }
  })

/** Candidates count in the slots `firstCounter` and on, in the order in which they are given. */
export function leaf(
  members: readonly Member[],
  fields: Partial<AnswerNode> = {},
  firstCounter = 1,
): AnswerNode {
  return {
    kind: 'answer',
    gives: 'addresses',
    select: 'rotate',
    answers: 1,
    ttlSeconds: 30,
    candidates: targets(members, firstCounter).map(({ target, ...rest }) => ({
      ...rest,
      address: parseAddress(target)!,
    })),
    ...fields,
  }
}

/** One that makes the service an alias of one of `hosts`. */
export function alias(
  hosts: readonly Member[],
  fields: Partial<AnswerNode> = {},
  firstCounter = 1,
): AnswerNode {
  const cnames = targets(hosts, firstCounter).map(({ target, ...rest }) => ({
    ...rest,
    cname: hostnameToWire(target),
  }))
  return leaf([], { gives: 'cname', cnames, ...fields })
}

export function weighted(...children: readonly (readonly [weight: number, node: PlanNode])[]): PlanNode {
  return { kind: 'weighted', children: children.map(([weight, node]) => ({ weight, node })) }
}

/** Children with the keys of the names that are given. */
export function hashed(
  children: Readonly<Record<string, PlanNode>>,
  fields: Partial<HashNode<AnswerNode>> = {},
): HashNode<AnswerNode> {
  const entries = Object.entries(children)
  return {
    kind: 'hash',
    prefix,
    children: entries.map(([name, node]) => ({ weight: 1, key: stableKey(name), node })),
    ...fields,
  }
}

export function located(mapSlot: number, ...areas: readonly PlanNode[]): PlanNode {
  return { kind: 'located', mapSlot, areas }
}

/** Ranges of a map, by the addresses at which they begin. */
export function ranges(
  ipv4: Readonly<Record<string, number>>,
  ipv6: Readonly<Record<string, number>> = { '::': 0 },
): LocationRanges {
  const number = (text: string, octets: number) =>
    parseAddress(text)!
      .subarray(0, octets)
      .reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)
  return {
    ipv4: {
      starts: Uint32Array.from(Object.keys(ipv4), (text) => Number(number(text, 4))),
      areas: Uint16Array.from(Object.values(ipv4)),
    },
    ipv6: {
      starts: BigUint64Array.from(Object.keys(ipv6), (text) => number(text, 8)),
      areas: Uint16Array.from(Object.values(ipv6)),
    },
  }
}
