/**
 * The images of all zones, as the compile thread keeps them: compiles a zone from its rows, or from its image and the rows
 * that changed. Images are shared with the DNS workers, so keeping them costs no memory.
 *
 * A step is begun with its jobs, takes the rows of those that are compiled whole, and is finished. An image may be of a later
 * revision than what is served, when a step failed half-way: every owner that changed since is replaced again by the next
 * step, so nothing is lost by that.
 */

import { ZoneCompiler } from '../../dataplane/image/compile.ts'
import { editZone } from '../../dataplane/image/edit.ts'
import { ZoneImage } from '../../dataplane/image/image.ts'
import { hostnameToWire, lowerName, parseName } from '../../dataplane/wire/name.ts'
import { parseRdata, parseType } from '../../dataplane/wire/rdata.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { CatalogZone } from '../catalog/catalog.ts'
import type { Soa } from '../model/zone.ts'

export interface ServiceSlot {
  readonly name: string
  /** Of its plan. */
  readonly slot: number
}

/** What is to be compiled of a zone. */
export interface CompileJob {
  readonly zone: CatalogZone
  /** That lie in the zone. */
  readonly services: readonly ServiceSlot[]
  /** The owners that changed and their rows, packed as the store does; null when the rows of the whole zone follow. */
  readonly edit: { readonly owners: readonly string[]; readonly text: string } | null
}

/** A step from the images of one revision to those of another. */
export interface CompileStep {
  readonly revision: number
  /** Of that revision. */
  readonly stamp: string | null
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

/** A zone with the image that was compiled of it. */
export interface HeldZone {
  readonly zone: CatalogZone
  readonly services: readonly ServiceSlot[]
  /** Of the configuration that the rows were read at, and its stamp (see `stampOf`). */
  readonly revision: number
  readonly stamp: string | null
  readonly image: SharedArrayBuffer
}

export interface Compiled {
  readonly images: readonly (readonly [apex: string, image: SharedArrayBuffer])[]
  /** RRsets that were left out, and why: their text went around the checks, so a row was written by hand. */
  readonly bad: readonly string[]
  /** Zones that have no image to edit; they must be compiled whole. */
  readonly missing: readonly string[]
}

/** What the disk lacks. */
export interface Unwritten {
  readonly changed: readonly HeldZone[]
  /** Apexes of zones that are no more. */
  readonly gone: readonly string[]
}

/** A step that is under way. */
interface Step {
  readonly revision: number
  readonly stamp: string | null
  /** By apex: what has not been begun. */
  readonly waiting: Map<string, CompileJob>
  readonly images: [string, SharedArrayBuffer][]
  readonly bad: string[]
  readonly missing: string[]
}

export class ZoneImages {
  /** By apex. Bounded by the zones. */
  readonly #held = new Map<string, HeldZone>()
  /** Apexes of zones that changed, came or went since they were written. Bounded by the zones. */
  readonly #changed = new Set<string>()
  #step: Step | null = null
  #current: { readonly job: CompileJob; readonly apex: Uint8Array; readonly compiler: ZoneCompiler } | null =
    null

  get held(): ReadonlyMap<string, HeldZone> {
    return this.#held
  }

  /** Takes over images that were read from disk. */
  restore(zones: Iterable<HeldZone>): void {
    for (const held of zones) this.#held.set(held.zone.apex, held)
  }

  /** What the disk lacks. From now on it counts as written, unless it is given back. */
  takeUnwritten(): Unwritten {
    const changed: HeldZone[] = []
    const gone: string[] = []
    for (const apex of this.#changed) {
      const held = this.#held.get(apex)
      if (held === undefined) gone.push(apex)
      else changed.push(held)
    }
    this.#changed.clear()
    return { changed, gone }
  }

  giveBack({ changed, gone }: Unwritten): void {
    for (const { zone } of changed) this.#changed.add(zone.apex)
    for (const apex of gone) this.#changed.add(apex)
  }

