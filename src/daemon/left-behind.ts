/**
 * What a control plane leaves behind for the next one of this server, which may find no database: the settings of the revision that
 * clients are answered by, and which image in the journal is of which zone. With that the next one knows the very revision that is
 * served, however old the snapshot is, and whatever the disk does: it probes, shows and drains as its predecessor did.
 *
 * It is written behind what is served, some milliseconds after a change, and takes a tenth of the time at most. While zones are being
 * compiled, settings and images are of different revisions, and what was left before stays; the mark beside it (`served-mark.ts`) then
 * says that this is not what is served.
 */
import type { CatalogZone, Mark } from '../controlplane/catalog/catalog.ts'
import type { StoredZone } from '../controlplane/compile/image-files.ts'
import type { ServiceSlot } from '../controlplane/compile/zone-parts.ts'
import type { Publisher } from '../controlplane/serve/publisher.ts'
import { prepareTexts } from '../controlplane/snapshot/part-texts.ts'
import {
  baseOf,
  formatBase,
  type Observed,
  parseBase,
  type Snapshot,
} from '../controlplane/snapshot/snapshot.ts'
import { PollLoop } from '../controlplane/timing/poll-loop.ts'
import { ZoneImage } from '../dataplane/image/image.ts'
import { hostnameToWire } from '../dataplane/wire/name.ts'
import type { ServedImages } from './image-store/served-images.ts'

/** Changes that come together are written together. */
const settleMs = 10
const longestRestMs = 60_000
/** Share of the time that writing may take. */
const duty = 1 / 10

/** Where the image of a zone is, and what it names. */
interface LeftZone {
  readonly zone: CatalogZone
  readonly slot: number
  readonly services: readonly ServiceSlot[]
}

export interface LeftBehindOptions {
  readonly shared: ServedImages
  readonly publisher: Publisher
  readonly observed: () => Observed
  /** What clients are answered by, of this revision, is there for the next control plane. */
  readonly onLeft: (revision: number) => void
  readonly onError: (error: unknown) => void
}

export function isSame(one: Mark, other: Mark): boolean {
  return one.revision === other.revision && one.stamp === other.stamp
}

export class LeftBehind implements AsyncDisposable {
  readonly #options: LeftBehindOptions
  readonly #loop: PollLoop
  #restMs = 0

  constructor(options: LeftBehindOptions) {
    this.#options = options
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => Number.POSITIVE_INFINITY,
      settleMs: () => Math.max(settleMs, this.#restMs),
      onError: options.onError,
    })
  }

  /** Once what is served is written down in the journal: what is left goes with that. */
  start(): void {
    this.#loop.start()
  }

  /** Says that something changed. */
  mark(): void {
    this.#loop.hint()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop.stop()
  }

  async #look(): Promise<boolean> {
    const { shared, publisher, observed, onLeft } = this.#options
    await prepareTexts(publisher.catalog)
    const { catalog } = publisher
    const { whole } = publisher.progress
    if (whole === null || catalog.revision < 0 || !isSame(whole, catalog)) return false
    const startedAt = performance.now()
    const zones: LeftZone[] = publisher.handedZones.map(({ apex, ...left }) => {
      return { zone: catalog.zones.get(apex)!, ...left }
    })
    const base = formatBase(baseOf(catalog, catalog, observed()), new Date())
    const isLeft = shared.leave(`${JSON.stringify(zones)}\n${base}`)
    this.#restMs = Math.min((performance.now() - startedAt) / duty, longestRestMs)
    if (isLeft) onLeft(catalog.revision)
    return false
  }
}

/**
 * What an earlier control plane has left; null when it is not all there, or not of what is served.
 *
 * @throws Error when it is not what was written
 */
export function readLeft(
  shared: ServedImages,
  served: Mark,
): { readonly base: Snapshot; readonly zones: readonly StoredZone[] } | null {
  const text = shared.leftBefore
  if (text === null) return null
  const end = text.indexOf('\n')
  const base = parseBase(text.slice(end + 1))
  if (!isSame(base, served)) return null
  const zones = JSON.parse(text.slice(0, end)) as readonly LeftZone[]
  const images = shared.zonesOfJournal()
  const stored = zones.map(({ zone, slot, services }) => {
    const image = images.get(slot)
    if (image === undefined || !isOf(image, zone.apex))
      throw new Error(`the image of ${zone.apex} is not there`)
    // Of which rows it was compiled, and by which program, is not known.
    const { revision, stamp } = served
    return { zone, services, image, revision, stamp, current: false }
  })
  return { base, zones: stored }
}

function isOf(image: SharedArrayBuffer, apex: string): boolean {
  const { bytes, apexName, apexLength } = new ZoneImage(image)
  return Buffer.from(hostnameToWire(apex)).equals(bytes.subarray(apexName, apexName + apexLength))
}
