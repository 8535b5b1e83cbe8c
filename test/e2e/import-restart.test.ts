/** A server that is killed while rows are sent to it: who sends them waits for the next, and no row is lost. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { ApiClient } from '../../src/commands/api-client.ts'
import { send } from '../../src/commands/import-feed.ts'
import type { FeedColumn } from '../../src/controlplane/model/feed.ts'
import { type DaemonProcess, main, node, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually } from './fixture.ts'

const entities = 100
const rows = 100_000

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-import-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

/** A row a minute of each entity. */
function csv(): string {
  const begin = Date.UTC(2026, 0, 1)
  const lines = Array.from({ length: rows }, (_, nth) => {
    const minute = Math.floor(nth / entities)
    return `${new Date(begin + minute * 60_000).toISOString()},e${nth % entities},${nth}\n`
  })
  return `time_instant,id_entity,n\n${lines.join('')}`
}

/** By pages, since one answer has its limit. */
async function count(daemon: DaemonProcess): Promise<number> {
  let found = 0
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: string = cursor === '' ? '' : `&cursor=${cursor}`
    const response = await daemon.request(`/v1/feeds/killed?limit=20000${page}`)
    if (!response.ok) return 0
    const { items, nextCursor } = (await response.json()) as { items: unknown[]; nextCursor: string | null }
    found += items.length
    cursor = nextCursor
  }
  return found
}

t.test('an import goes on by the server that comes after one that was killed', async (t) => {
  await using postgres = await startPostgres()
  const env = {
    DATABASE_URL: await postgres.createDatabase(),
    POOLDNS_HTTP_LISTEN: `127.0.0.1:${await freePort()}`,
    POOLDNS_WORKERS: '1',
  }
  const dataDir = await mkdtemp(join(folder, 'data-'))
  const first = await startDaemonProcess({ env, dataDir })
  const path = join(folder, 'rows.csv')
  await writeFile(path, csv())
  const asked = { POOLDNS_SERVER: first.http, POOLDNS_TOKEN: first.token, POOLDNS_DATA_DIR: dataDir }
  const child = spawn(node, [main, 'import-feed', path, '--feed', 'killed'], {
    env: { ...process.env, ...asked },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  await eventually(async () => {
    const response = await first.request('/v1/feeds/killed?latest=true&limit=1')
    return (await response.text()).includes('"n"') && response.ok ? true : undefined
  })
  t.equal(child.exitCode, null, 'it is under way')
  first.signal('SIGKILL')
  await first.exited
  await using second = await startDaemonProcess({ env, dataDir })
  t.equal(await ended, 0)
  const [stdout, stderr] = await said
  t.match(stdout, /^feed killed: 100000 rows, \d+ of them new or changed\n$/, stderr)
  t.equal(await count(second), rows)
})

t.test('where none comes, what is said of the rows is true', async (t) => {
  const nobody = new ApiClient(`http://127.0.0.1:${await freePort()}`, 'token')
  const column: FeedColumn = { name: 'n', type: 'double', unit: '', description: '' }
  const row = { entity: 'e', micros: 0, values: [1] }
  await t.rejects(send(nobody, '/v1/feeds/killed', { columns: [column] }, [row], 1), {
    message: /ECONNREFUSED .*; rows that were sent before are kept: the same command again adds the others/,
  })
})
