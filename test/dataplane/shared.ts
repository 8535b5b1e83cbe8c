/** Memory that is shared, for tests: made, written to by those who write to it, and closed with the test. */
import { closeSync, fstatSync } from 'node:fs'
import type { Test } from 'tap'
import { ImageStore } from '../../src/daemon/image-store/image-store.ts'
import { JournalWriter } from '../../src/daemon/image-store/journal-writer.ts'
import { ServedImages } from '../../src/daemon/image-store/served-images.ts'
import { type ImageMemory, memoryAt, type PlacedImage } from '../../src/dataplane/image/image-memory.ts'
import type { ServingUpdate } from '../../src/dataplane/image/serving-set.ts'
import { createMemory, mapMemory } from '../../src/dataplane/listener/shared-memory.ts'
import { loadSyscalls } from '../../src/dataplane/listener/syscalls.ts'
import { zoneImage } from './zone-text.ts'

export const syscalls = loadSyscalls()

export interface Shared {
  readonly fd: number
  readonly memory: ImageMemory
  readonly store: ImageStore
  readonly served: ServedImages
}

export function share(t: Test): Shared {
  const fd = createMemory(syscalls)
  t.teardown(() => closeSync(fd))
  const store = new ImageStore(fd, syscalls)
  const served = new ServedImages(store)
  served.journal()
  return { fd, memory: memoryAt(mapMemory(syscalls, fd)), store, served }
}

/** Publishes as who decides does. @returns what is told */
export async function publish({ served }: Shared, update: ServingUpdate): Promise<ServingUpdate> {
  const placed = await served.place(update)
  served.add(placed)
  return placed
}

/** A journal that says this alone. */
export function writeJournal({ store }: Shared, update: ServingUpdate): void {
  new JournalWriter(store).write(update, () => update)
}

/** A zone whose image is large enough to be shared. */
export function largeZone(address: string, apex = 'large.test') {
  return { apex, lines: Array.from({ length: 200 }, (_, index) => `host-${index} 60 A ${address}`) }
}

export async function placeZone({ store }: Shared, address: string): Promise<PlacedImage> {
  return (await store.place(zoneImage(largeZone(address))))!
}

/** Octets of memory that it takes. */
export const takenOctets = ({ fd }: Shared) => 512 * fstatSync(fd).blocks
