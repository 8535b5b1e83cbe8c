/**
 * Where this server's API listens, left in the data directory for commands on the same host. They go by the server that has the database
 * open, which nobody else may open then, without being told its address.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatListenAddress, type ListenAddress } from '../dataplane/listener/listener.ts'

const pathIn = (dataDir: string) => join(dataDir, 'http-address')

/** Leaves it there until it is disposed of. On a disk that takes nothing there is none, and commands are told the address. */
export function leaveAddress(dataDir: string, http: ListenAddress): Disposable {
  const path = pathIn(dataDir)
  const text = `http://${formatListenAddress(reachable(http))}\n`
  const beside = `${path}.${process.pid}`
  try {
    writeFileSync(beside, text, { mode: 0o600 })
    renameSync(beside, path)
  } catch {
    quietly(() => rmSync(beside, { force: true }))
  }
  return {
    [Symbol.dispose]: () => {
      // Another one may have begun on the same directory.
      if (addressLeftIn(dataDir) === text.trim()) quietly(() => rmSync(path, { force: true }))
    },
  }
}

/** The URL that a server has left, which a server that was killed has left, too; null for none. */
export function addressLeftIn(dataDir: string): string | null {
  try {
    const text = readFileSync(pathIn(dataDir), 'utf8').trim()
    return /^http:\/\//.test(text) && URL.canParse(text) ? text : null
  } catch {
    return null
  }
}

/** A wildcard is no address to send anything to. */
export function reachable({ host, port }: ListenAddress): ListenAddress {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port }
  return host === '::' ? { host: '::1', port } : { host, port }
}

function quietly(run: () => void): void {
  try {
    run()
  } catch {
    // What can't be removed is written over by the next start.
  }
}
