/**
 * Zone images on disk: the part of the snapshot that makes a start quick. A file for each zone, so that an edit rewrites one
 * file, and a start reads octets instead of compiling rows.
 *
 *     octets 0..7    `pooldns` and the format's version
 *     octets 8..11   CRC-32 of everything behind octet 11, least significant octet first, as the other number
 *     octets 12..15  length of the description
 *     description    JSON: what the image is of, and the version of the program that compiled it
 *     image          to the end, as it is in memory (in the byte order of the machine: a data directory stays on its machine)
 *
 * Each file is whole or not there, and the generation before is kept beside it (`files/whole-file.ts`). A file that is damaged all
 * the same is named, and the one before is used until the zone is compiled anew.
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ZoneImage } from '../../dataplane/image/image.ts'
import { octetsOf } from '../../dataplane/image/image-memory.ts'
import { beat } from '../../dataplane/life/signs.ts'
import { beforeOf, putAside, replaceWhole, syncFolder } from '../files/whole-file.ts'
import type { HeldZone, UnwrittenZone } from './zone-images.ts'

const magic = Buffer.from('pooldns\x01', 'latin1')
const headLength = 16
const checkedFrom = 12
/** Files written at once: enough for the disk to sync them together. */
const writers = 16

/** Of the files beside them (`signature-files.ts`). */
export const signaturesKind = 'signatures'

/** An image from disk. */
export interface StoredZone extends Omit<HeldZone, 'image'> {
  readonly image: SharedArrayBuffer
  /**
   * The generation that was written last, compiled by this version of the program; another one may have compiled the same rows to
   * something else, and what was before may be older than the base.
   */
  readonly current: boolean
}

type Description = Omit<HeldZone, 'image'> & { readonly compiledBy: string }

/** What the files of the images hold. */
export interface LoadedImages {
  readonly zones: readonly StoredZone[]
  /** One line for each file that can't be used. */
  readonly damaged: readonly string[]
}

/**
 * Reads every image in a directory, of files that can't be used the ones before, and puts those aside. Blocks its thread meanwhile.
 *
 * @param version of this program
 */
export async function readImages(directory: string, version: string): Promise<LoadedImages> {
  const zones: StoredZone[] = []
  const damaged: string[] = []
  const files = filesIn(directory, damaged)
  const names = new Set(files.flatMap((name) => /^[0-9a-f]+\.image(?=$|\.before$)/.exec(name)?.[0] ?? []))
  for (const name of names) {
    const path = join(directory, name)
    beat()
    if (files.includes(name)) {
      try {
        zones.push(readImage(path, version))
        continue
      } catch (error) {
        damaged.push(`${path} can't be used: ${(error as Error).message}`)
        await putAside(path)
      }
    }
    try {
      if (!files.includes(beforeOf(name))) continue
      zones.push({ ...readImage(beforeOf(path), version), current: false })
    } catch (error) {
      damaged.push(`${beforeOf(path)} can't be used: ${(error as Error).message}`)
      await putAside(beforeOf(path))
    }
  }
  return { zones, damaged }
}

function filesIn(directory: string, damaged: string[]): readonly string[] {
  try {
    return existsSync(directory) ? readdirSync(directory) : []
  } catch (error) {
    damaged.push(`${directory} can't be read: ${(error as Error).message}`)
    return []
  }
}

/**
 * Writes images, and deletes those of zones that are no more.
 *
 * @throws the reason of `signal` when that aborts, once the files that were begun are whole; the others are as they were
 */
export async function writeImages(
  directory: string,
  version: string,
  zones: readonly UnwrittenZone[],
  gone: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const queue = zones.values()
  const work = async () => {
    for (const held of queue) {
      if (signal.aborted) return
      await writeImage(directory, version, held)
    }
  }
  await Promise.all(Array.from({ length: writers }, work))
  signal.throwIfAborted()
  for (const apex of gone) {
    const path = join(directory, fileOf(apex))
    // In this order, so that none comes back.
    await rm(beforeOf(path), { force: true })
    await rm(path, { force: true })
    const signatures = join(directory, fileOf(apex, signaturesKind))
    await rm(beforeOf(signatures), { force: true })
    await rm(signatures, { force: true })
  }
  await syncFolder(directory)
}

/**
 * Deletes what is in the directory besides the images of these zones: files of a version before, or half-written ones.
 *
 * @param keeps apexes
 */
export async function sweepImages(directory: string, keeps: Iterable<string>): Promise<void> {
  const wanted = new Set(
    Array.from(keeps, (apex) => [fileOf(apex), fileOf(apex, signaturesKind)])
      .flat()
      .flatMap((name) => [name, beforeOf(name)]),
  )
  for (const file of await readdir(directory)) {
    if (!wanted.has(file)) await rm(join(directory, file), { recursive: true, force: true })
  }
}

function readImage(path: string, version: string): StoredZone {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const head = Buffer.alloc(headLength)
    readSync(file, head)
    if (!head.subarray(0, magic.length).equals(magic)) throw new Error('it is no zone image of this version')
    const described = head.readUInt32LE(12)
    const imageLength = size - headLength - described
    if (imageLength <= 0 || imageLength % 4 !== 0) throw new Error('it is cut short')
    const description = Buffer.alloc(described)
    readSync(file, description)
    const image = new SharedArrayBuffer(imageLength)
    const octets = new Uint8Array(image)
    for (let at = 0; at < imageLength; ) {
      const count = readSync(file, octets, at, imageLength - at, null)
      if (count === 0) throw new Error('it is cut short')
      at += count
    }
    if (checksum(head, description, octets) !== head.readUInt32LE(8)) throw new Error('its checksum is wrong')
    // Throws for an image of another layout.
    new ZoneImage(image).rehash()
    const { compiledBy, ...rest } = JSON.parse(description.toString()) as Description
    // One that was written before zones could be signed does not say so.
    const zone = { ...rest.zone, dnssec: rest.zone.dnssec ?? null }
    return { ...rest, zone, image, current: compiledBy === version }
  } finally {
    closeSync(file)
  }
}

async function writeImage(
  directory: string,
  version: string,
  { image, ...rest }: UnwrittenZone,
): Promise<void> {
  const description = Buffer.from(JSON.stringify({ ...rest, compiledBy: version } satisfies Description))
  const head = Buffer.alloc(headLength)
  magic.copy(head)
  head.writeUInt32LE(description.length, 12)
  const octets = octetsOf(image)
  head.writeUInt32LE(checksum(head, description, octets), 8)
  await replaceWhole(join(directory, fileOf(rest.zone.apex)), Buffer.concat([head, description]), octets)
}

function checksum(head: Uint8Array, description: Uint8Array, image: Uint8Array): number {
  return crc32(image, crc32(description, crc32(head.subarray(checkedFrom))))
}

/** An apex may be longer than a file name and hold any octet. */
export function fileOf(apex: string, kind = 'image'): string {
  return `${createHash('sha256').update(apex).digest('hex').slice(0, 40)}.${kind}`
}
