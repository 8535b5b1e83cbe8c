/** The embedded database in a data directory, as a first start leaves it, for tests that are not about first starts. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Database } from '../../src/controlplane/store/database.ts'
import { copyFolder, kept, temporaryDataFolder } from './kept.ts'
import { patience } from './patience.ts'

/** Puts one with nothing in it into a data directory, which may not exist yet. */
export async function placeEmbeddedDatabase(dataDir: string): Promise<void> {
  const folder = await temporaryDataFolder('pooldns-embedded-')
  try {
    const origin = await kept('embedded', [], () => makeFirst(folder))
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    await copyFolder(origin, join(dataDir, 'db'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeFirst(dataDir: string): Promise<string> {
  await using database = await Database.open({ url: null, dataDir })
  await database.ready(patience())
  return join(dataDir, 'db')
}
