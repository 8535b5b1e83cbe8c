/** Listeners in this thread, for tests: a serving state of one small zone, its responder and its counters. */
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { type CounterTotals, readCounters } from '../../../src/dataplane/counter-totals.ts'
import { allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import type { ListenerParts } from '../../../src/dataplane/listener/listener.ts'
import { defaultStreamLimits } from '../../../src/dataplane/listener/stream-limits.ts'
import { patienceMs } from '../../support/patience.ts'
import { servingUpdate } from '../zone-text.ts'

export const zone = {
  apex: 'example.test',
  lines: [
    'www 300 A 192.0.2.1',
    'www 300 AAAA 2001:db8::1',
    // About 50,000 octets in all.
    ...Array.from({ length: 180 }, (_, i) => `big 300 TXT ${String(i).padStart(250, 'x')}`),
  ],
}

/** A message that comes in parts is never too late, however long this process stands still between them; tests of that have times of their own. */
const limits = { ...defaultStreamLimits, messageTimeoutMs: patienceMs }

export interface Answering extends ListenerParts {
  totals(): CounterTotals
  /** Responses of any rcode so far. */
  responses(): number
  drops(): Record<string, number>
}

export function answering(stream: boolean): Answering {
  const buffer = allocateCounters()
  const counters = new Counters(buffer)
  const state = new ServingState()
  state.apply(servingUpdate([zone]))
  const totals = () => readCounters([buffer])
  return {
    responder: new Responder(state, counters, { stream }),
    counters,
    limits,
    totals,
    responses: () => totals().responses.reduce((sum, { count }) => sum + count, 0),
    drops: () =>
      Object.fromEntries(
        totals().dropped.flatMap(({ reason, count }) => (count === 0 ? [] : [[reason, count]])),
      ),
  }
}
