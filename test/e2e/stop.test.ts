/** SIGTERM at each step of a start, which `/ready` tells: whatever the daemon waits for, it stops in order and in time. */
import { once } from 'node:events'
import { readdir, watch } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type DaemonChild, type DaemonOptions, spawnDaemon, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { patience } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import { startUpstream } from '../support/upstream.ts'
import { put } from './fixture.ts'
import { lb, zone } from './host-fixture.ts'

/** A server that takes connections and says nothing. */
async function startSilence(): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Resolves when a start has got as far as its data directory, which is just before HTTP is there. */
async function begun({ dataDir }: DaemonChild): Promise<void> {
  const changes = watch(dataDir, { signal: patience() })
  const entries = await readdir(dataDir)
  if (entries.includes('node-id')) return
  for await (const { filename } of changes) if (filename === 'node-id') return
}

/** What `/ready` says as soon as it fits; null when the start was over before anybody came to ask. */
async function told(http: string, missing: RegExp): Promise<string | null> {
  const deadline = patience()
  for (;;) {
    const reply = await fetch(`http://${http}/ready`).catch(() => null)
    const text = (await reply?.text()) ?? ''
    if (missing.test(text)) return (JSON.parse(text) as { detail: string }).detail
    if (reply?.status === 200) return null
    deadline.throwIfAborted()
  }
}

/**
 * Starts the daemon, ends it by SIGTERM as soon as `/ready` says what is missing, and holds the end against what it should be. Some steps
 * take a moment only: then it is started until one was met in it.
 */
async function stopAt(t: Test, missing: RegExp, env: DaemonOptions['env']): Promise<void> {
  const deadline = patience()
  while (!(await stopOnceAt(t, missing, env))) deadline.throwIfAborted()
}

/** @returns whether it was met in that step */
async function stopOnceAt(t: Test, missing: RegExp, env: DaemonOptions['env']): Promise<boolean> {
  const http = `127.0.0.1:${await freePort()}`
  await using daemon = await spawnDaemon({ env: { ...env, POOLDNS_HTTP_LISTEN: http } })
  await begun(daemon)
  const detail = await told(http, missing)
  if (detail === null) return false
  daemon.signal('SIGTERM')
  t.same(await daemon.exited, { code: 0, signal: null }, detail)
  t.match(daemon.lines.at(-1), { msg: 'stopped' })
  t.same(
    daemon.lines.filter(({ level }) => level === 'error' || level === 'fatal'),
    [],
  )
  return true
}

t.test('while nothing has been heard of the database', async (t) => {
  await using silence = await startSilence()
  await stopAt(t, /the database has not answered yet/, {
    DATABASE_URL: `postgres://user@127.0.0.1:${silence.port}/none`,
  })
})

t.test('while the database is away', async (t) => {
  await stopAt(t, /the database is not available: /, {
    DATABASE_URL: `postgres://user@127.0.0.1:${await freePort()}/none`,
  })
})

t.test('while the embedded database boots', async (t) => {
  await stopAt(t, /the database has not answered yet/, {})
})

t.test('with a database', async (t) => {
  await using postgres = await startPostgres()
  await using upstream = await startUpstream()
  await using silence = await startSilence()
  const env = { DATABASE_URL: await postgres.createDatabase(), POOLDNS_RESOLVERS: upstream.address }
  {
    await using first = await startDaemonProcess({ env })
    await put(first, '/v1/zones/example.test', zone)
    await put(first, '/v1/monitors/slow', { interval: '60s', timeout: '30s', port: silence.port })
    await put(first, '/v1/pools/web', { monitor: 'slow', members: { m: { address: '127.0.0.1' } } })
    await put(first, '/v1/pools/hosts', { members: { lb: { host: lb } } })
    await put(first, '/v1/services/www.example.test', { pools: ['web', 'hosts'] })
  }

  await t.test('while the configuration is read', async (t) => {
    const client = new pg.Client(env.DATABASE_URL)
    await client.connect()
    await client.query('begin; lock table cookie_keys in access exclusive mode')
    await stopAt(t, /the configuration is being read/, env)
    await client.end()
  })

  await t.test('while hosts are looked up', async (t) => {
    for (const type of ['A', 'AAAA']) upstream.says.set(`${lb} ${type}`, 'silence')
    await stopAt(t, /the hosts of members are being looked up/, env)
  })

  await t.test('while the listeners start', async (t) => {
    for (const type of ['A', 'AAAA']) upstream.says.set(`${lb} ${type}`, 'noerror')
    await stopAt(t, /the DNS listeners are starting/, { ...env, POOLDNS_WORKERS: '8' })
  })

  await t.test('during the first round of checks', async (t) => {
    await stopAt(t, /"detail":"the first round of checks is not done"/, env)
  })
})
