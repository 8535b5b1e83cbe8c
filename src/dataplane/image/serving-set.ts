/**
 * What is served, as data: images and settings by kind and slot. Slots are given out by the publisher and stay with a zone, a
 * service or a map as long as it exists, so that an image can name another by number. A kind of which there is but one has it in
 * slot 0.
 *
 * Changes go from the publisher to the workers as plain messages that can be cloned. Only here is it said which kinds there are; who
 * merges changes (the pump), keeps them for workers that start later (the fleet) or serves by them (`ServingState`)
 * treats all kinds alike.
 */
import type { AnswerSettings } from './answer-settings.ts'
import { Directory } from './directory.ts'
import { ZoneImage } from './image.ts'
import { type Image, ImageMemory, isPlaced } from './image-memory.ts'
import { LocationMap } from './location-map.ts'
import { PlanImage } from './plan.ts'

interface Kind<Data, Opened> {
  /** Makes of what was published what a worker answers by. Throws when this version can't read it. */
  readonly open: (data: Data, memory: ImageMemory) => Opened
  /** Octets that are worth reclaiming (`reclaim.ts`) when it is served no more. */
  readonly octets: (opened: Opened) => number
}

const small = () => 0

/** What stands between two labels: `; `. */
export const labelSeparator = [0x3b, 0x20] as const

/** The kinds of what is served. A new one is a line here. */
const kinds = {
  zones: {
    open: (image: Image, memory: ImageMemory) => new ZoneImage(memory.bytes(image)),
    // What is not of this process is not the collector's.
    octets: ({ bytes }: ZoneImage) => (bytes.buffer instanceof SharedArrayBuffer ? bytes.length : 0),
  },
  plans: { open: (image: Image, memory: ImageMemory) => new PlanImage(memory.bytes(image)), octets: small },
  maps: {
    open: (image: Image, memory: ImageMemory) => new LocationMap(memory.bytes(image)),
    octets: (map: LocationMap) => map.length,
  },
  directory: {
    open: (image: Image, memory: ImageMemory) => new Directory(memory.bytes(image)),
    octets: small,
  },
  settings: { open: (settings: AnswerSettings) => settings, octets: small },
  /** What the members are called that are counted in a slot (`counters.ts`), as dnstap tells it; only where it is told. */
  labels: {
    open: (text: Uint8Array): Label => {
      const octets = Uint8Array.of(...labelSeparator, ...text)
      return { view: new DataView(octets.buffer), length: octets.length }
    },
    octets: small,
  },
}

/** A text to be copied, with what stands between two in front of it: several are then as many copies. */
export interface Label {
  readonly view: DataView
  readonly length: number
}

export type KindName = keyof typeof kinds
type DataOf<K extends KindName> = Parameters<(typeof kinds)[K]['open']>[0]
type OpenedOf<K extends KindName> = ReturnType<(typeof kinds)[K]['open']>
export type Kinds = { readonly [K in KindName]: Kind<DataOf<K>, OpenedOf<K>> }

export const servingKinds: Kinds = kinds
export const kindNames = Object.keys(kinds) as readonly KindName[]

/** Slots and what they hold from now on; null empties a slot. */
export type SlotChanges<Data> = readonly (readonly [slot: number, data: Data | null])[]

/** A kind that is left out stays as it is. */
export type ServingChanges = { readonly [K in KindName]?: SlotChanges<DataOf<K>> }

/** What changes from one generation to the next. */
export type ServingUpdate = ServingChanges & { readonly generation: number }

/** What a worker answers by, by slot. */
export type Opened = { readonly [K in KindName]: (OpenedOf<K> | undefined)[] }

/** The one thing of its kind. */
export function only<Data>(data: Data): SlotChanges<Data> {
  return [[0, data]]
}

/** All that changes, one slot after the other. */
export function entriesOf(changes: ServingChanges): { kind: KindName; slot: number; data: unknown }[] {
  return kindNames.flatMap((kind) => {
    const slots: SlotChanges<unknown> = changes[kind] ?? []
    return slots.map(([slot, data]) => ({ kind, slot, data }))
  })
}

