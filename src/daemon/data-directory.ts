/**
 * What a node keeps in its data directory beside its database and its snapshot: who it is, and the admin token.
 *
 * A first start needs a directory that it can write. A later one has a snapshot to serve, so it goes on where the disk is full or
 * may not be written, and what it would have made is made for this run.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { adminTokenForm, isAdminToken } from '../config-secrets.ts'
import { checkReadableDirectory, preparePrivateDirectory } from '../controlplane/store/private-directory.ts'

interface Kept {
  /** Made up once, says nothing of the machine. */
  readonly nodeId: string
  /** SHA-256 of the admin token. */
  readonly adminTokenHash: Uint8Array
  /** Why what is written to it is lost; null when nothing is. */
  readonly unwritable: string | null
}

/**
 * Makes the directory and what it lacks, if need be, and keeps everybody else out of it.
 *
 * @param adminToken the one that is configured; null takes the one in the directory
 * @throws Error when it can't be used
 */
export async function openDataDirectory(path: string, adminToken: string | null): Promise<Kept> {
  const reasons: string[] = []
  const onUnwritable = existsSync(join(path, 'snapshot')) ? (reason: string) => reasons.push(reason) : null
  prepare(path, onUnwritable)
  const token = adminToken ?? (await readAdminToken(join(path, 'admin-token'), onUnwritable))
  const nodeId = await readOrMake(join(path, 'node-id'), randomBytes(6).toString('hex'), onUnwritable)
  const adminTokenHash = createHash('sha256').update(token).digest()
  return { nodeId, adminTokenHash, unwritable: reasons[0] ?? null }
}

/** Told why something could not be written; null where that ends the start. */
type OnUnwritable = ((reason: string) => void) | null

function prepare(path: string, onUnwritable: OnUnwritable): void {
  try {
    preparePrivateDirectory(path)
  } catch (error) {
    if (onUnwritable === null || !checkReadableDirectory(path))
      throw new Error(`POOLDNS_DATA_DIR: ${(error as Error).message}`, { cause: error })
    onUnwritable((error as Error).message)
  }
}

async function readAdminToken(path: string, onUnwritable: OnUnwritable): Promise<string> {
  // What begins with a dash looks like a flag behind `--token`.
  const made = `admin_${randomBytes(24).toString('base64url')}`
  const token = await readOrMake(path, made, onUnwritable)
  if (isAdminToken(token)) return token
  throw new Error(`${path} holds no token of ${adminTokenForm}; delete it to have one generated`)
}

/** The text of a file, which becomes `made` when there is no such file. */
async function readOrMake(path: string, made: string, onUnwritable: OnUnwritable): Promise<string> {
  const found = await read(path)
  if (found !== null) return found
  try {
    await make(path, `${made}\n`)
  } catch (error) {
    if (onUnwritable === null) throw error
    onUnwritable(`${path} can't be written: ${(error as Error).message}`)
    return made
  }
  return (await read(path)) ?? made
}

async function read(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  return text?.trim() ?? null
}

/** Makes a file that is whole or not there. When there is one by now, that stays: two starts can't each believe in a text of their own. */
async function make(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}`
  try {
    const file = await open(beside, 'w', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(beside, path).catch(async ({ code }: NodeJS.ErrnoException) => {
      // File systems that have no links are those that nobody shares.
      if (code !== 'EEXIST') await rename(beside, path)
    })
  } finally {
    await rm(beside, { force: true }).catch(() => undefined)
  }
}
