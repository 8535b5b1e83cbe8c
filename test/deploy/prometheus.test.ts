/** The scrape configuration of docs/metrics.md in a real Prometheus, and its linter's opinion of what is scraped. */
import { spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { put } from '../e2e/fixture.ts'
import { startDaemonProcess } from '../support/daemon.ts'
import { onPorts, pageBlocks } from '../support/pages.ts'
import { patience } from '../support/patience.ts'
import { findProgram, missingPrograms } from '../support/program.ts'
import { startPrometheus } from '../support/prometheus.ts'

const skip = missingPrograms('prometheus', 'promtool')
const snippet = pageBlocks('docs/metrics.md').find(({ text }) => text.startsWith('scrape_configs:'))

t.test('a scraped daemon', { skip }, async (t) => {
  const daemon = await startDaemonProcess({ env: { POOLDNS_RESOLVERS: '127.0.0.1:9' } })
  t.teardown(() => daemon.stop())
  await put(daemon, '/v1/zones/example.test', {
    soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1.example.test.'] },
      { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
    ],
  })
  // A member that can't be up, so that transitions and failures have series.
  await put(daemon, '/v1/monitors/quick', {
    port: 9,
    interval: '1s',
    timeout: '1s',
    recheck: '50ms',
    fall: 1,
  })
  const members = { one: { address: '192.0.2.1', probe: { address: '127.0.0.1' } } }
  await put(daemon, '/v1/pools/web', { monitor: 'quick', members })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'] })
  await daemon.line(({ member, to }) => member === 'one' && to === 'down')
  const resolver = new Resolver({ timeout: 60_000, tries: 3 })
  resolver.setServers([`127.0.0.1:${daemon.dns.port}`])
  t.same(await resolver.resolve4('www.example.test'), ['192.0.2.1'])
  await t.rejects(resolver.resolve4('none.example.test'))
  t.equal((await fetch(`${daemon.http}/v1/tools/lookup?domain=www.example.test`)).status, 200)
  t.equal((await fetch(`${daemon.http}/v1/tools/lookup?domain=none.example.test`)).status, 404)

  await t.test('promtool finds nothing to say about the metrics', async (t) => {
    const page = await (await fetch(`${daemon.http}/metrics`)).text()
    for (const name of ['service_answers_total', 'member_transitions_total', 'probe_failures_total']) {
      t.match(page, new RegExp(`^pooldns_${name}\\{.*\\} [1-9]`, 'm'))
    }
    const promtool = spawn(findProgram('promtool')!, ['check', 'metrics'], { stdio: 'pipe' })
    const said = Promise.all([text(promtool.stdout), text(promtool.stderr), once(promtool, 'close')])
    promtool.stdin.end(page)
    const [out, err, [code]] = await said
    t.equal(out + err, '')
    t.equal(code, 0)
  })

  await t.test('Prometheus scrapes it as docs/metrics.md says', async (t) => {
    const scrape = onPorts(snippet!.text, daemon.dns.port, daemon.http)
    await using prometheus = await startPrometheus(
      `global: { scrape_interval: 500ms, scrape_timeout: 500ms }\n${scrape}`,
    )
    const signal = patience()
    // Prometheus tells nobody when it has scraped, and where that took too long it has nothing until the next time.
    const found = async (expression: string) => {
      for (;;) {
        const samples = await prometheus.query(expression)
        if (samples.length > 0) return samples
        await delay(50, undefined, { signal })
      }
    }
    t.match(await found('up == 1'), [{ metric: { job: 'pooldns' }, value: [Number, '1'] }])
    t.match(await found('pooldns_member_up'), [
      { metric: { pool: 'web', member: 'one' }, value: [Number, '0'] },
    ])
    t.match(await found('pooldns_build_info'), [{ metric: { version: String } }])
  })
})
