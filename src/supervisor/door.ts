/**
 * Where a command finds the supervisor of a server: a Unix socket in its data directory, which nobody else may enter. A client says one
 * word, a line of JSON, and is told what came of it.
 *
 * Rejected: a file with the number of the process, and signals. The number may be another process's by now, and a signal tells
 * nobody what came of it. The API: it is the control plane's, which may be what is to be replaced.
 */
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Outcome } from './replacement.ts'

/** sun_path of Linux, with its zero. */
const longestPath = 107
/** Clients at a time. */
const mostClients = 16
const wordOctets = 1024
/** Until a client has said its word. */
const wordWithinMs = 5000

export function doorOf(dataDir: string): string {
  return join(dataDir, 'supervisor.sock')
}

/**
 * Opens the door of a server.
 *
 * @throws Error when another server has the same data directory, or the path is too long for a socket
 */
export async function openDoor(dataDir: string, replace: () => Promise<Outcome>): Promise<Disposable> {
  const path = doorOf(dataDir)
  if (Buffer.byteLength(path) > longestPath)
    throw new Error(`${path} is too long: a socket has ${longestPath} octets`)
  if (await isTaken(path)) throw new Error(`another server listens at ${path}`)
  // Left behind by one that was killed.
  rmSync(path, { force: true })
  const server = createServer((client) => void serve(client, replace))
  server.maxConnections = mostClients
  await listen(server, path)
  // A client that could not be accepted, for want of a descriptor for instance, costs nobody else anything.
  server.on('error', () => undefined)
  server.unref()
  return { [Symbol.dispose]: () => void server.close() }
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path)
  await once(server, 'listening')
}

async function isTaken(path: string): Promise<boolean> {
  const client = connect(path)
  try {
    await once(client, 'connect')
    return true
  } catch {
    return false
  } finally {
    client.destroy()
  }
}

/** Whatever a client does or leaves undone ends its connection, and nothing else. */
async function serve(client: Socket, replace: () => Promise<Outcome>): Promise<void> {
  client.on('error', () => undefined)
  const said = await wordOf(client)
  if (said === null) return
  const outcome: Outcome = isRestart(said) ? await replace() : { replaced: false, reason: 'no such command' }
  client.end(`${JSON.stringify(outcome)}\n`)
}

/** Null when it says none in time, or goes before. */
async function wordOf(client: Socket): Promise<string | null> {
  const timer = setTimeout(() => client.destroy(), wordWithinMs)
  let said = ''
  try {
    for await (const chunk of client.setEncoding('latin1').iterator({ destroyOnReturn: false })) {
      said += chunk as string
      if (said.includes('\n') || said.length > wordOctets) break
    }
    return said
  } catch {
    return null
  } finally {
    clearTimeout(timer)
  }
}

function isRestart(said: string): boolean {
  try {
    return (JSON.parse(said) as { readonly command?: unknown } | null)?.command === 'restart'
  } catch {
    return false
  }
}

/**
 * Has the server with this data directory replace its processes, and waits for what comes of it.
 *
 * @throws Error when there is no such server, or it ends before it has said so
 */
export async function askToReplace(dataDir: string): Promise<Outcome> {
  const path = doorOf(dataDir)
  const client = connect(path)
  try {
    await once(client, 'connect')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const nobody = code === 'ENOENT' || code === 'ECONNREFUSED'
    throw new Error(nobody ? `no server runs with the data directory ${dataDir}` : message)
  }
  client.write('{"command":"restart"}\n')
  const answer = await text(client).catch(() => '')
  if (answer === '') throw new Error('the server ended before it was done')
  return JSON.parse(answer) as Outcome
}
