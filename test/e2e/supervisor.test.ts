/** The supervisor stands, whatever comes to it: DNS is asked all the time. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { askToReplace, doorOf } from '../../src/supervisor/door.ts'
import type { DaemonProcess, LogLine } from '../support/daemon.ts'
import { runIn } from '../support/inspector.ts'
import { startPostgres } from '../support/postgres.ts'
import { processOf } from '../support/processes.ts'
import { askAllTheTime, losesNothing, putMember, startServer } from './asked-server.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const childrenOf = (daemon: DaemonProcess) => [processOf(daemon, 'control'), processOf(daemon, 'data')]

/** Clients of its socket, one for each way. Each resolves when its connection has ended. */
const clients: Readonly<Record<string, (client: Socket) => Promise<unknown>>> = {
  'says nothing': (client) => once(client.resume(), 'close'),
  'says half a word and goes': async (client) => {
    client.end('{"command"')
    await once(client.resume(), 'close')
  },
  'breaks off': async (client) => {
    client.write('{"comm')
    client.destroy()
    await once(client, 'close')
  },
  'resets the connection, for it goes with the answer unread': async (client) => {
    client.write('{"command":"none"}\n')
    await once(client, 'readable')
    client.destroy()
    await once(client, 'close')
  },
  'says too much': async (client) => {
    client.on('error', () => undefined).write('x'.repeat(100_000))
    await once(client.resume(), 'close')
  },
}

t.test('a client of its socket costs nobody else anything', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const before = childrenOf(daemon)
  const stop = askAllTheTime(daemon)
  for (const [way, act] of Object.entries(clients)) {
    const client = connect(doorOf(daemon.dataDir))
    await once(client, 'connect')
    await act(client)
    t.same(childrenOf(daemon), before, way)
  }
  await losesNothing(t, stop)
  t.same(
    daemon.lines.filter(({ level }) => level === 'error' || level === 'fatal'),
    [],
  )
  t.same(await askToReplace(daemon.dataDir), { replaced: true })
})

const isGoingOn = ({ msg }: { readonly msg?: string }) =>
  msg === 'an internal error of the supervisor: it goes on'

t.test('an error that nobody caught is told, and all go on; a broken invariant ends it', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const before = childrenOf(daemon)
  const from = daemon.lines.length
  const stop = askAllTheTime(daemon)
  const code = `const [assert, { EventEmitter }] = [require('node:assert'), require('node:events')]
    setTimeout(() => { throw new Error('thrown') })
    setImmediate(() => new EventEmitter().emit('error', new Error('emitted')))
    void Promise.reject(new Error('rejected'))
    process.once('SIGUSR2', () => assert.ok(false, 'this can not be'))`
  await runIn(daemon, daemon.pid, code)
  for (const message of ['thrown', 'emitted', 'rejected']) {
    const said = (line: LogLine) => isGoingOn(line) && (line.err as Error).message === message
    t.match(await daemon.line(said, { from }), { level: 'error' })
  }
  await putMember(daemon, 2)
  await losesNothing(t, stop)
  t.same(childrenOf(daemon), before)
  daemon.signal('SIGUSR2')
  t.same(await daemon.exited, { code: 1, signal: null })
  t.match(daemon.lines.at(-1), { level: 'fatal', err: { message: 'this can not be' } })
})
