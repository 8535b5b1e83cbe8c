/**
 * What `pooldns login` writes down: a server and its token, in `$XDG_CONFIG_HOME/pooldns/login.json` (by default below `~/.config`),
 * for its user alone.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { UsageError } from '../config.ts'

export interface Login {
  readonly server: string
  readonly token: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** A relative XDG_CONFIG_HOME is to be passed over, by the specification of it. */
export function loginPath(environment: Environment): string {
  const configured = environment.XDG_CONFIG_HOME ?? ''
  const base = isAbsolute(configured) ? configured : join(environment.HOME || homedir(), '.config')
  return join(base, 'pooldns', 'login.json')
}

const forOthers = 0o077

/** Null when there is none. @throws UsageError for one that others may read, or that is none */
export function readLogin(environment: Environment): Login | null {
  const path = loginPath(environment)
  let text: string
  try {
    if (process.getuid !== undefined && (statSync(path).mode & forOthers) !== 0)
      throw new UsageError(`${path} holds a token and is open to others: chmod 600 ${path}`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return null
    throw error
  }
  const login = parse(text)
  if (login === null) throw new UsageError(`${path} can't be used: run "pooldns login" again, or delete it`)
  return login
}

function parse(text: string): Login | null {
  try {
    const { server, token } = JSON.parse(text) as Partial<Login>
    return typeof server === 'string' && typeof token === 'string' && URL.canParse(server)
      ? { server, token }
      : null
  } catch {
    return null
  }
}

/** Whole or not at all. */
export function writeLogin(environment: Environment, login: Login): string {
  const path = loginPath(environment)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const next = `${path}.${process.pid}`
  try {
    writeFileSync(next, `${JSON.stringify(login)}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(next, 0o600)
    renameSync(next, path)
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  }
  return path
}

/** @returns whether there was one */
export function removeLogin(environment: Environment): boolean {
  const path = loginPath(environment)
  try {
    rmSync(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
