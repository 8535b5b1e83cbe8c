/**
 * The images of all zones, as the compile thread keeps them: compiles a zone from its rows, or from its image and the rows
 * that changed. Images are shared with the DNS workers, so keeping them costs no memory: one that has been placed in memory that
 * processes share is adopted from there, and let go of when another one has come for its zone.
 *
 * An order of whole zones is begun, takes their rows, and is finished; edits are one call, at any time. An image may be of a
 * later revision than what is served, when an order failed half-way: the next order replaces every owner that changed since.
 */
import { crc32 } from 'node:zlib'
import { ZoneCompiler } from '../../dataplane/image/compile.ts'
import { editZone, type ZoneEditor } from '../../dataplane/image/edit.ts'
import { ZoneImage } from '../../dataplane/image/image.ts'
import { rdataOf, ttlOf } from '../../dataplane/image/image-contents.ts'
import { type Image, ImageMemory, isPlaced, type PlacedImage } from '../../dataplane/image/image-memory.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { hostnameToWire, isSubdomain, lowerName, parseName } from '../../dataplane/wire/name.ts'
import { NameScan } from '../../dataplane/wire/name-scan.ts'
import { parseType } from '../../dataplane/wire/rdata.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { CatalogZone, Mark } from '../catalog/catalog.ts'
import type { SigningReport } from '../model/dnssec.ts'
import { CollectedRrsets, type RrsetSink, SignedZones, type ZoneSource } from './signed-zones.ts'
import { type ServiceSlot, soaOf, wireRrset } from './zone-parts.ts'
import { compilePreview, type ZonePreview } from './zone-preview.ts'

/** What is to be compiled of a zone. */
export interface CompileJob {
  readonly zone: CatalogZone
  /** That lie in the zone. */
  readonly services: readonly ServiceSlot[]
  /** The owners that changed and their rows, packed as the store does; null when the rows of the whole zone follow. */
  readonly edit: { readonly owners: readonly string[]; readonly text: string } | null
}

/** What is to be compiled out of one revision. */
export interface CompileOrder extends Mark {
  readonly jobs: readonly CompileJob[]
  /** Apexes of zones that are no more. */
  readonly gone: readonly string[]
}

/** Rows of a zone, as the store packs them. */
export interface ZoneRows {
  readonly apex: string
  /** JSON: an array of `Row`. */
  readonly text: string
}

type Row = readonly [owner: string, type: string, ttlSeconds: number | null, data: readonly string[]]

/** A zone with the image that was compiled of it, out of rows of that revision. */
export interface HeldZone extends Mark {
  readonly zone: CatalogZone
  readonly services: readonly ServiceSlot[]
  readonly image: Image
  /** Rows of it could not be used, so that it has what was good before; it is compiled again when it can be. */
  readonly bad?: true
}

/** The same, to be written. */
export interface UnwrittenZone extends Omit<HeldZone, 'image'> {
  readonly image: SharedArrayBuffer | Uint8Array
}

/** A row that could not be used: its text went around the checks, so it was written by hand. */
export interface BadRrset {
  readonly apex: string
  readonly owner: string
  readonly type: string
  readonly message: string
}

export interface Compiled {
  readonly images: (readonly [apex: string, image: SharedArrayBuffer])[]
  /** In the place of these there is what the image before had of the same owner and type. */
  readonly bad: BadRrset[]
  /** Zones that could not be compiled at all, and keep their images. */
  readonly kept: string[]
  /** Zones that have no image to edit, or one that is behind; they must be compiled whole. */
  readonly missing: string[]
  /** What became of the signatures of zones that are signed, or could not be. */
  readonly signed: SigningReport[]
}

/** What the disk lacks. */
interface Unwritten {
  readonly changed: readonly UnwrittenZone[]
  /** Apexes of zones that are no more. */
  readonly gone: readonly string[]
}

/** An order that is under way. */
interface Work extends Mark {
  /** What has not been begun, by apex. */
  readonly waiting: Map<string, CompileJob>
  readonly compiled: Compiled
}

