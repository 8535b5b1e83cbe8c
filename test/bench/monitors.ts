/**
 * The scenario `monitors`: what checking 10,000 members every ten seconds costs, and whether it keeps up. No metric says how
 * late a check began, so the members tell: one and the same is checked again after 9 to 11 seconds (the scheduler moves
 * each check by up to 5 % of the interval), and what goes beyond 11 is lateness.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { node, repository } from '../support/daemon.ts'
import { startProgram } from '../support/program.ts'
import { type Pooldns, startPooldns } from './contestants.ts'
import { cpuSeconds, divideCores } from './measure.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { percentile } from './statistics.ts'
import { significant, thousands } from './table.ts'

const pools = 4
const membersPerPool = 2500
const members = pools * membersPerPool
const intervalSeconds = 10
/** The first checks of all members come at once: they are over after this. */
const settleSeconds = 2.2 * intervalSeconds
const measureSeconds = 3 * intervalSeconds
/** Later than this is too late. */
const lateMs = 1000
/** See above. */
const widestMs = 1.1 * intervalSeconds * 1000

interface Gaps {
  readonly gapsMs: readonly number[]
  /** That were ever checked. */
  readonly members: number
}

export async function run({ cores, signal, report }: ScenarioOptions): Promise<ScenarioResult> {
  const { server, generator } = divideCores(cores, 1)
  const file = join(repository, 'test/bench/monitored-members.ts')
  await using checked = startProgram('taskset', ['-c', generator, node, file])
  await checked.said(/^\d+\n/)
  const port = Number.parseInt(checked.output, 10)
  await using pooldns = await startPooldns('batch', 1, server)
  await addMembers(pooldns, port)
  report(`monitors: ${members} members are there; measuring in ${settleSeconds} s, for ${measureSeconds} s`)
  await delay(settleSeconds * 1000, undefined, { signal })
  const data = await measure(pooldns, `http://127.0.0.1:${port}`, signal)
  const row = [
    thousands(data.members),
    `${significant(data.checksPerSecond)}`,
    `${significant(data.coreShare * 100)} %`,
    ...[data.gapSeconds.p50, data.gapSeconds.p99, data.gapSeconds.max].map(significant),
    thousands(data.latestMs),
    thousands(data.late),
    String(data.failures),
  ]
  const columns = [
    'members',
    'checks/s',
    'of a core',
    'seconds between checks: p50',
    'p99',
    'max',
    'latest by ms',
    `later than ${lateMs} ms`,
    'failed',
  ]
  const title = `monitors: ${thousands(members)} members, each checked by HTTP every ${intervalSeconds} s`
  return { tables: [{ title, columns, rows: [row] }], data }
}

async function addMembers(pooldns: Pooldns, port: number): Promise<void> {
  const timing = { interval: `${intervalSeconds}s`, timeout: '5s' }
  await pooldns.request('/v1/monitors/many', { method: 'PUT', json: { port, ...timing } })
  for (let pool = 0; pool < pools; pool++) {
    const entries = Array.from({ length: membersPerPool }, (_, index) => {
      const address = `127.${pool + 1}.${index >> 8}.${index & 0xff}`
      return [`m${index}`, { address }]
    })
    const json = { monitor: 'many', members: Object.fromEntries(entries) }
    await pooldns.request(`/v1/pools/many-${pool}`, { method: 'PUT', json })
    const service = `/v1/services/many-${pool}.bench.test`
    await pooldns.request(service, { method: 'PUT', json: { pools: [`many-${pool}`] } })
  }
}

async function measure(pooldns: Pooldns, backend: string, signal: AbortSignal) {
  const failures = () => pooldns.metric('pooldns_probe_failures_total')
  const failuresBefore = await failures()
  await fetch(`${backend}/begin`, { method: 'POST', signal })
  const before = cpuSeconds(pooldns.pid)
  const began = performance.now()
  await delay(measureSeconds * 1000, undefined, { signal })
  const seconds = (performance.now() - began) / 1000
  const after = cpuSeconds(pooldns.pid)
  const { gapsMs, members: found } = (await (await fetch(`${backend}/gaps`, { signal })).json()) as Gaps
  const ascending = Float64Array.from(gapsMs).sort()
  const gap = (percent: number) => percentile(ascending, percent) / 1000
  return {
    members: found,
    checksPerSecond: gapsMs.length / seconds,
    coreShare: (after.user + after.system - before.user - before.system) / seconds,
    gapSeconds: { p50: gap(50), p99: gap(99), max: gap(100) },
    latestMs: Math.max(0, gap(100) * 1000 - widestMs),
    late: gapsMs.filter((gapMs) => gapMs > widestMs + lateMs).length,
    failures: (await failures()) - failuresBefore,
  }
}
