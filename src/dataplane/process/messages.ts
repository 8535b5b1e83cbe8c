/**
 * What passes between the process that answers DNS and the one that decides what is answered: a table of messages for each direction,
 * as frames (`frames.ts`). Everything that either knows of the other stands here.
 *
 * The one that decides begins with all that is served (`replace`), whatever the other had before, and goes on with changes; each is
 * acknowledged once every worker serves it. Both are of one version: the supervisor connects no others (`data-planes.ts`).
 */
import {
  type KindName,
  kindNames,
  type ServingUpdate,
  type SlotChanges,
  type Unreadable,
} from '../image/serving-set.ts'
import type { Transport } from '../listener/transports.ts'
import type { Sample } from '../sample-reader.ts'
import { type Frame, FrameError } from './frames.ts'

export type ToDataPlane =
  /** `update` is all that is served. */
  | { readonly kind: 'replace'; readonly update: ServingUpdate }
  | { readonly kind: 'publish'; readonly update: ServingUpdate }
  /** Asks for `counted`. */
  | { readonly kind: 'count' }
  /** Asks for `sampled`. */
  | { readonly kind: 'sample' }
  /** Asks for `queried`. @property most octets, as `Fleet.queries` has them */
  | { readonly kind: 'queries'; readonly most: number }
  /** What came of an upcall; null for nothing. */
  | { readonly kind: 'answer'; readonly id: number; readonly response: Uint8Array | null }
  /** Answer what has come, and end. */
  | { readonly kind: 'stop' }

/** What has changed of a worker's counters since it was last told. */
export interface CountedCells {
  readonly transport: Transport
  /** Among those of the transport. */
  readonly worker: number
  readonly cells: Uint32Array
  readonly values: Float64Array
}

/** Something happened in the process that answers. */
export type DataPlaneEvent =
  | { readonly what: 'restart'; readonly transport: Transport; readonly reason: string }
  | { readonly what: 'tap-restart'; readonly reason: string }
  | { readonly what: 'fallback'; readonly reason: string }
  | {
      readonly what: 'error'
      readonly transport: Transport
      readonly error: Error
      readonly code: string | null
      readonly count: number
    }
  | ({ readonly what: 'unreadable' } & Unreadable)

export type FromDataPlane =
  /** Every worker serves the generation. */
  | { readonly kind: 'serving'; readonly generation: number; readonly live: Live }
  | { readonly kind: 'counted'; readonly counted: readonly CountedCells[]; readonly live: Live }
  /** What the workers have kept of the questions of the last minutes. */
  | { readonly kind: 'sampled'; readonly samples: readonly Sample[] }
  /** What the workers have left for the query log: whoever gets it has it alone. */
  | { readonly kind: 'queried'; readonly frames: readonly Uint8Array[] }
  | { readonly kind: 'event'; readonly event: DataPlaneEvent; readonly live: Live }
  /** The workers could not listen; it ends. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'upcall'
      readonly id: number
      readonly request: Uint8Array
      readonly client: Uint8Array
    }

/** Workers that answer now. */
export type Live = Readonly<Record<Transport, number>>

/** An update whose images travel beside it. */
interface Packed {
  readonly update: ServingUpdate
  /** Where each image belongs, in their order. */
  readonly places: readonly (readonly [kind: KindName, slot: number])[]
}

/** A message as a frame. */
export function frameOf(message: ToDataPlane | FromDataPlane): Frame {
  if (message.kind !== 'publish' && message.kind !== 'replace') return { said: message, images: [] }
  const images: SharedArrayBuffer[] = []
  const places: [KindName, number][] = []
  const { generation } = message.update
  const rest: Partial<Record<KindName, SlotChanges<unknown>>> = {}
  for (const kind of kindNames) {
    const changes: SlotChanges<unknown> = message.update[kind] ?? []
    const others: (readonly [number, unknown])[] = []
    for (const [slot, data] of changes) {
      if (data instanceof SharedArrayBuffer) {
        places.push([kind, slot])
        images.push(data)
      } else others.push([slot, data])
    }
    if (others.length > 0) rest[kind] = others
  }
  const update = { ...(rest as object), generation }
  return { said: { kind: message.kind, packed: { update, places } satisfies Packed }, images }
}

/**
 * The message of a frame, as `frameOf` has made it. What the kinds hold is not looked at: both ends are of one version.
 *
 * @throws FrameError when it is no message
 */
export function messageOf({ said, images }: Frame): ToDataPlane | FromDataPlane {
  if (typeof said !== 'object' || said === null || !('kind' in said)) throw new FrameError('it says nothing')
  const message = said as (ToDataPlane | FromDataPlane) & { readonly packed?: Packed }
  if (message.packed === undefined) return message
  try {
    return { kind: message.kind, update: unpacked(message.packed, images) } as ToDataPlane
  } catch (error) {
    throw new FrameError('its update can not be read', { cause: error })
  }
}

function unpacked({ update, places }: Packed, images: readonly SharedArrayBuffer[]): ServingUpdate {
  const changes = kindNames.map((kind) => {
    const placed = places.flatMap(([of, slot], index) => (of === kind ? [[slot, images[index]]] : []))
    return [kind, [...(update[kind] ?? []), ...placed]]
  })
  return { ...Object.fromEntries(changes), generation: update.generation }
}
