/**
 * The scenario `zones`: documents of many zones by HTTP, beside each other on a database that is near and on one that is 50 ms away, unsigned and
 * signed. Applied, applied again with nothing to do, each zone changed, exported, taken back, and deleted; each until it is served.
 */
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { significant, thousands } from './table.ts'

interface Kind {
  readonly name: string
  readonly zones: number
  readonly signed: boolean
  readonly delayMs: number
}

const kinds: readonly Kind[] = [
  { name: 'unsigned', zones: 10_000, signed: false, delayMs: 0 },
  { name: 'signed', zones: 10_000, signed: true, delayMs: 0 },
  { name: 'unsigned, 50 ms away', zones: 200, signed: false, delayMs: 50 },
  { name: 'signed, 50 ms away', zones: 200, signed: true, delayMs: 50 },
]

const soa = { mname: 'ns1.names.test.', rname: 'hostmaster.names.test.' }

function documentOf({ zones, signed }: Kind, address: string) {
  const zone = {
    soa,
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1.names.test.'] },
      { name: 'www', type: 'A', data: [address] },
    ],
    ...(signed ? { dnssec: { enabled: true } } : {}),
  }
  return { zones: Object.fromEntries(Array.from({ length: zones }, (_, nth) => [`z${nth}.test`, zone])) }
}

export async function run({ signal, report }: ScenarioOptions): Promise<ScenarioResult> {
  await using postgres = await startPostgres()
  const folder = await temporaryDataFolder('pooldns-bench-zones-')
  try {
    const keyFile = join(folder, 'key')
    await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
    const found: { readonly kind: Kind; readonly times: ReadonlyMap<string, number> }[] = []
    for (const kind of kinds) {
      signal.throwIfAborted()
      const url = await postgres.createDatabase()
      await using proxy = await startPostgresProxy(url, { delayMs: kind.delayMs })
      await using daemon = await startDaemonProcess({
        env: { DATABASE_URL: proxy.through(url), POOLDNS_KEY_FILE: keyFile },
      })
      const times = await timesOf(daemon, kind)
      report(`zones: ${kind.name}: ${[...times].map(([step, ms]) => `${step} ${ms.toFixed(0)}`).join(', ')}`)
      found.push({ kind, times })
    }
    const table = {
      title: 'zones: seconds of a document of zones with two RRsets each, until it is served',
      columns: ['', ...found[0]!.times.keys()],
      rows: found.map(({ kind: { name, zones }, times }) => [
        `${thousands(zones)} zones, ${name}`,
        ...Array.from(times.values(), (ms) => significant(ms / 1000)),
      ]),
    }
    return { tables: [table], data: found.map(({ kind, times }) => ({ ...kind, times: [...times] })) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Milliseconds of each step. */
async function timesOf(daemon: DaemonProcess, kind: Kind): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>()
  const step = async (name: string, method: string, path: string, json?: unknown) => {
    const startedAt = performance.now()
    const response = await daemon.request(path, { method, ...(json === undefined ? {} : { json }) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`)
    const revision = Number(response.headers.get('etag')?.replaceAll('"', ''))
    if (method !== 'GET') await served(daemon, revision)
    times.set(name, performance.now() - startedAt)
    return revision
  }
  await step('apply', 'PUT', '/v1/config', documentOf(kind, '192.0.2.1'))
  await step('again', 'PUT', '/v1/config', documentOf(kind, '192.0.2.1'))
  const revision = await step('change each', 'PUT', '/v1/config', documentOf(kind, '192.0.2.2'))
  await step('export', 'GET', '/v1/config')
  await step('rollback', 'POST', `/v1/revisions/${revision - 1}/rollback`, {})
  await step('delete', 'PUT', '/v1/config?prune=true', { zones: {} })
  return times
}

/** Until DNS is answered by a revision. */
async function served(daemon: DaemonProcess, revision: number): Promise<void> {
  for (;;) {
    const text = await (await fetch(`${daemon.http}/metrics`)).text()
    if (Number(/^pooldns_config_revision (\d+)$/m.exec(text)?.[1]) >= revision) return
  }
}
