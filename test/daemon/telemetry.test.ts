import t from 'tap'
import { ControlError } from '../../src/controlplane/model/errors.ts'
import { logged } from '../../src/daemon/telemetry.ts'
import { createLog } from '../../src/telemetry/log.ts'

function collect() {
  const lines: Record<string, unknown>[] = []
  const log = createLog('info', { write: (text: string) => void lines.push(JSON.parse(text)) })
  return { lines, hears: logged(log) }
}

t.test('that the database is away is said once, not by everybody who finds it so', async (t) => {
  const { lines, hears } = collect()
  const failed = (error: unknown) => hears.failed({ kind: 'failed', what: 'events were not stored', error })
  hears['database-away']({ kind: 'database-away', reason: 'timeout' })
  failed(new ControlError('unavailable', 'the database is not available'))
  failed(new Error('disk full'))
  t.match(lines, [
    { level: 'warn', msg: 'waiting for the database', reason: 'timeout' },
    { level: 'error', msg: 'events were not stored', err: { message: 'disk full' } },
  ])
  t.equal(lines.length, 2)
})

t.test('what operators did is told by its kind, without the time, which the line has', async (t) => {
  const { lines, hears } = collect()
  const event = { pool: 'p', member: 'm', what: 'set', state: 'drain', actor: 'ann', reason: '' } as const
  hears.operated({ kind: 'operated', events: [{ kind: 'override', ...event, at: new Date() }] })
  t.match(lines, [{ msg: 'override', pool: 'p', what: 'set', actor: 'ann' }])
  t.notOk('at' in lines[0]!)
})
