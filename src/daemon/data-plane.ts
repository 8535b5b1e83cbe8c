/**
 * The seam between the data plane and the rest, drawn as if it were a wire: images go in, counts and what happened come
 * out, and nothing on either side calls into the other. Behind it is a process of its own (`remote-data-plane.ts`) or, where there can
 * be none, threads of this one (`Fleet`).
 */
import { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { ImagePump } from '../controlplane/serve/image-pump.ts'
import { OwnZones } from '../dataplane/answer/own-zones.ts'
import { AnswerReader } from '../dataplane/counters.ts'
import { readableOf, type ServingUpdate, type Unreadable } from '../dataplane/image/serving-set.ts'
import { ServingState } from '../dataplane/image/state.ts'
import type { ChosenBackend } from '../dataplane/listener/backend.ts'
import type { ListenAddress } from '../dataplane/listener/listener.ts'
import { type Transport, transportNames } from '../dataplane/listener/transports.ts'
import type { WorkerEvents } from '../dataplane/listener/worker-thread.ts'
import type { Sample } from '../dataplane/sample-reader.ts'
import { type ChangeTraces, momentMs } from '../telemetry/tracing.ts'
import type { ServedImages } from './image-store/served-images.ts'

export interface DataPlane extends AsyncDisposable {
  /** Binds the addresses and answers by what has been published. Rejects when one can't be bound. */
  start(): Promise<void>
  /** Not there where the workers are threads of this process, which read what it has. */
  readonly shared?: ServedImages
  /** Resolves when every worker serves the update, whose images have been placed; calls must not overlap. */
  publish(update: ServingUpdate): Promise<void>
  /** Empty until it has started. */
  readonly bound: readonly ListenAddress[]
  readonly backend: ChosenBackend
  /** Workers of a transport that answer now. */
  live(transport: Transport): number
  /** What the workers of a transport have counted, as far as it is known here (`refresh`). */
  counters(transport: Transport): readonly SharedArrayBuffer[]
  /** What is kept of the questions of the last minutes, by process; of one that does not answer, nothing. */
  sample(): Promise<readonly Sample[]>
  /** Takes what is left for the query log, by worker, as `Fleet.queries` has it; `most` octets from each process. One call at a time. */
  queries(most: number): Promise<readonly Uint8Array[]>
  /** Resolves when the counters are those of now, or whoever counts has not said so for a while. */
  refresh(): Promise<void>
}

/** What is told of a data plane. */
export type DataPlaneEvents = Required<Omit<WorkerEvents, 'onUpcall' | 'onGave'>> &
  Pick<WorkerEvents, 'onUpcall'> & { readonly onUnreadable: (what: Unreadable) => void }

export type Serving = ReturnType<typeof serveBy>

/**
 * What is served, on this side of the seam.
 *
 * @param named whether the workers are told what members they answer with are called
 * @param traces told of what the workers have been handed; nobody is with null
 */
export function serveBy(dataPlane: DataPlane, named: boolean, traces: ChangeTraces | null) {
  const { shared } = dataPlane
  const state = new ServingState(undefined, shared?.memory)
  const reader = () => new AnswerReader(transportNames.flatMap((transport) => dataPlane.counters(transport)))
  // Hands images over.
  const pump = new ImagePump(async (update) => {
    const placed = shared === undefined ? update : await shared.place(update)
    // The workers' side tells of what can't be read.
    state.apply(shared === undefined ? readableOf(update, () => {}) : shared.own(placed))
    const beganMs = momentMs()
    await dataPlane.publish(placed)
    traces?.handedOver(beganMs, momentMs())
  })
  return {
    /** Where images are that processes share. */
    shared,
    pump,
    /** What the workers serve, in this thread. */
    state,
    /** Answers in this thread by what the workers serve. */
    ownZones: new OwnZones(state),
    /** Which member is counted where. */
    counters: new AnswerCounters(reader, (slot, { service, pool, member }) => {
      if (!named) return
      const label = Buffer.from(`service=${service} pool=${pool} member=${member}`)
      // What comes of the plan that is counted so comes of this.
      pump.push({ labels: [[slot, new Uint8Array(label)]] }).catch(() => undefined)
    }),
  }
}
