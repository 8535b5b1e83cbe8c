import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** SHA-256 of the configured admin token, or of the one in the data directory, which the first start generates. */
export async function adminTokenHash(configured: string | null, dataDir: string): Promise<Uint8Array> {
  const token = configured ?? (await readOrGenerate(join(dataDir, 'admin-token')))
  return createHash('sha256').update(token).digest()
}

async function readOrGenerate(path: string): Promise<string> {
  try {
    const token = randomBytes(24).toString('base64url')
    // `wx` fails when the file is there, so that two starts can't each believe in a token of their own.
    await writeFile(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
    return token
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const token = (await readFile(path, 'utf8')).trim()
  if (token === '') throw new Error(`${path} is empty; delete it to have a token generated`)
  return token
}
