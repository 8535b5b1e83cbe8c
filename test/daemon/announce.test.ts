import t from 'tap'
import { ControlError } from '../../src/controlplane/model/errors.ts'
import { announceTo, type DaemonEvent, events, failing, type Listeners } from '../../src/daemon/announce.ts'
import { createLog } from '../../src/telemetry/log.ts'

type Kind = keyof typeof events
const kinds = Object.keys(events) as Kind[]
const names = [...new Set(kinds.flatMap((kind) => events[kind].heardBy as readonly string[]))]

/** Every listener has a handler for every event, so that one that the table doesn't name would be found. */
function listening(heard: string[]): Listeners {
  const handlers = (name: string) =>
    Object.fromEntries(
      kinds.map((kind) => [kind, (event: DaemonEvent) => heard.push(`${name} ${event.kind}`)]),
    )
  return Object.fromEntries(names.map((name) => [name, handlers(name)])) as unknown as Listeners
}

/** Lets errors of listeners through. */
const uncontained = { contain: (_where: string, run: () => void) => run() }

t.test('each event reaches exactly the listeners of its row, in their order', async (t) => {
  for (const kind of kinds) {
    const heard: string[] = []
    announceTo(() => listening(heard), uncontained)({ kind } as DaemonEvent)
    t.same(
      heard,
      events[kind].heardBy.map((name) => `${name} ${kind}`),
      kind,
    )
  }
})

t.test(
  'what a listener does is done when the announcement returns, also what it announces itself',
  async (t) => {
    const heard: string[] = []
    const listeners = listening(heard)
    const announce = announceTo(
      () => ({
        ...listeners,
        overrides: {
          ...listeners.overrides,
          'database-available': () => announce({ kind: 'operated', events: [] }),
        },
      }),
      uncontained,
    )
    announce({ kind: 'database-available' })
    t.same(heard, [
      'log database-available',
      'readiness database-available',
      'events operated',
      'log operated',
      'pending database-available',
      'gradual database-available',
      'feeds database-available',
      'rollovers database-available',
      'bootstraps database-available',
    ])
  },
)

t.test('no row names a listener twice, and every event is heard by somebody', async (t) => {
  for (const kind of kinds) {
    const heardBy: readonly string[] = events[kind].heardBy
    t.equal(new Set(heardBy).size, heardBy.length, kind)
    t.ok(heardBy.length > 0, kind)
  }
})

t.test(
  'an error is logged with what it kept from being done, but not that the database is away',
  async (t) => {
    const lines: unknown[] = []
    const log = createLog('info', { write: (text: string) => void lines.push(JSON.parse(text)) })
    const fail = failing(log, 'the snapshot was not written')
    fail(new ControlError('unavailable', 'the database is not available'))
    fail(new Error('disk full'))
    t.match(lines, [{ level: 'error', msg: 'the snapshot was not written', err: { message: 'disk full' } }])
    t.equal(lines.length, 1)
  },
)

t.test(
  'a listener that throws keeps neither the others from hearing nor whoever announces from going on',
  async (t) => {
    const heard: string[] = []
    const listeners = listening(heard)
    const told: string[] = []
    const contain = (where: string, run: () => void) => {
      try {
        run()
      } catch (error) {
        told.push(`${where}: ${(error as Error).message}`)
      }
    }
    const readiness = {
      ...listeners.readiness,
      'database-available': () => {
        throw new TypeError('keep is not a function')
      },
    }
    announceTo(() => ({ ...listeners, readiness }), { contain })({ kind: 'database-available' })
    t.same(
      heard,
      ['log', 'overrides', 'pending', 'gradual', 'feeds', 'rollovers', 'bootstraps'].map(
        (name) => `${name} database-available`,
      ),
    )
    t.same(told, ['readiness at database-available: keep is not a function'])
  },
)