  /** Begins a step, in the place of one that was not finished. Edits are compiled at once. */
  begin({ revision, stamp, jobs, gone }: CompileStep): void {
    for (const apex of gone) if (this.#held.delete(apex)) this.#changed.add(apex)
    const waiting = new Map(jobs.map((job) => [job.zone.apex, job]))
    const step: Step = { revision, stamp, waiting, images: [], bad: [], missing: [] }
    this.#step = step
    this.#current = null
    for (const job of jobs) {
      if (job.edit === null) continue
      waiting.delete(job.zone.apex)
      const held = this.#held.get(job.zone.apex)
      if (held === undefined) step.missing.push(job.zone.apex)
      else this.#edit(job, job.edit, held)
    }
  }

  /** Rows of zones that are compiled whole: each zone's one after another. */
  add(rows: readonly ZoneRows[]): void {
    for (const { apex, text } of rows) {
      if (this.#current?.job.zone.apex !== apex) {
        this.#close()
        const job = this.#step?.waiting.get(apex)
        if (job !== undefined) this.#open(job)
      }
      if (this.#current !== null) this.#compile(text)
    }
  }

  /** Ends the step: what rows have not come for has none. */
  finish(): Compiled {
    const step = this.#step
    if (step === null) throw new Error('no step of compiling was begun')
    this.#close()
    for (const job of step.waiting.values()) {
      this.#open(job)
      this.#close()
    }
    this.#step = null
    const { images, bad, missing } = step
    return { images, bad, missing }
  }

  #edit(job: CompileJob, { owners, text }: NonNullable<CompileJob['edit']>, held: HeldZone): void {
    const apex = hostnameToWire(job.zone.apex)
    const names = owners.map((owner) => lowerName(parseName(owner, apex)))
    const compiler = editZone(new ZoneImage(held.image), apex, soaOf(job.zone, apex), names)
    this.#current = { job, apex, compiler }
    this.#compile(text)
    this.#close()
  }

  #open(job: CompileJob): void {
    this.#step!.waiting.delete(job.zone.apex)
    const apex = hostnameToWire(job.zone.apex)
    this.#current = { job, apex, compiler: new ZoneCompiler(apex, soaOf(job.zone, apex)) }
  }

  #compile(text: string): void {
    const { job, apex, compiler } = this.#current!
    for (const [owner, type, ttlSeconds, data] of JSON.parse(text) as Row[]) {
      try {
        compiler.add({
          owner: lowerName(parseName(owner, apex)),
          type: parseType(type),
          ttlSeconds: ttlSeconds ?? job.zone.ttlSeconds,
          rdata: data.map((line) => parseRdata(type, line, apex)),
        })
      } catch (error) {
        if (!(error instanceof TextError)) throw error
        this.#step!.bad.push(`zone ${job.zone.apex}, owner ${owner}, type ${type}: ${error.message}`)
      }
    }
  }

  #close(): void {
    if (this.#current === null) return
    const { job, compiler } = this.#current
    const { zone, services } = job
    for (const { name, slot } of services) compiler.addService(hostnameToWire(name), slot)
    const image = compiler.finish()
    const { revision, stamp } = this.#step!
    this.#held.set(zone.apex, { zone, services, revision, stamp, image })
    this.#changed.add(zone.apex)
    this.#step!.images.push([zone.apex, image])
    this.#current = null
  }
}

function soaOf({ soa, serial, ttlSeconds }: CatalogZone, apex: Uint8Array) {
  return { rdata: soaRdata(soa, serial, apex), ttlSeconds }
}

function soaRdata(soa: Soa, serial: number, apex: Uint8Array): Uint8Array {
  const { mname, rname, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } = soa
  const times = [refreshSeconds, retrySeconds, expireSeconds, minimumSeconds].join(' ')
  return parseRdata('SOA', `${mname} ${rname} ${serial} ${times}`, apex)
}
