/**
 * The seam between the data plane and the rest, drawn as if it were a wire: images go in, counts and what happened come
 * out, and nothing on either side calls into the other. `Fleet` is one end of it; a process of its own can be another.
 */
import { ownFaultCode } from '../controlplane/model/own-fault.ts'
import { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { ImagePump } from '../controlplane/serve/image-pump.ts'
import { OwnZones } from '../dataplane/answer/own-zones.ts'
import { AnswerReader } from '../dataplane/counters.ts'
import { readableOf, type ServingUpdate } from '../dataplane/image/serving-set.ts'
import { ServingState } from '../dataplane/image/state.ts'
import type { ChosenBackend } from '../dataplane/listener/backend.ts'
import { Fleet } from '../dataplane/listener/fleet.ts'
import type { ListenAddress } from '../dataplane/listener/listener.ts'
import { type Transport, transportNames } from '../dataplane/listener/transports.ts'
import type { Ground } from './announce.ts'

export interface DataPlane extends AsyncDisposable {
  /** Binds the addresses and answers by what has been published. Rejects when one can't be bound. */
  start(): Promise<void>
  /** Resolves when every worker serves the update; calls must not overlap. */
  publish(update: ServingUpdate): Promise<void>
  /** Empty until it has started. */
  readonly bound: readonly ListenAddress[]
  readonly backend: ChosenBackend
  /** Workers of a transport that answer now. */
  live(transport: Transport): number
  /** What the workers of a transport count, in shared memory. */
  counters(transport: Transport): readonly SharedArrayBuffer[]
}

/** Made, not started. */
export function makeDataPlane({ config, log, announce, descriptors, faults }: Ground): DataPlane {
  return new Fleet({
    listen: config.dnsListen,
    udpWorkers: config.workers,
    connections: descriptors.dnsConnections,
    udpBackend: config.udpBackend,
    onError: (transport, error, count) => {
      if (ownFaultCode(error) === null) faults.internal(`dns ${transport}`, error, count)
      else faults.own('accept-dns', error.message)
    },
    onUnreadable: ({ kind, error }) => faults.internal(`image ${kind}`, error),
    onRestart: (transport, reason) => {
      if (ownFaultCode(new Error(reason)) !== null) faults.own('thread', reason)
      announce({ kind: 'worker-restarted', transport, reason })
    },
    onFallback: (reason) => log.error({ reason }, 'batched UDP failed; listening with node:dgram instead'),
    onSkipped: (address) => log.warn({ address }, 'address left out: the host has no such family'),
  })
}

export type Serving = ReturnType<typeof serveBy>

/** What is served, on this side of the seam. */
export function serveBy(dataPlane: DataPlane) {
  const state = new ServingState()
  const reader = () => new AnswerReader(transportNames.flatMap((transport) => dataPlane.counters(transport)))
  return {
    /** Hands images over. */
    pump: new ImagePump(async (update) => {
      // The workers' side tells of what can't be read.
      state.apply(readableOf(update, () => {}))
      await dataPlane.publish(update)
    }),
    /** Answers in this thread by what the workers serve. */
    ownZones: new OwnZones(state),
    /** Which member is counted where. */
    counters: new AnswerCounters(reader),
  }
}
