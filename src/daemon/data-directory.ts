/** What a node keeps in its data directory beside its database and its snapshot: who it is, and the admin token. */
import { createHash, randomBytes } from 'node:crypto'
import { access, constants, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

interface Kept {
  /** Made up once, says nothing of the machine. */
  readonly nodeId: string
  /** SHA-256 of the admin token. */
  readonly adminTokenHash: Uint8Array
}

/**
 * Makes the directory if need be, and what it lacks.
 *
 * @param adminToken the one that is configured; null takes the one in the directory
 * @throws Error when it can't be written
 */
export async function openDataDirectory(path: string, adminToken: string | null): Promise<Kept> {
  await prepare(path)
  const token = adminToken ?? (await readAdminToken(join(path, 'admin-token')))
  const nodeId = await readOrWrite(join(path, 'node-id'), randomBytes(6).toString('hex'))
  return { nodeId, adminTokenHash: createHash('sha256').update(token).digest() }
}

async function prepare(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new Error(`POOLDNS_DATA_DIR: ${path} can't be written: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

async function readAdminToken(path: string): Promise<string> {
  const token = await readOrWrite(path, randomBytes(24).toString('base64url'))
  if (token === '') throw new Error(`${path} is empty; delete it to have a token generated`)
  return token
}

/** The text of a file, which becomes `made` when there is no such file. */
async function readOrWrite(path: string, made: string): Promise<string> {
  try {
    // `wx` fails when the file is there, so that two starts can't each believe in a text of their own.
    await writeFile(path, `${made}\n`, { flag: 'wx', mode: 0o600 })
    return made
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return (await readFile(path, 'utf8')).trim()
}
