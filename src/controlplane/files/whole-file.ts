/**
 * Files that survive whatever ends this process or this machine. One is written beside its place, synced, and renamed into it, and
 * then its folder is synced, so that there is the old text or the new one and nothing between.
 *
 * Of files that something is started from two generations are kept: the one in its place, and the one before under a name of its
 * own. A disk may give back other octets than it was given, and a file may be read by a version that can't make anything of it.
 * What can't be used is put aside rather than left in its place, or the next write would make it the generation before.
 *
 * Between the two renames of `replaceWhole` nothing is in its place; a process that ends there leaves the generation before, which
 * readers look for in any case. A hard link would leave no gap, but not every file system has them.
 */
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Where the generation before of a file is. */
export const beforeOf = (path: string) => `${path}.before`

/** Where a generation is put that can't be used, for somebody to look at; the next one replaces it. */
export const unusableOf = (path: string) => `${path}.unusable`

const besideOf = (path: string) => `${path}.new`

/** Writes a file that is whole or not there. The one that was in its place is gone. */
export async function writeWhole(path: string, ...parts: readonly Uint8Array[]): Promise<void> {
  await writeBeside(path, parts)
  await rename(besideOf(path), path)
  await syncFolder(dirname(path))
}

/**
 * Writes a file that is whole or not there, and keeps the one that was in its place as the generation before.
 *
 * The folder is the caller's to sync, once for many files.
 */
export async function replaceWhole(path: string, ...parts: readonly Uint8Array[]): Promise<void> {
  await writeBeside(path, parts)
  await rename(path, beforeOf(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rename(besideOf(path), path)
}

/** Puts what can't be used out of the way, whatever it is. Where nothing can be written it stays. */
export async function putAside(path: string): Promise<void> {
  const aside = unusableOf(path)
  try {
    await rm(aside, { recursive: true, force: true })
    await rename(path, aside)
  } catch {
    // Told with what is wrong with it; nothing else depends on where it is.
  }
}

/** Makes sure that what was renamed and deleted in a folder stays so. */
export async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders, and its file systems keep the order by themselves.
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function writeBeside(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const beside = besideOf(path)
  try {
    const file = await open(beside, 'w', 0o600)
    try {
      for (const part of parts) {
        for (let at = 0; at < part.length; ) at += (await file.write(part, at)).bytesWritten
      }
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    // On a full disk half a file would only take room from the next attempt.
    await rm(beside, { force: true }).catch(() => undefined)
    throw error
  }
}