/** A zone that is being compiled. */
interface Current {
  readonly job: CompileJob
  readonly apex: Uint8Array
  /** Null for a zone that is to be signed. */
  readonly compiler: ZoneEditor | null
  readonly source: ZoneSource
  /** Rows of it that could not be used. */
  readonly bad: BadRrset[]
}

export class ZoneImages {
  /** Images by apex. Bounded by the zones. */
  readonly #held = new Map<string, HeldZone>()
  /** Apexes of zones that changed, came or went since they were written. Bounded by the zones. */
  readonly #changed = new Set<string>()
  /** Whole zones. */
  #work: Work | null = null
  readonly #memory: ImageMemory
  /** Apexes of images that have not been placed, by `contentOf`. Bounded by the zones. */
  readonly #unplaced = new Map<string, string>()
  /** Placed images that are not needed any more. Bounded by the edits of one pass of writing. */
  readonly #left: PlacedImage[] = []
  /** Placed images may be read until this is over. */
  #writing = false
  #current: Current | null = null

  /** Apexes of zones whose images lack what they could not be compiled with. Bounded by the zones. */
  readonly #behind = new Set<string>()
  readonly signed: SignedZones

  /**
   * @param memory in which images may be placed
   * @param signed what is known of signed zones
   */
  constructor(memory = ImageMemory.none, signed = new SignedZones(null)) {
    this.#memory = memory
    this.signed = signed
  }

  get held(): ReadonlyMap<string, HeldZone> {
    return this.#held
  }

  /** Takes over images that were read from disk. */
  restore(zones: Iterable<HeldZone>): void {
    for (const held of zones) this.#hold(held)
  }

  /** Keeps images where they have been placed, if they are those that there are. */
  adopt(placed: readonly PlacedImage[]): void {
    for (const image of placed) {
      const content = contentOf(image)
      const held = this.#held.get(this.#unplaced.get(content) ?? '')
      this.#unplaced.delete(content)
      if (held === undefined) this.#left.push(image)
      else this.#held.set(held.zone.apex, { ...held, image })
    }
  }

  /** Placed images that are not needed any more, since this was last asked. */
  takeLeft(): PlacedImage[] {
    return this.#writing ? [] : this.#left.splice(0)
  }

