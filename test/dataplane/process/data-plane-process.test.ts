/** The process that answers: by its orders, in this process, and as a child. */

import { AssertionError } from 'node:assert'
import { fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { closeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openHandover } from '../../../src/dataplane/listener/handover.ts'
import { holdSockets } from '../../../src/dataplane/listener/held-sockets.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { DataPlaneProcess, type Order } from '../../../src/dataplane/process/data-plane-process.ts'
import { nameHashKey } from '../../../src/dataplane/wire/name-hash-key.ts'
import { version } from '../../../src/version.ts'
import { readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { generation, generationOf, question } from '../listener/running-fleet.ts'
import { Decider } from './conversing.ts'

/** What a Node process is to it. */
class Self extends EventEmitter {
  exitCode?: number
  connected = true
  /** Messages of it. */
  readonly sent: unknown[] = []

  send(message: unknown, _handle: undefined, _options: undefined, done: () => void): void {
    this.sent.push(message)
    done()
  }

  disconnect(): void {
    this.connected = false
    this.emit('disconnected')
  }

  order(order: Order, handle?: unknown): void {
    this.emit('message', order, handle)
  }
}

function hold(t: Test) {
  const listen = [{ host: '127.0.0.1', port: 0 }]
  const held = holdSockets(loadSyscalls(), { listen, udpWorkers: 1, merged: true })
  const handover = openHandover(loadSyscalls())
  t.teardown(() => {
    held[Symbol.dispose]()
    for (const fd of Object.values(handover)) closeSync(fd)
  })
  const begin = {
    kind: 'begin',
    nameHashKey,
    sockets: held.sockets,
    handover,
    udpBackend: 'batch',
    connections: 100,
    memory: null,
  } as const
  return { held, begin, endpoint: held.bound[0]! }
}

async function servesOnce(decider: Decider, number: number): Promise<void> {
  decider.say({ kind: 'replace', update: generation(number) })
  await decider.next('serving')
}

t.test('what nobody caught is told while it answers, and ends it before', async (t) => {
  const { begin, endpoint } = hold(t)
  const self = new Self()
  new DataPlaneProcess(self)
  const error = new Error('thrown on purpose')
  t.throws(() => self.emit('uncaughtException', error), error)
  const decider = new Decider((stream) => self.order({ kind: 'link' }, stream))
  self.order(begin)
  await servesOnce(decider, 1)
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    self.emit(event, error)
    t.match(await decider.next('event'), {
      event: { what: 'error', error: { message: 'thrown on purpose' } },
    })
  }
  await using client = await UdpClient.open(endpoint)
  t.equal(generationOf(readResponse(await client.insist(question))), 1)
  await servesOnce(decider, 2)
  const broken = new AssertionError({ message: 'broken' })
  t.throws(() => self.emit('uncaughtException', broken), broken)
  const gone = once(self, 'disconnected')
  self.order({ kind: 'stop', passes: false })
  await gone
})

t.test(
  'it converses from its first order on, also with who came before, and stops when it is told',
  async (t) => {
    const { begin, endpoint } = hold(t)
    const self = new Self()
    new DataPlaneProcess(self)
    const early = new Decider((stream) => self.order({ kind: 'link' }, stream))
    self.order(begin)
    await servesOnce(early, 1)
    const late = new Decider((stream) => self.order({ kind: 'link' }, stream))
    await servesOnce(late, 2)
    t.same(self.sent.slice(0, 2), [{ kind: 'loaded', version }, { kind: 'alive' }])
    await using client = await UdpClient.open(endpoint)
    t.equal(generationOf(readResponse(await client.insist(question))), 2)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) self.emit(signal)
    t.equal(generationOf(readResponse(await client.insist(question))), 2, 'signals are for others')
    const gone = once(self, 'disconnected')
    self.order({ kind: 'stop', passes: false })
    await gone
    t.equal(self.exitCode, undefined)
    // Once more changes nothing.
    self.emit('disconnect')
  },
)

t.test('connections over TCP go from one that leaves to the next', async (t) => {
  const { begin, endpoint } = hold(t)
  const [first, second] = [new Self(), new Self()]
  for (const self of [first, second]) {
    new DataPlaneProcess(self)
    // It has not begun.
    self.order({ kind: 'inherit' })
    self.order(begin)
  }
  const [before, after] = [first, second].map(
    (self) => new Decider((stream) => self.order({ kind: 'link' }, stream)),
  )
  await servesOnce(before!, 1)
  using client = await TcpClient.open(endpoint)
  t.equal(generationOf(readResponse((await client.exchange(question))!)), 1)
  await servesOnce(after!, 2)
  const gone = once(first, 'disconnected')
  first.order({ kind: 'stop', passes: true })
  await gone
  t.ok(first.sent.some((said) => (said as { readonly kind: string }).kind === 'gave'))
  second.order({ kind: 'inherit' })
  t.equal(generationOf(readResponse((await client.exchange(question))!)), 2)
  const ended = once(second, 'disconnected')
  second.order({ kind: 'stop', passes: false })
  t.equal(await client.next(), null)
  client.socket.end()
  await ended
})

t.test('without its supervisor it ends, also when it was about to begin', async (t) => {
  const { begin } = hold(t)
  const self = new Self()
  new DataPlaneProcess(self)
  self.emit('disconnect')
  const gone = once(self, 'disconnected')
  self.order(begin)
  await gone
  t.equal(self.exitCode, undefined)
})

t.test('one that can not answer says so by its exit code', async (t) => {
  const { begin } = hold(t)
  const self = new Self()
  new DataPlaneProcess(self)
  const tcp = [{ host: '127.0.0.1', port: 53, fd: 1_000_000, dual: false }]
  self.order({ ...begin, sockets: { tcp, udp: [] } })
  const decider = new Decider((stream) => self.order({ kind: 'link' }, stream))
  const gone = once(self, 'disconnected')
  decider.say({ kind: 'replace', update: generation(1) })
  t.match(await decider.next('failed'), { code: 'EBADF' })
  await gone
  t.equal(self.exitCode, 1)
})

t.test('as a child it has nothing but what it is given, and ends with its parent', async (t) => {
  const { begin, held } = hold(t)
  const entry = fileURLToPath(new URL('../../../src/dataplane/process/main.ts', import.meta.url))
  const fds = held.sockets.tcp.map(({ fd }) => fd)
  const child = fork(entry, { stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...fds] })
  const tcp = held.sockets.tcp.map((socket, index) => ({ ...socket, fd: 4 + index }))
  child.send({ ...begin, sockets: { tcp, udp: [] } })
  child.disconnect()
  t.same(await once(child, 'exit'), [0, null])
})
