/**
 * The signatures of zones on disk, beside their images (`image-files.ts`), so that a start signs nothing again: one file a zone, whole or
 * not there, with a CRC-32 of the rest in its first four octets. What is lost with one is made again, by whoever has the key file.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { beat } from '../../dataplane/life/signs.ts'
import type { CatalogZone } from '../catalog/catalog.ts'
import { SignatureBook } from '../dnssec/signature-book.ts'
import { replaceWhole } from '../files/whole-file.ts'
import { fileOf, signaturesKind } from './image-files.ts'

const checksumLength = 4

/** Blocks its thread meanwhile. */
export function readBooks(directory: string, zones: Iterable<{ readonly zone: CatalogZone }>) {
  const found = new Map<string, SignatureBook>()
  const damaged: string[] = []
  for (const { zone } of zones) {
    if ((zone.dnssec ?? null) === null) continue
    beat()
    const path = join(directory, fileOf(zone.apex, signaturesKind))
    try {
      if (existsSync(path)) found.set(zone.apex, readBook(path))
    } catch (error) {
      damaged.push(`${path} can't be used: ${(error as Error).message}`)
    }
  }
  return { found, damaged }
}

export async function writeBooks(
  directory: string,
  zones: Iterable<{ readonly zone: CatalogZone }>,
  books: ReadonlyMap<string, SignatureBook>,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (const { zone } of zones) {
    const book = books.get(zone.apex)
    if (book === undefined) continue
    await writeBook(join(directory, fileOf(zone.apex, signaturesKind)), book)
  }
}

/** Whole or not at all; the one before stays beside it. */
export async function writeBook(path: string, book: SignatureBook): Promise<void> {
  const octets = book.format()
  const checksum = Buffer.alloc(checksumLength)
  checksum.writeUInt32LE(crc32(octets))
  await replaceWhole(path, checksum, octets)
}

/** @throws Error for a file that can't be read, or is no book, or is damaged */
export function readBook(path: string): SignatureBook {
  const octets = readFileSync(path)
  const rest = octets.subarray(checksumLength)
  if (octets.length < checksumLength || octets.readUInt32LE() !== crc32(rest)) {
    throw new Error('its checksum is wrong')
  }
  return SignatureBook.parse(rest)
}
