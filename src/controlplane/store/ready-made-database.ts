/**
 * The files of an embedded database in which nothing has happened yet, packed when the program is packed or installed in a clone.
 * Making them is the work of `initdb`, which takes 7 s of CPU and a gigabyte of memory in WebAssembly; unpacking them takes a
 * tenth of a second. Without the archive, as in a copy of the sources alone, a first start makes them itself.
 *
 * There is nothing of ours in them, no table and nothing random that two installations must not share: what the migrations
 * write is written by each of them.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'
import { createTar, parseTar, type TarFileInput } from 'nanotar'

const pgliteVersion: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.resolve('@electric-sql/pglite')), 'utf8'),
).version

/** PGlite has no limit of its own on what may lie in an archive; ours has 40 MB in a thousand files. */
const mostOctets = 256 << 20

const archiveName = `embedded-database-${pgliteVersion}.tar.gz`

/** Where the archive of this PGlite lies, from the sources and from a build of them. */
function candidates(): string[] {
  return ['../../../dist/', '../../../'].map((path) =>
    fileURLToPath(new URL(`${path}${archiveName}`, import.meta.url)),
  )
}

/**
 * Fills a folder, which must not exist yet.
 *
 * @returns whether there was an archive; without one nothing is made
 */
export function unpackReadyMade(folder: string): boolean {
  const path = candidates().find((path) => existsSync(path))
  if (path === undefined) return false
  // By the megabyte: thousands of small pieces would leave the memory of this process full of holes.
  const archive = gunzipSync(readFileSync(path), { maxOutputLength: mostOctets, chunkSize: 1 << 20 })
  const files = parseTar(archive)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const { name, type, data } of files) {
    const target = join(folder, name)
    if (type === 'directory') mkdirSync(target, { recursive: true, mode: 0o700 })
    else {
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
      writeFileSync(target, data ?? '', { mode: 0o600 })
    }
  }
  return true
}

/**
 * Makes the archive where it is missing.
 *
 * @param within a folder; default: that of what a build makes
 * @returns its path
 */
export async function makeReadyMade(within?: string): Promise<string> {
  const path = within === undefined ? candidates()[0]! : join(within, archiveName)
  if (existsSync(path)) return path
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-ready-made-'))
  try {
    // Closed before it is packed: who unpacks a database that ran has to recover it.
    await (await PGlite.create({ dataDir: folder })).close()
    const archive = gzipSync(createTar(filesBelow(folder), { attrs: { mtime: 0 } }), { level: 9 })
    mkdirSync(dirname(path), { recursive: true })
    // Moved to its place whole: others may be starting.
    writeFileSync(`${path}.${process.pid}`, archive)
    renameSync(`${path}.${process.pid}`, path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return path
}

/** Folders come as names without data, for some that are empty must be there. */
function filesBelow(folder: string): TarFileInput[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'postmaster.pid')
    .sort()
    .map((name) =>
      statSync(join(folder, name)).isDirectory()
        ? { name }
        : { name, data: readFileSync(join(folder, name)) },
    )
}
