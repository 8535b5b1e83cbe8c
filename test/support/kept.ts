/**
 * Folders that take long to make and always come out the same, such as a database with our migrations and nothing in it: made
 * once, kept in `node_modules/.cache`, and copied for each test that wants one. They are made anew when migrations, packages or
 * what else they are made from change, and can be deleted at any time.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const cache = fileURLToPath(new URL('../../node_modules/.cache/pooldns/', import.meta.url))
const lockfile = fileURLToPath(new URL('../../package-lock.json', import.meta.url))
const migrations = fileURLToPath(new URL('../../drizzle/', import.meta.url))
const memoryFolder = '/dev/shm'
/** For some databases at the same time: 50 MB each, and what their tests write. */
const neededBytes = 2 ** 31

/**
 * A folder for copying from.
 *
 * @param origin what it is made from besides migrations and packages
 * @param make leaves it at the path that it returns, whole
 */
export async function kept(
  name: string,
  origin: readonly string[],
  make: () => Promise<string>,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(origin)).update(readFileSync(lockfile))
  for (const file of readdirSync(migrations).filter((each) => each.endsWith('.sql')))
    hash.update(readFileSync(join(migrations, file)))
  const place = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(place)) return place
  const made = await make()
  await mkdir(cache, { recursive: true })
  const aside = await mkdtemp(join(cache, 'new-'))
  await copyFolder(made, join(aside, name))
  // Of two that make it at the same time the second finds the place taken, by the same.
  await rename(join(aside, name), place).catch((error: unknown) => {
    if (!existsSync(place)) throw error
  })
  await rm(aside, { recursive: true, force: true })
  return place
}

/** With modes and owners. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', from, to])
}

/**
 * A new temporary folder for data that nobody keeps: in memory where there is a file system for it with room (Linux), for a
 * database is more than a thousand files, which takes ten times as long on a disk.
 *
 * @param prefix of its name
 */
export async function temporaryDataFolder(prefix: string): Promise<string> {
  const { bavail, bsize } = await statfs(memoryFolder).catch(() => ({ bavail: 0, bsize: 0 }))
  return mkdtemp(join(bavail * bsize > neededBytes ? memoryFolder : tmpdir(), prefix))
}
