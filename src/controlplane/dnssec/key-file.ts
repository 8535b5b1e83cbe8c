/**
 * The file whose secret the private keys of zones are sealed by: 32 random octets in base64, as `openssl rand -base64 32` writes them. All
 * nodes of a fleet have the same. Where none is named it lies in the data directory, and is made with the first key.
 *
 * Nobody else may read it, and nobody else may have written it: so it belongs to who runs this, with mode 0600 at the most, or to root,
 * who may let the group read it, as secrets of containers are mounted.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { SealError } from './sealing.ts'

const secretLength = 32
/** More than that is none: nothing large is read into memory for it. */
const longestFile = 1024

/** Which file, and whether it may be made where there is none. */
export interface KeyFile {
  readonly path: string
  readonly mayBeMade: boolean
}

/** @returns 32 octets @throws SealError that names the file */
export function readKeyFile({ path }: KeyFile): Uint8Array {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new SealError(
      code === 'ENOENT' ? `there is no key file ${path}` : `the key file ${path} can't be read: ${message}`,
    )
  }
  try {
    const { uid, mode, size } = fstatSync(file)
    checkOwner(path, uid, mode & 0o777)
    return secretOf(path, size > longestFile ? '' : readFileSync(file, 'latin1'))
  } finally {
    closeSync(file)
  }
}

/** The same; makes the file where there is none, and that is allowed. @throws SealError */
export function readOrMakeKeyFile(keyFile: KeyFile): Uint8Array {
  if (keyFile.mayBeMade) makeKeyFile(keyFile.path)
  return readKeyFile(keyFile)
}

function checkOwner(path: string, uid: number, mode: number): void {
  // Systems without users of this kind (Windows) have no modes either.
  const user = process.getuid?.()
  if (user === undefined) return
  if (uid !== user && uid !== 0) {
    throw new SealError(`the key file ${path} belongs to user ${uid} and not to user ${user}, who runs this`)
  }
  const allowed = uid === 0 ? 0o740 : 0o700
  if ((mode & ~allowed) !== 0) {
    const shown = mode.toString(8).padStart(4, '0')
    throw new SealError(`the key file ${path} is open to others (mode ${shown}): chmod 600 it`)
  }
}

function secretOf(path: string, text: string): Uint8Array {
  const trimmed = text.trim()
  const secret = /^[A-Za-z0-9+/]{43}=$/.test(trimmed) ? Buffer.from(trimmed, 'base64') : null
  if (secret?.length === secretLength) return secret
  throw new SealError(
    `the key file ${path} does not hold ${secretLength} octets in base64, as "openssl rand -base64 ${secretLength}" writes them`,
  )
}

/** Whole or not at all, and never in the place of one that is there. */
function makeKeyFile(path: string): void {
  const beside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = openSync(beside, 'wx', 0o600)
    try {
      writeSync(file, `${randomBytes(secretLength).toString('base64')}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(beside, path)
    const folder = openSync(dirname(path), 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST') throw new SealError(`the key file ${path} can't be made: ${message}`)
  } finally {
    rmSync(beside, { force: true })
  }
}
