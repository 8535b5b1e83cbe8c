import t from 'tap'
import { ControlError } from '../../src/controlplane/model/errors.ts'
import { Faults } from '../../src/daemon/faults.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics/metrics.ts'
import { quietSources } from '../telemetry/metrics/sources.ts'

t.test('each is counted, and told once a minute for each place', async (t) => {
  const lines: Record<string, unknown>[] = []
  const log = createLog('info', { write: (line: string) => void lines.push(JSON.parse(line)) })
  const metrics = new Metrics('1', quietSources)
  let nowMs = 0
  const faults = new Faults(log, metrics, () => nowMs)
  const broken = () => {
    throw new TypeError('x is not a function')
  }
  for (nowMs = 0; nowMs < 59_000; nowMs += 1000) {
    faults.own('probe', 'connect EMFILE')
    faults.contain('timer', broken)
  }
  faults.own('webhook', 'EMFILE')
  faults.internal('timer', new ControlError('unavailable', 'the database is away'))
  nowMs = 61_000
  faults.own('probe', 'connect ENOBUFS')
  t.match(lines, [
    { where: 'probe', reason: 'connect EMFILE', count: 1 },
    { where: 'timer', err: { message: 'x is not a function' }, count: 1 },
    { where: 'webhook', count: 1 },
    { where: 'probe', reason: 'connect ENOBUFS', count: 59 },
  ])
  t.equal(lines.length, 4)
  const text = await metrics.text()
  for (const line of [
    'pooldns_own_faults_total{where="probe"} 60',
    'pooldns_own_faults_total{where="webhook"} 1',
    'pooldns_internal_errors_total{where="timer"} 59',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
})

t.test('what is tried again is told as what it is', async (t) => {
  const lines: Record<string, unknown>[] = []
  const log = createLog('info', { write: (line: string) => void lines.push(JSON.parse(line)) })
  const metrics = new Metrics('1', quietSources)
  const failed = new Faults(log, metrics).retried('reading failed')
  const reason = 'the compile thread: Worker initialization failure: EMFILE'
  failed(new Error(reason))
  failed(new Error('a defect'))
  failed(new ControlError('unavailable', 'the database is away'))
  t.match(lines, [
    { where: 'thread', reason: `reading failed: ${reason}` },
    { msg: 'reading failed', err: { message: 'a defect' } },
  ])
  t.equal(lines.length, 2)
  t.match(await metrics.text(), 'pooldns_own_faults_total{where="thread"} 1')
})
