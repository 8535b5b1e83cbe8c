/**
 * Two servers on one database, each of which makes its own signatures: whoever asks both, now the one and now the other, finds nothing bogus
 * while a zone is edited, goes over to hashes, and has its signatures made anew. POOLDNS_DNSSEC_FLEET_SECONDS says for how long at the least.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { missingPrograms } from '../support/program.ts'
import { clockOption, setClock } from '../support/shifted-clock.ts'
import { rrsets } from './dnssec-fixture.ts'
import { eventually, put, soa } from './fixture.ts'
import { apex, full, pooldns, startUnbound } from './validators.ts'

const skip = missingPrograms('unbound')
const leastSeconds = Number(process.env.POOLDNS_DNSSEC_FLEET_SECONDS ?? 0)
const daySeconds = 86_400

/** Keeps some of what it is told for a second, so that what one server said meets what the other one says. */
const shortly = [
  'cache-max-ttl: 1',
  'cache-max-negative-ttl: 1',
  'harden-dnssec-stripped: yes',
  // A server that was slow once is asked again soon.
  'infra-host-ttl: 1',
]

async function queriesOf(daemon: DaemonProcess): Promise<number> {
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  const counts = text.matchAll(/^pooldns_dns_queries_total\{.*\} (\d+)$/gm)
  return Array.from(counts, ([, count]) => Number(count)).reduce((a, b) => a + b, 0)
}

t.test('who asks two servers finds nothing bogus', { skip }, async (t) => {
  const folder = await temporaryDataFolder('pooldns-dnssec-fleet-')
  const clock = join(folder, 'ahead')
  await setClock(clock, 0)
  const keyFile = join(folder, 'key')
  await writeFile(keyFile, `${Buffer.alloc(32, 5).toString('base64')}\n`, { mode: 0o600 })
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase(), POOLDNS_KEY_FILE: keyFile }
  const nodeArgs = [clockOption(clock)]
  await using one = await startDaemonProcess({ env, nodeArgs })
  await using two = await startDaemonProcess({ env, nodeArgs })
  await put(one, `/v1/zones/${apex}`, { soa, rrsets })
  await put(one, '/v1/pools/p', { select: 'weighted', members: { a: { address: '192.0.2.21' } } })
  await put(one, `/v1/services/${full('served')}`, { pools: ['p'], ttl: 20 })
  await pooldns(one, 'dnssec', 'enable', apex)
  const anchor = await pooldns(one, 'dnssec', 'ds', apex, '--format', 'unbound')
  await eventually(async () => {
    const { status } = await (await two.request(`/v1/zones/${apex}/dnssec`)).json()
    return status?.signatures?.trouble === null || undefined
  })
  // A day on which signatures of today are good, and those that are made on it.
  const date = `val-override-date: "${Math.floor(Date.now() / 1000) + 8 * daySeconds}"`
  const ask = await startUnbound(t, one, { folder, anchor, others: [two], more: [...shortly, date] })
  const state = { isOver: false, asked: 0 }
  const asking = (async () => {
    while (!state.isOver) {
      const number = state.asked++
      const asked: readonly (readonly [name: string, type: string])[] = [
        ['www', 'A'],
        [`nope${number}`, 'A'],
        [`edit${number % 10}`, 'A'],
        [`x${number}.wild`, 'TXT'],
        ['served', 'A'],
        ['@', 'SOA'],
        ['insecure', 'DS'],
      ]
      for (const [name, type] of asked) {
        const { flags, rcode } = await ask(name, type)
        if (rcode === 2 || !flags.includes(' ad')) t.fail(`${name} ${type}: ${rcode} ${flags}`)
      }
      await delay(50)
    }
  })()
  const nodes = [one, two]
  const since = performance.now()
  for (let round = 0; round < 10 || performance.now() - since < leastSeconds * 1000; round++) {
    const path = `/v1/zones/${apex}/rrsets/edit${round % 10}/A`
    await put(nodes[round % 2]!, path, { data: [`192.0.2.${round % 250}`] })
    if (round % 3 === 2) await nodes[(round + 1) % 2]!.request(path, { method: 'DELETE' })
    if (round === 4) await pooldns(two, 'dnssec', 'enable', apex, '--denial', 'nsec3')
    if (round === 8) await setClock(clock, 8 * daySeconds)
  }
  for (const node of nodes) {
    await eventually(async () => {
      const { status } = await (await node.request(`/v1/zones/${apex}/dnssec`)).json()
      const left = Date.parse(status.signatures.expiresAt) / 1000 - Date.now() / 1000
      return left > 18 * daySeconds || undefined
    })
  }
  const before = state.asked
  await eventually(async () => (state.asked > before + 20 ? true : undefined))
  for (const node of nodes) await eventually(async () => ((await queriesOf(node)) > 20 ? true : undefined))
  t.pass('both were asked')
  state.isOver = true
  await asking
})
