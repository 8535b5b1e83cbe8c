/** What a node keeps in its data directory beside its database and its snapshot: who it is, and the admin token. */
import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { adminTokenForm, isAdminToken } from '../config-secrets.ts'
import { preparePrivateDirectory } from '../controlplane/store/private-directory.ts'

interface Kept {
  /** Made up once, says nothing of the machine. */
  readonly nodeId: string
  /** SHA-256 of the admin token. */
  readonly adminTokenHash: Uint8Array
}

/**
 * Makes the directory and what it lacks, if need be, and keeps everybody else out of it.
 *
 * @param adminToken the one that is configured; null takes the one in the directory
 * @throws Error when it can't be used
 */
export async function openDataDirectory(path: string, adminToken: string | null): Promise<Kept> {
  prepare(path)
  const token = adminToken ?? (await readAdminToken(join(path, 'admin-token')))
  const nodeId = await readOrWrite(join(path, 'node-id'), randomBytes(6).toString('hex'))
  return { nodeId, adminTokenHash: createHash('sha256').update(token).digest() }
}

function prepare(path: string): void {
  try {
    preparePrivateDirectory(path)
  } catch (error) {
    throw new Error(`POOLDNS_DATA_DIR: ${(error as Error).message}`, { cause: error })
  }
}

async function readAdminToken(path: string): Promise<string> {
  // What begins with a dash looks like a flag behind `--token`.
  const token = await readOrWrite(path, `admin_${randomBytes(24).toString('base64url')}`)
  if (isAdminToken(token)) return token
  throw new Error(`${path} holds no token of ${adminTokenForm}; delete it to have one generated`)
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
