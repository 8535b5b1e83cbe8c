/**
 * Secrets among the settings. They come by the environment, or from a file that `<VARIABLE>_FILE` names, as container
 * platforms hand them out. They have no flags: `ps` shows every user what stands on a command line.
 */
import { closeSync, openSync, readSync } from 'node:fs'

/** Why a secret can't be had; the caller says it as an error of the configuration. */
export class SecretError extends Error {
  override readonly name = 'SecretError'
}

type Environment = Readonly<Record<string, string | undefined>>

/** Octets of a file with a secret. */
const longestSecret = 8192

/**
 * The text of a secret, from its variable or from the file that the variable with `_FILE` behind it names; undefined when
 * neither is set. One line end behind it is not part of it.
 *
 * @throws SecretError when both are set, or the file can't be read or is empty
 */
export function readSecret(variable: string, environment: Environment): string | undefined {
  const text = environment[variable] || undefined
  const path = environment[`${variable}_FILE`] || undefined
  if (path === undefined) return text
  if (text !== undefined)
    throw new SecretError(`${variable} and ${variable}_FILE are both set; one is enough`)
  const secret = readFirst(path, `${variable}_FILE`).replace(/\r?\n$/, '')
  if (secret === '') throw new SecretError(`${variable}_FILE: ${path} is empty`)
  return secret
}

/** Reads no more than a secret can have, whatever is there: a device has no end. */
function readFirst(path: string, source: string): string {
  const octets = Buffer.alloc(longestSecret + 1)
  let length = 0
  try {
    const file = openSync(path, 'r')
    try {
      for (let read = -1; read !== 0 && length < octets.length; length += read) {
        read = readSync(file, octets, length, octets.length - length, null)
      }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new SecretError(`${source}: ${path} can't be read: ${(error as Error).message}`)
  }
  if (length > longestSecret)
    throw new SecretError(`${source}: ${path} has more than ${longestSecret} octets`)
  return octets.toString('utf8', 0, length)
}

/** What guesses are made against. Twenty-four characters of base64 are 144 bits, of hexadecimal digits 96. */
const shortestAdminToken = 24
/** Well within the header fields that Node reads. */
const longestAdminToken = 1024

export const adminTokenForm = `${shortestAdminToken} to ${longestAdminToken} printable ASCII characters without white space`

export function isAdminToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text) && text.length >= shortestAdminToken && text.length <= longestAdminToken
}

/** Whether a URL has a password, in either of the places that PostgreSQL's clients take one from. */
export function hasPassword(url: string): boolean {
  // One of several hosts is no URL to others.
  return /^[^:/]+:\/\/[^:/?#]*:[^/?#]*@/.test(url) || /[?&]password=/.test(url)
}
