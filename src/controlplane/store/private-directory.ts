/**
 * The data directory is its owner's alone: who can read it has the secrets of webhooks and the admin token, who can write it
 * decides what is served. The files in it are made by several hands, so three things keep others out: the umask of the process
 * (`umask.ts`), the mode of the directory, and the modes of what was there before.
 *
 * As PostgreSQL does, a directory that is somebody else's is refused. One that is ours is closed (0700) where others may enter
 * it, and what lies in it with it. One that others may write is refused when something in it is not ours: it may have been
 * put there for us to believe in.
 */
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  type Stats,
  statSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ControlError } from '../model/errors.ts'

const ofOthers = 0o077
const writableByOthers = 0o022

/**
 * Makes a directory (0700) if there is none, and closes it to everybody else, with all that lies in it.
 *
 * @throws ControlError `invalid` that names the directory, when it can't be used or can't be made private
 */
export function preparePrivateDirectory(path: string): void {
  try {
    makeDirectory(resolve(path))
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw refusal(`the data directory ${path} can't be written: ${(error as Error).message}`, error)
  }
  // Systems without users of this kind (Windows) have no modes either.
  const user = process.getuid?.()
  if (user === undefined) return
  const found = statSync(path)
  if (found.uid !== user) {
    throw refusal(
      `the data directory ${path} belongs to user ${found.uid} and not to user ${user}, who runs this: name a folder below ` +
        'it, which is then made for this user alone',
    )
  }
  if ((found.mode & writableByOthers) !== 0) refuseForeign(path, user)
  closeToOthers(path, user)
  if ((statSync(path).mode & ofOthers) !== 0) {
    const mode = (found.mode & 0o7777).toString(8)
    throw refusal(
      `the data directory ${path} can be entered by others (mode ${mode}), and that can't be changed: take one with mode 700`,
    )
  }
}

/**
 * Whether a directory that can't be written can be read and believed: it is there, and nobody writes to it but its owner, who is
 * this user or the superuser.
 */
export function checkReadableDirectory(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.X_OK)
    const { uid, mode } = statSync(path)
    const user = process.getuid?.()
    return user === undefined || ((uid === user || uid === 0) && (mode & writableByOthers) === 0)
  } catch {
    return false
  }
}

/**
 * Not by `recursive`: Node's never ends where a file system takes no folders and says that what is above is missing (procfs).
 */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeDirectory(dirname(path))
    mkdirSync(path, { mode: 0o700 })
  }
}

function refuseForeign(path: string, user: number): void {
  for (const name of readdirSync(path)) {
    const { uid } = lstatSync(join(path, name))
    if (uid === user) continue
    throw refusal(
      `the data directory ${path} can be written by others, and ${name} in it belongs to user ${uid}: take it out, or ` +
        'take another directory',
    )
  }
}

/**
 * Takes the rights of others away, from the top down, so that nobody comes in meanwhile. Links are left alone: what they lead
 * to may be shared for a reason.
 */
function closeToOthers(path: string, user: number): void {
  const found = lstatOrNull(path)
  // What is not ours is not ours to change, such as mounted certificates; the directory around it is closed.
  if (found === null || found.uid !== user) return
  // A socket or a pipe is reached through its folder alone, which is closed.
  if (!found.isFile() && !found.isDirectory()) return
  if ((found.mode & ofOthers) !== 0) changeMode(path, found.mode & 0o700)
  if (found.isDirectory()) for (const name of readdirSync(path)) closeToOthers(join(path, name), user)
}

function changeMode(path: string, mode: number): void {
  let file: number | undefined
  try {
    // By a descriptor, so that a link that took its place meanwhile leads nowhere.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    fchmodSync(file, mode)
  } catch {
    // A read-only mount, or one without modes. The caller looks whether the directory itself is closed.
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function lstatOrNull(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}

function refusal(message: string, cause?: unknown): ControlError {
  return new ControlError('invalid', message, { cause })
}
