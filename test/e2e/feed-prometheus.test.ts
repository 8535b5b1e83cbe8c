/** A real exporter, a real Prometheus that scrapes it, and servers that read a feed of it. */
import { Resolver } from 'node:dns/promises'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { patience } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import { missingPrograms, startProgram } from '../support/program.ts'

const skip = missingPrograms('prometheus', 'prometheus-node-exporter')

t.test('a feed of a Prometheus', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-feed-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const exporterAt = `127.0.0.1:${await freePort()}`
  const prometheusAt = `127.0.0.1:${await freePort()}`
  /** What the exporter shows of members. */
  const show = async (loads: Readonly<Record<string, number>>) => {
    const lines = Object.entries(loads).map(
      ([name, load]) => `member_load{pool="web",name="${name}"} ${load}\n`,
    )
    await writeFile(join(folder, 'load.new'), `# TYPE member_load gauge\n${lines.join('')}`)
    await rename(join(folder, 'load.new'), join(folder, 'load.prom'))
  }
  await show({ a: 0.25, b: 0.75 })
  await using exporter = startProgram('prometheus-node-exporter', [
    `--web.listen-address=${exporterAt}`,
    '--collector.disable-defaults',
    '--collector.textfile',
    `--collector.textfile.directory=${folder}`,
  ])
  await exporter.said(/Listening on/)
  await writeFile(
    join(folder, 'prometheus.yaml'),
    `global: { scrape_interval: 500ms, scrape_timeout: 500ms }
scrape_configs: [{ job_name: node, static_configs: [{ targets: ['${exporterAt}'] }] }]
`,
  )
  const start = async () => {
    const started = startProgram('prometheus', [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${prometheusAt}`,
    ])
    await started.said(/Server is ready/)
    return started
  }
  let prometheus = await start()
  t.teardown(() => prometheus.stop())

  await using postgres = await startPostgres()
  const url = await postgres.createEmptyDatabase()
  const env = { DATABASE_URL: url, POOLDNS_PROBE_ALLOW: '127.0.0.0/8' }
  await using one = await startDaemonProcess({ env })
  await using two = await startDaemonProcess({ env })
  const database = new pg.Client({ connectionString: url })
  await database.connect()
  await using _connection = { [Symbol.asyncDispose]: () => database.end() }
  const signal = patience()
  // Nobody tells when a value has come.
  const until = async <T>(look: () => Promise<T | null>): Promise<T> => {
    for (;;) {
      const found = await look()
      if (found !== null) return found
      await delay(100, undefined, { signal })
    }
  }
  const latest = async () => {
    const { rows } = await database.query<{ e: string; v: string }>(
      `select id_entity as e, "values"::text as v from feed_latest order by 1`,
    )
    return Object.fromEntries(rows.map(({ e, v }) => [e, v]))
  }

  const feed = {
    columns: { load: {} },
    source: {
      prometheus: `http://${prometheusAt}`,
      query: 'member_load',
      every: '1s',
      entity: '{pool}/{name}',
    },
  }
  // The first scrape may not have been yet.
  const made = await one.request('/v1/feeds/member_load', { method: 'PUT', json: feed })
  t.equal(made.status, 201)
  const status = async (daemon = one) => {
    const reply = await daemon.request('/v1/feeds/member_load/declaration')
    return ((await reply.json()) as { status: { source: Record<string, unknown> } }).status.source
  }

  await t.test('what it measures becomes rows, on whatever server', async (t) => {
    await until(async () => ((await latest())['web/b'] === undefined ? null : true))
    t.same(await latest(), { 'web/a': '{0.25}', 'web/b': '{0.75}' })
    await until(async () => ((await status()).state === 'ok' ? true : null))
    // Where a scrape took too long the query finds nothing, until the next one.
    const last = await until(async () => {
      const found = await status(two)
      return found.rows === 2 ? found : null
    })
    t.match(last, { state: 'ok', rows: 2, leftOut: 0, at: String, node: String })
    await show({ a: 0.5, b: 0.75, c: 1 })
    await until(async () => ((await latest())['web/a'] === '{0.5}' ? true : null))
    t.same(await latest(), { 'web/a': '{0.5}', 'web/b': '{0.75}', 'web/c': '{1}' })
  })

  await t.test('one server asks at a time', async (t) => {
    const count = async () => {
      const pages = await Promise.all([one, two].map(({ http }) => fetch(`${http}/metrics`)))
      const texts = await Promise.all(pages.map((page) => page.text()))
      return texts.map((text) =>
        Number(/^pooldns_feed_source_reads_total\{feed="member_load",outcome="read"\} (\d+)/m.exec(text)![1]),
      )
    }
    const begun = performance.now()
    const before = await count()
    const total = (counts: readonly number[]) => counts.reduce((sum, each) => sum + each, 0)
    const after = await until(async () => {
      const now = await count()
      return total(now) >= total(before) + 6 ? now : null
    })
    const seconds = (performance.now() - begun) / 1000
    // One at each end, and one that had begun before and took long.
    t.ok(total(after) - total(before) <= seconds + 2, `${before} to ${after} in ${seconds} s`)
  })

  await t.test('a service is answered by what the exporter shows', async (t) => {
    const weight = {
      feed: 'member_load',
      entity: '{pool}/{member}',
      column: 'load',
      scale: 100,
      maxAge: '1h',
    }
    const applied = await one.request('/v1/config', {
      method: 'PUT',
      json: {
        zones: {
          'example.test': {
            soa: { mname: 'ns1.example.test.', rname: 'h.example.test.' },
            rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.net.'] }],
          },
        },
        pools: {
          web: {
            select: 'weighted',
            members: { a: { address: '192.0.2.1', weight }, b: { address: '192.0.2.2', weight } },
          },
        },
        services: { 'www.example.test': { pools: ['web'] } },
      },
    })
    t.equal(applied.status, 200)
    const resolver = new Resolver({ timeout: 60_000, tries: 3 })
    resolver.setServers([`127.0.0.1:${one.dns.port}`])
    const shareOfA = async (queries: number) => {
      let count = 0
      for (let nth = 0; nth < queries; nth++) {
        if ((await resolver.resolve4('www.example.test')).includes('192.0.2.1')) count++
      }
      return count
    }
    await show({ a: 0, b: 0.75 })
    await until(async () => ((await shareOfA(30)) === 0 ? true : null))
    await show({ a: 0.25, b: 0 })
    await until(async () => ((await shareOfA(30)) === 30 ? true : null))
    await show({ a: 0.25, b: 0.75 })
    await until(async () => ((await latest())['web/b'] === '{0.75}' ? true : null))
    await until(async () => ((await shareOfA(30)) < 30 ? true : null))
    const queries = 1000
    const found = await shareOfA(queries)
    const chiSquared = (found - queries / 4) ** 2 * (4 / queries + 4 / (3 * queries))
    t.ok(chiSquared < 15.1, `a has ${found} of ${queries}, where a quarter is meant (p = 0.0001)`)
  })

  await t.test('a Prometheus that is away, and comes back', async (t) => {
    /** Whichever of them says so from now on. */
    const isSaid = (wanted: string) =>
      Promise.race(
        [one, two].map((each) =>
          each.line(({ msg, to }) => msg === 'feed' && to === wanted, { from: each.lines.length }),
        ),
      )
    const failing = isSaid('failing')
    await prometheus.stop()
    t.match(await failing, { feed: 'member_load', from: 'ok', reason: /ECONNREFUSED|hang up|closed/ })
    await until(async () => ((await status()).state === 'failing' ? true : null))
    t.match(await status(), { reason: String, failingSince: String })
    const again = isSaid('ok')
    prometheus = await start()
    t.match(await again, { feed: 'member_load', from: 'failing', reason: 'its source answers again' })
    const items = await until(async () => {
      const events = await one.request('/v1/events?kind=feed')
      const found = ((await events.json()) as { items: { to: string }[] }).items
      return found.length >= 2 && found[0]!.to === 'ok' ? found : null
    })
    t.match(items, [
      { kind: 'feed', feed: 'member_load', from: 'failing', to: 'ok' },
      { kind: 'feed', feed: 'member_load', from: 'ok', to: 'failing' },
    ])
  })

  await t.test('a query that is none is told as Prometheus tells it', async (t) => {
    const { status: changed } = await one.request('/v1/feeds/member_load', {
      method: 'PATCH',
      json: { source: { query: 'sum(member_load' } },
    })
    t.equal(changed, 200)
    await until(async () => (/parse error/.test(String((await status()).reason)) ? true : null))
    t.match(await status(), {
      state: 'failing',
      reason: /^status 400: .*parse error: unclosed left parenthesis/,
    })
  })
})

t.test('an address that is not to be asked', async (t) => {
  await using daemon = await startDaemonProcess({ env: { POOLDNS_PROBE_ALLOW: '127.0.0.2/32' } })
  const source = { prometheus: `http://127.0.0.1:${await freePort()}`, query: 'up' }
  const failing = daemon.line(({ msg, to }) => msg === 'feed' && to === 'failing')
  await daemon.request('/v1/feeds/load', { method: 'PUT', json: { columns: { value: {} }, source } })
  t.match(await failing, { feed: 'load', reason: '127.0.0.1 is loopback and not allowed to be probed' })
})