  /** What the disk lacks. From now on it counts as written, unless it is given back. */
  takeUnwritten(): Unwritten {
    this.#writing = true
    const changed = [...this.#changed]
      .flatMap((apex) => this.#held.get(apex) ?? [])
      .map((held) => ({ ...held, image: this.#memory.bytes(held.image) }))
    const gone = [...this.#changed].filter((apex) => !this.#held.has(apex))
    this.#changed.clear()
    return { changed, gone }
  }

  /** What was taken is written, or given back. */
  endWriting(): void {
    this.#writing = false
  }

  giveBack({ changed, gone }: Unwritten): void {
    for (const { zone } of changed) this.#changed.add(zone.apex)
    for (const apex of gone) this.#changed.add(apex)
  }

  /** Compiles the edits of an order, and forgets the zones that are gone. */
  edit({ gone, ...order }: CompileOrder): Compiled {
    for (const apex of gone) this.#forget(apex)
    const work = workOf(order)
    for (const job of order.jobs) {
      if (job.edit === null) continue
      const held = this.#held.get(job.zone.apex)
      const names = namesOf(job.edit.owners, job.zone.apex)
      if (held === undefined || names === null || this.#behind.has(job.zone.apex))
        work.compiled.missing.push(job.zone.apex)
      else this.#keeping(work, job, () => this.#edit(work, job, { names, text: job.edit!.text }, held))
    }
    return work.compiled
  }

  /** Begins an order of zones that are compiled whole, in the place of one that was not finished. */
  begin(order: CompileOrder): void {
    this.#work = workOf(order)
    this.#current = null
  }

  /** Rows of zones that are compiled whole: each zone's one after another. */
  add(rows: readonly ZoneRows[]): void {
    for (const { apex, text } of rows) {
      if (this.#current?.job.zone.apex !== apex) {
        this.#closeCurrent()
        const job = this.#work?.waiting.get(apex)
        if (job !== undefined) this.#keeping(this.#work!, job, () => this.#begin(job))
      }
      if (this.#current !== null) compileRows(this.#work!, this.#current, text)
    }
  }

  /** Ends the order: what rows have not come for has none. */
  finish(): Compiled {
    const work = this.#work
    if (work === null) throw new Error('nothing was begun to be compiled')
    this.#closeCurrent()
    for (const job of work.waiting.values())
      this.#keeping(work, job, () => this.#close(work, this.#open(job)))
    this.#work = null
    return work.compiled
  }

  /**
   * Compiles zones as they would be, and keeps nothing.
   *
   * @returns images by apex; null for a zone that there is no image of, or that can't be compiled
   */
  preview(zones: readonly ZonePreview[]): (readonly [apex: string, image: SharedArrayBuffer | null])[] {
    return zones.map((preview) => {
      const { apex } = preview.zone
      const held = this.#held.get(apex)
      if (preview.isThere && held === undefined) return [apex, null]
      return [apex, compilePreview(preview, preview.isThere ? this.#imageOf(held!) : null)]
    })
  }

  #edit(
    work: Work,
    job: CompileJob,
    { names, text }: { readonly names: readonly Uint8Array[]; readonly text: string },
    held: HeldZone,
  ): void {
    const apex = hostnameToWire(job.zone.apex)
    const image = this.#imageOf(held)
    const source = {
      collected: new CollectedRrsets(apex),
      edit: { before: held.zone, image, owners: names },
    }
    const compiler = job.zone.dnssec !== null ? null : editZone(image, apex, soaOf(job.zone, apex), names)
    const current = { job, apex, compiler, source, bad: [] }
    compileRows(work, current, text)
    this.#close(work, current)
  }

  /** A zone that can't be compiled, whatever the reason, keeps the image that it has and holds up no other. */
  #keeping({ compiled }: Work, { zone }: CompileJob, compile: () => void): void {
    try {
      compile()
    } catch (error) {
      const { apex } = zone
      compiled.kept.push(apex)
      this.#behind.add(apex)
      const message = `zone ${apex} can't be compiled: ${reasonOf(error)}`
      compiled.bad.push({ apex, owner: '', type: '', message })
      const report = this.signed.reportOf(zone)
      if (report !== null) compiled.signed.push(report)
    }
  }

  #begin(job: CompileJob): void {
    this.#current = this.#open(job)
  }

  #open(job: CompileJob): Current {
    this.#work!.waiting.delete(job.zone.apex)
    const apex = hostnameToWire(job.zone.apex)
    const compiler = job.zone.dnssec === null ? new ZoneCompiler(apex, soaOf(job.zone, apex)) : null
    const source = { collected: new CollectedRrsets(apex), edit: null }
    return { job, apex, compiler, source, bad: [] }
  }

  #closeCurrent(): void {
    const work = this.#work
    const current = this.#current
    this.#current = null
    if (current !== null) this.#keeping(work!, current.job, () => this.#close(work!, current))
  }

  #close(work: Work, current: Current): void {
    const { revision, stamp, compiled } = work
    const { job, apex, bad } = current
    const { zone, services } = job
    const held = this.#held.get(zone.apex)
    if (held !== undefined)
      for (const row of bad) addLastGood(sinkOf(current), apex, this.#imageOf(held), row)
    const image = this.#finish(current, compiled)
    if (image === null) return
    // What an edit leaves alone may be what could not be used before.
    const isBad = bad.length > 0 || (job.edit !== null && held?.bad === true)
    this.#hold({ zone, services, revision, stamp, image, ...(isBad ? { bad: true } : {}) })
    this.#changed.add(zone.apex)
    compiled.images.push([zone.apex, image])
  }

  /** The image; null when one was made to be served that says nothing but that the zone is broken. */
  #finish(
    { job: { zone, services }, apex, compiler, source }: Current,
    compiled: Compiled,
  ): SharedArrayBuffer | null {
    if (compiler !== null) {
      this.signed.forget(zone.apex)
      for (const { name, slot } of services) compiler.addService(hostnameToWire(name), slot)
      return compiler.finish()
    }
    const signable = { ...source, name: apex, services }
    const { image, report, isWhole } = this.signed.compile(
      zone,
      signable,
      this.#held.get(zone.apex)?.zone ?? null,
    )
    compiled.signed.push(report)
    if (isWhole) return image
    this.#behind.add(zone.apex)
    compiled.images.push([zone.apex, image])
    compiled.bad.push({ apex: zone.apex, owner: '', type: '', message: report.trouble ?? '' })
    return null
  }

  #imageOf({ image }: HeldZone): ZoneImage {
    return new ZoneImage(this.#memory.bytes(image))
  }

  #hold(held: HeldZone): void {
    const { apex } = held.zone
    this.#letGo(apex)
    this.#held.set(apex, held)
    this.#behind.delete(apex)
    if (this.#memory !== ImageMemory.none) this.#unplaced.set(this.#contentOf(held.image), apex)
  }

  /** The image of a zone is not needed any more. */
  #letGo(apex: string): void {
    const image = this.#held.get(apex)?.image
    if (image === undefined || this.#memory === ImageMemory.none) return
    if (isPlaced(image)) this.#left.push(image)
    else this.#unplaced.delete(this.#contentOf(image))
  }

  #contentOf(image: Image): string {
    return contentOf(
      isPlaced(image) ? image : { octets: image.byteLength, checksum: crc32(new Uint8Array(image)) },
    )
  }

  /** Forgets a zone; where it is being compiled, what comes of that is not kept. */
  #forget(apex: string): void {
    this.#letGo(apex)
    this.signed.forget(apex)
    this.#behind.delete(apex)
    if (this.#held.delete(apex)) this.#changed.add(apex)
    this.#work?.waiting.delete(apex)
    if (this.#current?.job.zone.apex === apex) this.#current = null
  }
}

/** Two images of the same octets are one. */
function contentOf({ octets, checksum }: Pick<PlacedImage, 'octets' | 'checksum'>): string {
  return `${octets} ${checksum}`
}

function workOf({ revision, stamp, jobs }: Omit<CompileOrder, 'gone'>): Work {
  const whole = jobs.filter(({ edit }) => edit === null)
  const waiting = new Map(whole.map((job) => [job.zone.apex, job]))
  return { revision, stamp, waiting, compiled: { images: [], bad: [], kept: [], missing: [], signed: [] } }
}

const sinkOf = ({ compiler, source }: Current): RrsetSink => compiler ?? source.collected

/** Null when one is none, as it may be of a row that somebody broke by SQL and that is gone by now: the whole zone is compiled then. */
function namesOf(owners: readonly string[], apex: string): Uint8Array[] | null {
  try {
    const origin = hostnameToWire(apex)
    return owners.map((owner) => lowerName(parseName(owner, origin)))
  } catch (error) {
    if (error instanceof TextError) return null
    throw error
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** The RRset that an image has in the place of a row that can't be used; nothing when there is none. */
function addLastGood(sink: RrsetSink, apex: Uint8Array, image: ZoneImage, row: BadRrset): void {
  let owner: Uint8Array
  let type: number
  try {
    owner = lowerName(parseName(row.owner, apex))
    type = parseType(row.type)
  } catch {
    return
  }
  const scan = new NameScan()
  if (!isSubdomain(owner, apex) || scan.load(owner, 0, owner.length) < 0) return
  const node = image.find(scan, 0)
  const rrset = node < 0 || type === types.soa ? -1 : image.rrset(node, type)
  if (rrset < 0) return
  sink.add({ owner, type, ttlSeconds: ttlOf(image, rrset), rdata: rdataOf(image, node, rrset) })
}

function compileRows({ compiled }: Work, current: Current, text: string): void {
  const { job, apex, bad } = current
  const sink = sinkOf(current)
  for (const [owner, type, ttlSeconds, data] of JSON.parse(text) as Row[]) {
    try {
      sink.add(wireRrset({ owner, type, ttlSeconds, data }, job.zone, apex))
    } catch (error) {
      // Whatever a row holds that nobody has thought of: it is one RRset, and the others go on.
      const message = `zone ${job.zone.apex}, owner ${owner}, type ${type}: ${reasonOf(error)}`
      const row = { apex: job.zone.apex, owner: String(owner), type: String(type), message }
      bad.push(row)
      compiled.bad.push(row)
    }
  }
}