/**
 * Changes with others in the place of some images.
 *
 * @param other says which; the same for one that stays
 * @param onUnreadable told of a slot for which `other` throws, and which is left out; by default that is thrown
 */
export function withImages(
  changes: ServingChanges,
  other: (image: Image) => Image,
  onUnreadable: (what: Unreadable) => void = ({ error }) => {
    throw error
  },
): ServingChanges {
  const otherOf = (kind: KindName, slot: number, data: unknown) => {
    try {
      return [[slot, isImage(data) ? other(data) : data]]
    } catch (error) {
      onUnreadable({ kind, slot, error })
      return []
    }
  }
  return Object.fromEntries(
    kindNames.map((kind) => {
      const slots: SlotChanges<unknown> = changes[kind] ?? []
      return [kind, slots.flatMap(([slot, data]) => otherOf(kind, slot, data))]
    }),
  )
}

function isImage(data: unknown): data is Image {
  return data instanceof SharedArrayBuffer || isPlaced(data)
}

export function isEmpty(changes: ServingChanges): boolean {
  return kindNames.every((kind) => (changes[kind] ?? []).length === 0)
}

/** What was published and can't be read. */
export interface Unreadable {
  readonly kind: KindName
  readonly slot: number
  readonly error: unknown
}

/**
 * An update without what can't be opened, so that each slot keeps the last that could. A worker that met it would end, and so would
 * each that came after it.
 *
 * @param onUnreadable told of what was left out
 * @param memory in which images lie
 */
export function readableOf(
  update: ServingUpdate,
  onUnreadable: (what: Unreadable) => void,
  memory = ImageMemory.none,
): ServingUpdate {
  const readable: Partial<Record<KindName, SlotChanges<unknown>>> = {}
  for (const kind of kindNames) {
    // The compiler can't follow that the data of a kind goes to the opener of that kind.
    const open = servingKinds[kind].open as (data: unknown, memory: ImageMemory) => unknown
    const changes: SlotChanges<unknown> | undefined = update[kind]
    if (changes === undefined) continue
    readable[kind] = changes.filter(([slot, data]) => {
      try {
        if (data !== null) open(data, memory)
        return true
      } catch (error) {
        onUnreadable({ kind, slot, error })
        return false
      }
    })
  }
  return { ...(readable as ServingChanges), generation: update.generation }
}

/**
 * Changes upon changes, the last one of a slot counting. It remembers of emptied slots that they are empty: the publisher uses slots
 * again, so there are never more than were held at once.
 */
export class ServingSet {
  readonly #slots = new Map<KindName, Map<number, unknown>>()

  add(changes: ServingChanges): void {
    for (const kind of kindNames) {
      const slots = this.#slots.get(kind) ?? new Map<number, unknown>()
      for (const [slot, data] of changes[kind] ?? []) slots.set(slot, data)
      if (slots.size > 0) this.#slots.set(kind, slots)
    }
  }

  get(kind: KindName, slot: number): unknown {
    return this.#slots.get(kind)?.get(slot)
  }

  /** All of it as one change. */
  changes(): ServingChanges {
    return Object.fromEntries(Array.from(this.#slots, ([kind, slots]) => [kind, [...slots]]))
  }

  /** What makes this set the other one: that, and slots to empty. */
  replacedBy(whole: ServingChanges): ServingChanges {
    const changes: Partial<Record<KindName, SlotChanges<unknown>>> = {}
    for (const kind of kindNames) {
      const stays: SlotChanges<unknown> = whole[kind] ?? []
      const named = new Set(stays.map(([slot]) => slot))
      const gone = [...(this.#slots.get(kind) ?? [])].filter(
        ([slot, data]) => data !== null && !named.has(slot),
      )
      changes[kind] = [...stays, ...gone.map(([slot]) => [slot, null] as const)]
    }
    return changes as ServingChanges
  }

  clear(): void {
    this.#slots.clear()
  }
}
