/**
 * A daemon that is killed while it writes: rows of feeds, documents, a folder of zones, a feed that is loaded. What it acknowledged is
 * there when it is back, of a document all or nothing, and whoever had sent something is told, or goes on.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type DaemonProcess, main, node, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { ask } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const members = 20
const zoneCount = 300

/** The nth document: every member says its number, so that half a document shows. */
function document(nth: number) {
  const all = Array.from({ length: members }, (_, at) => [
    `m${at}`,
    { address: `192.0.${nth % 250}.${at + 1}` },
  ])
  return { pools: { doc: { select: 'all', members: Object.fromEntries(all) } } }
}

interface Row {
  readonly id_entity: string
  readonly n: number
}

/** Does it again and again until the daemon is gone, the same once more where it had too much to do. @returns the last number that was acknowledged */
async function until(gone: AbortSignal, send: (nth: number) => Promise<Response>): Promise<number> {
  for (let nth = 1; ; nth++) {
    try {
      let reply = await send(nth)
      while (reply.status === 503) reply = await send(nth)
      const said = await reply.text()
      if (!reply.ok) throw new Error(`${reply.status} ${said}`)
    } catch (error) {
      if (!gone.aborted) throw error
      return nth - 1
    }
  }
}

async function rowsOf(daemon: DaemonProcess): Promise<readonly Row[]> {
  const reply = await daemon.request('/v1/feeds/acked?limit=1000000')
  return ((await reply.json()) as { items: Row[] }).items
}

t.test('what was acknowledged is there after a kill, and what was under way ends', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-kill-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const zones = join(folder, 'zones')
  await mkdir(zones)
  for (let nth = 0; nth < zoneCount; nth++) {
    const zone = `$TTL 300\n@ SOA ns1 hostmaster 3000000000 1h 10m 14d 60\n@ NS ns1\nns1 A 192.0.2.${nth % 250}\n`
    await writeFile(join(zones, `z${nth}.test`), zone)
  }
  const dataDir = join(folder, 'data')
  const env = { POOLDNS_HTTP_LISTEN: `127.0.0.1:${await freePort()}`, POOLDNS_WORKERS: '1' }
  const first = await startDaemonProcess({ env, dataDir })
  await put(first, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(first, '/v1/feeds/acked', { columns: { n: {} }, cache: '0' })
  const asked = { POOLDNS_SERVER: first.http, POOLDNS_TOKEN: first.token, POOLDNS_DATA_DIR: dataDir }
  const child = spawn(node, [main, 'import-zones', zones], {
    env: { ...process.env, ...asked },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const imported = Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.once('close', resolve)),
  ])

  const gone = new AbortController()
  const senders = ['a', 'b', 'c'].map((entity) =>
    until(gone.signal, (n) => {
      const json = {
        time_instant: new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString(),
        id_entity: entity,
        n,
      }
      return first.request('/v1/feeds/acked/rows', { method: 'POST', json })
    }),
  )
  const documents = until(gone.signal, (nth) =>
    first.request('/v1/config?prune=false', { method: 'PUT', json: document(nth) }),
  )
  // In the midst of all of them.
  await eventually(async () => {
    const { nextCursor } = (await (await first.request('/v1/zones?limit=2')).json()) as {
      nextCursor: unknown
    }
    const pool = await first.request('/v1/pools/doc')
    return nextCursor !== null && pool.ok && (await rowsOf(first)).length > 20 ? true : undefined
  })
  gone.abort()
  first.signal('SIGKILL')
  await first.exited
  const sent = await Promise.all(senders)
  const applied = await documents

  await using second = await startDaemonProcess({ env, dataDir })
  const rows = await rowsOf(second)
  for (const [nth, entity] of ['a', 'b', 'c'].entries()) {
    const numbers = rows.filter(({ id_entity }) => id_entity === entity).map(({ n }) => n)
    const all = Array.from({ length: sent[nth]! }, (_, at) => at + 1)
    t.ok(sent[nth]! > 0)
    t.same(numbers.slice(0, all.length), all, `each row of ${entity} that was acknowledged`)
    t.ok(numbers.length <= all.length + 1, 'and the one that was under way at the most')
  }
  const pool = (await (await second.request('/v1/pools/doc')).json()) as {
    members: Record<string, { address: string }>
  }
  const networks = new Set(Object.values(pool.members).map(({ address }) => address.split('.')[2]))
  t.equal(Object.keys(pool.members).length, members)
  t.equal(networks.size, 1, 'a document is applied as a whole')
  t.ok(
    [applied, applied + 1].some((nth) => networks.has(`${nth % 250}`)),
    `document ${applied} or the next`,
  )

  const [stdout, stderr, code] = await imported
  t.ok(code === 0 || stderr.startsWith('pooldns: '), `it ends, and says how: ${stdout}${stderr}`)
  const again = spawn(node, [main, 'import-zones', zones], {
    env: { ...process.env, ...asked },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.match(
    await text(again.stdout),
    new RegExp(`^${zoneCount} zones: \\d+ imported, \\d+ the same already, 0 refused\\n$`),
  )
  const { answers } = await ask(second.dns, `ns1.z${zoneCount - 1}.test`)
  t.same(answers, [`192.0.2.${(zoneCount - 1) % 250}`])
})
