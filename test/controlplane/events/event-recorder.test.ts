import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { EventRecorder, type EventRecorderOptions } from '../../../src/controlplane/events/event-recorder.ts'
import { KeptEvents } from '../../../src/controlplane/events/kept-events.ts'
import type { NewEvent } from '../../../src/controlplane/model/event.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { eventsAfter } from '../../../src/controlplane/store/events.ts'
import { loadHealth } from '../../../src/controlplane/store/health.ts'
import { putPool } from '../../../src/controlplane/store/pools.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { member, pool } from '../store/suite/samples.ts'

const at = new Date('2026-02-01T00:00:00Z')
const transition = (name: string, to: 'up' | 'down', reason = ''): NewEvent => {
  return { kind: 'member', pool: 'p', member: name, from: 'unknown', to, reason, at }
}

async function start(t: Test, url: string, options: Partial<EventRecorderOptions> = {}) {
  const database = await Database.open({ url, dataDir: '/nowhere' })
  t.teardown(() => database.stop())
  await database.ready(patience())
  const errors: unknown[] = []
  let stores = 0
  let stored = Promise.withResolvers<void>()
  const recorder = new EventRecorder({
    database,
    node: 'n1',
    onError: (error) => errors.push(error),
    onLost: (count) => t.fail(`${count} were lost`),
    onStored: () => {
      stores++
      stored.resolve()
      stored = Promise.withResolvers()
    },
    ...options,
  })
  t.teardown(() => recorder.stop())
  const after = (id: number) => database.read((tx) => eventsAfter(tx, id, 20_000))
  return {
    recorder,
    database,
    errors,
    after,
    storing: async () => {
      const before = stores
      while (stores === before) await stored.promise
    },
  }
}

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('what waits at a stop is stored by the next start, however often that comes too early', async (t) => {
  const url = await postgres.createDatabase()
  const path = join(t.testdir(), 'pending-events.json')
  const seen: NewEvent[] = [
    transition('a', 'up'),
    { kind: 'hold', pool: 'p', member: 'a', until: new Date('2026-02-01T01:00:00Z'), reason: 'x', at },
  ]
  const away = { up: false } as unknown as Database
  const stopped = async (more: readonly NewEvent[]) => {
    const bad: string[] = []
    const { recorder } = await start(t, url, {
      database: away,
      kept: new KeptEvents(path),
      onBad: (message) => bad.push(message),
      onLost: () => undefined,
    })
    await recorder.open()
    recorder.start()
    recorder.add(more)
    await recorder.stop()
    return bad
  }
  await stopped(seen)
  await stopped([transition('b', 'down', 'later')])
  const { recorder, after, storing } = await start(t, url, { kept: new KeptEvents(path) })
  await recorder.open()
  const stored = storing()
  recorder.start()
  await stored
  t.match(await after(0), [
    { kind: 'member', member: 'a', to: 'up', at, node: 'n1' },
    { kind: 'hold', until: new Date('2026-02-01T01:00:00Z') },
    { kind: 'member', member: 'b', reason: 'later' },
  ])
  t.notOk(existsSync(path), 'they are stored once')

  await stopped(seen)
  writeFileSync(path, readFileSync(path, 'utf8').replace('"x"', '"y"'))
  t.match(await stopped([]), [/pending-events.json can't be used, .*: its checksum is wrong/])
  t.same(await stopped([]), [], 'it was put aside')
})

t.test('events that give way are counted as they do, and those that can not be kept at a stop', async (t) => {
  const shed: number[] = []
  const lost: number[] = []
  const { recorder, errors } = await start(t, await postgres.createDatabase(), {
    database: { up: false } as unknown as Database,
    kept: new KeptEvents(join(t.testdir(), 'nowhere', 'pending-events.json')),
    onShed: (count) => shed.push(count),
    onLost: (count) => lost.push(count),
  })
  recorder.add(Array.from({ length: 10_003 }, () => transition('a', 'up')))
  t.same(shed, [3])
  await recorder.stop()
  t.match(errors, [{ code: 'ENOENT' }])
  t.same(lost, [10_003])
})

t.test('events are given back as the store has them soon', async (t) => {
  const { recorder, database, after, storing } = await start(t, await postgres.createDatabase())
  await database.write('tester', (write) => putPool(write, pool('p', [member('a', '192.0.2.1')]), {}))
  recorder.start()
  t.same(recorder.add([]), [])
  const stored = storing()
  const told = [
    ...recorder.add([transition('a', 'up'), transition('a', 'down', 'status 503')]),
    ...recorder.add([{ kind: 'isolation', from: 'trusted', to: 'suspect', reason: 'all at once', at }]),
  ]
  t.match(told, [
    { kind: 'member', node: 'n1', to: 'up' },
    { kind: 'member', node: 'n1', to: 'down' },
    { kind: 'isolation', node: 'n1' },
  ])
  t.notOk(told.some((event) => 'id' in event))
  await stored
  const events = await after(0)
  t.same(
    events.map(({ id: _, ...event }) => event),
    told,
  )
  t.match(await database.read(loadHealth), [{ member: 'a', state: 'down', since: at, reason: 'status 503' }])
  recorder.add([transition('a', 'up')])
  await recorder.stop()
  t.equal((await after(0)).length, 4, 'a stop stores what waits')
})

t.test('what the database can not keep is made such that it can', async (t) => {
  const { recorder, after, errors, storing } = await start(t, await postgres.createDatabase())
  recorder.start()
  const stored = storing()
  recorder.add([transition('a', 'down', 'a\0b \ud83d'), transition('c', 'up')])
  await stored
  t.match(await after(0), [{ member: 'a', reason: 'a\ufffdb \ufffd' }, { member: 'c' }])
  t.same(errors, [])
})

t.test('what the database refuses holds up nothing else', async (t) => {
  const { recorder, database, after, errors, storing } = await start(t, await postgres.createDatabase())
  await database.write('tester', (write) => {
    return putPool(write, pool('p', [member('a', '192.0.2.1'), member('b', '192.0.2.2')]), {})
  })
  recorder.start()
  const stored = storing()
  recorder.add([transition('a', 'down'), transition('b', 'evil' as 'down'), transition('c', 'up')])
  await stored
  t.match(await after(0), [{ member: 'a' }, { member: 'c' }])
  t.match(await database.read(loadHealth), [{ member: 'a', state: 'down' }])
  t.equal(errors.length, 2, 'the event and the state')
})

t.test('a database that is away for too long', async (t) => {
  await using server = await startPostgres()
  const lost = Promise.withResolvers<number>()
  const { recorder, database, after, errors } = await start(t, await server.createDatabase(), {
    onLost: lost.resolve,
  })
  await database.write('tester', (write) => putPool(write, pool('p', [member('first', '192.0.2.1')]), {}))
  await server.kill()
  await t.rejects(after(0))
  recorder.add([transition('first', 'down')])
  recorder.start()
  let told = 0
  for (let i = 0; i < 10; i++) {
    told += recorder.add(Array.from({ length: 1000 }, (_, n) => transition(`m${i * 1000 + n}`, 'up'))).length
  }
  t.equal(told, 10_000)
  await server.restart()
  t.equal((await after(0)).length, 0)
  t.equal(await lost.promise, 1)
  const stored = await after(0)
  t.equal(stored.length, 10_000)
  t.match([stored[0], stored.at(-1)], [{ member: 'm0' }, { member: 'm9999' }], 'the oldest gave way')
  t.match(await database.read(loadHealth), [{ member: 'first', state: 'down' }], 'its state did not')
  t.same(errors, [])
})
