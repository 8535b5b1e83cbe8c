import t from 'tap'
import { logged } from '../../src/daemon/telemetry.ts'
import { createLog } from '../../src/telemetry/log.ts'

function collect() {
  const lines: Record<string, unknown>[] = []
  const log = createLog('info', { write: (text: string) => void lines.push(JSON.parse(text)) })
  return { lines, hears: logged(log) }
}

t.test('what operators did is told by its kind, without the time, which the line has', async (t) => {
  const { lines, hears } = collect()
  const event = { pool: 'p', member: 'm', what: 'set', state: 'drain', actor: 'ann', reason: '' } as const
  hears.operated({ kind: 'operated', events: [{ kind: 'override', ...event, at: new Date() }] })
  t.match(lines, [{ msg: 'override', pool: 'p', what: 'set', actor: 'ann' }])
  t.notOk('at' in lines[0]!)
})
