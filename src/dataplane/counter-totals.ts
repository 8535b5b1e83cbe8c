/** What workers have counted, by names. Apart from the counting, so that a worker need not load the names of all types. */
import {
  countersAt as at,
  type ConnectionEvent,
  connectionEvents,
  countedTypes,
  type DropReason,
  dropReasons,
  durationBounds,
  type LimitAction,
  limitActions,
  networkAt,
  networkCells,
  networkMarks,
  networkSlots,
  tapOutcomes,
  typeSlots,
} from './counters.ts'
import { formatIpv4, formatIpv6 } from './wire/address.ts'
import { rcodeName, rcodes } from './wire/constants.ts'
import { queriedTypeName } from './wire/rdata.ts'

type TapCount = { readonly outcome: (typeof tapOutcomes)[number]; readonly count: number }

/** Sums over the buffers of the workers of one transport. */
export interface CounterTotals {
  readonly queries: readonly {
    readonly family: 'ipv4' | 'ipv6'
    readonly qtype: string
    readonly count: number
  }[]
  readonly responses: readonly { readonly rcode: string; readonly count: number }[]
  readonly dropped: readonly { readonly reason: DropReason; readonly count: number }[]
  readonly limited: readonly { readonly action: LimitAction; readonly count: number }[]
  readonly tapped: readonly TapCount[]
  /** What became of queries that the query log is told of. */
  readonly queryLog: readonly TapCount[]
  readonly connections: readonly { readonly event: ConnectionEvent; readonly count: number }[]
  /** Not cumulative; one more entry than `durationBounds`. */
  readonly durations: readonly number[]
  readonly durationSumSeconds: number
}

export function readCounters(buffers: readonly SharedArrayBuffer[]): CounterTotals {
  const cells = buffers.map((buffer) => new Float64Array(buffer))
  const total = (index: number) => cells.reduce((sum, array) => sum + array[index]!, 0)
  const typeLabels = [...countedTypes.map(queriedTypeName), 'other']
  return {
    queries: (['ipv4', 'ipv6'] as const).flatMap((family, block) =>
      typeLabels.map((qtype, slot) => ({
        family,
        qtype,
        count: total(at.queries + block * typeSlots + slot),
      })),
    ),
    responses: Object.values(rcodes).map((rcode) => ({
      rcode: rcodeName(rcode),
      count: total(at.responses + rcode),
    })),
    dropped: dropReasons.map((reason, slot) => ({ reason, count: total(at.dropped + slot) })),
    limited: limitActions.map((action, slot) => ({ action, count: total(at.limited + slot) })),
    tapped: tapOutcomes.map((outcome, slot) => ({ outcome, count: total(at.tap + slot) })),
    queryLog: tapOutcomes.map((outcome, slot) => ({ outcome, count: total(at.queryLog + slot) })),
    connections: connectionEvents.map((event, slot) => ({ event, count: total(at.connections + slot) })),
    durations: Array.from({ length: durationBounds.length + 1 }, (_, bucket) => total(at.durations + bucket)),
    durationSumSeconds: total(at.durationSum),
  }
}

/** How many responses to a network were above the limit, since it has its slot. */
export interface LimitedNetwork {
  /** Such as `192.0.2.0/24`. */
  readonly network: string
  readonly count: number
}

/** By slot; null for one that has had none. */
export function readLimitedNetworks(buffer: SharedArrayBuffer): (LimitedNetwork | null)[] {
  const cells = new Float64Array(buffer)
  return Array.from({ length: networkSlots }, (_, slot) => {
    const at = networkAt(slot)
    const count = cells[at + networkCells.count]!
    if (count === 0) return null
    return { network: networkText(cells[at + networkCells.high]!, cells[at + networkCells.low]!), count }
  })
}

function networkText(high: number, low: number): string {
  const isIpv6 = (low & networkMarks.ipv6) !== 0
  const octets = new Uint8Array(isIpv6 ? 16 : 4)
  const view = new DataView(octets.buffer)
  view.setInt32(0, high)
  if (!isIpv6) return `${formatIpv4(octets)}/24`
  view.setInt32(4, low & ~0xff)
  return `${formatIpv6(octets)}/56`
}
