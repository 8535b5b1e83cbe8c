/** A Redis server of the system, for tests: it keeps nothing on disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import { freePort } from './free-port.ts'
import { type Program, startProgram } from './program.ts'

export interface RedisServer extends AsyncDisposable {
  readonly port: number
  /** Of its first database, with the password where it has one. */
  readonly url: string
  readonly pid: number
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** After `kill`, on the same port, with nothing in it. */
  restart(): Promise<void>
  /** SIGSTOP and SIGCONT: it takes connections, and whatever is sent, and says nothing. */
  freeze(): void
  thaw(): void
  /** One command, over a connection of its own. */
  run(...command: string[]): Promise<unknown>
}

export interface RedisOptions {
  readonly password?: string
  /** Paths of a certificate, its key, and who has signed it: by TLS alone. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly authority: string }
}

export async function startRedis({ password, tls }: RedisOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-redis-'))
  const port = await freePort()
  const listening =
    tls === undefined
      ? ['--port', String(port)]
      : [
          ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', tls.cert, '--tls-key-file', tls.key, '--tls-ca-cert-file', tls.authority],
        ]
  const args = [
    ...listening,
    ...['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    ...(password === undefined ? [] : ['--requirepass', password]),
  ]
  const start = async (): Promise<Program> => {
    const started = startProgram('redis-server', args, { cwd: folder })
    await started.said(/Ready to accept connections/)
    return started
  }
  let running = await start()
  const login = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  const url = `${tls === undefined ? 'redis' : 'rediss'}://${login}127.0.0.1:${port}`
  return {
    port,
    url,
    get pid() {
      return running.pid
    },
    kill: () => running.stop('SIGKILL'),
    restart: async () => {
      running = await start()
    },
    freeze: () => process.kill(running.pid, 'SIGSTOP'),
    thaw: () => process.kill(running.pid, 'SIGCONT'),
    run: async (...command) => {
      const client = createClient({ url })
      await client.connect()
      try {
        return await client.sendCommand(command)
      } finally {
        client.destroy()
      }
    },
    [Symbol.asyncDispose]: async () => {
      await running.stop('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
