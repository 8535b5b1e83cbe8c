/**
 * Compiled code that is kept between starts, which makes them quicker. Whatever lies there is run, unread: the checks on it are
 * against accidents. Node's own choice is a name in the folder for temporary files, which any user of the host may take first
 * and fill. Ours is a folder that nobody but this user can write, or none.
 */
import { lstatSync, mkdirSync, statSync } from 'node:fs'
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const writableByOthers = 0o022
const sticky = 0o1000

/** Keeps what is compiled from now on. NODE_COMPILE_CACHE names another place; without a safe one nothing is kept. */
export function keepCompiledCode(): void {
  if (getCompileCacheDir() !== undefined) return
  const path = privateFolder()
  if (path !== null) enableCompileCache(path)
}

function privateFolder(): string | null {
  const user = process.getuid?.()
  // Systems without users of this kind (Windows) have a temporary folder for each.
  if (user === undefined) return join(tmpdir(), 'pooldns-compiled')
  const path = join(tmpdir(), `pooldns-compiled-${user}`)
  try {
    const around = statSync(tmpdir())
    if (around.uid !== 0 && around.uid !== user) return null
    // Without the sticky bit others may put a folder of theirs in the place of ours.
    if ((around.mode & writableByOthers) !== 0 && (around.mode & sticky) === 0) return null
    mkdirSync(path, { recursive: true, mode: 0o700 })
    // Not what a link leads to: a link is whose it likes.
    const found = lstatSync(path)
    return found.isDirectory() && found.uid === user && (found.mode & writableByOthers) === 0 ? path : null
  } catch {
    return null
  }
}
