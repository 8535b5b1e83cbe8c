/** What differs between the transports. A new one is a row here, and its listener. */
import type { ResponderOptions } from '../answer/responder.ts'
import type { StartListener } from './listener.ts'
import { startTcp } from './tcp.ts'
import { startUdp } from './udp-dgram.ts'

interface TransportTraits extends Pick<ResponderOptions, 'stream'> {
  /** Whether it can be answered in batches of system calls where those are to be had (`udp-batch.ts`). */
  readonly batches: boolean
  /** Starts the listener that lives in the event loop. */
  readonly start: StartListener
}

/** The transports by the names that counters and logs have for them. */
export const transports = {
  udp: { stream: false, batches: true, start: startUdp },
  tcp: { stream: true, batches: false, start: startTcp },
} as const satisfies Readonly<Record<string, TransportTraits>>

export type Transport = keyof typeof transports
export const transportNames = Object.keys(transports) as readonly Transport[]
