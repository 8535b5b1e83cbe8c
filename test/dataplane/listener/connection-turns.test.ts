/** Who has a turn when, and what all connections together may hold, with streams that the test reads and writes itself. */
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Client } from '../../../src/dataplane/answer/client.ts'
import { answersPerTurn, ConnectionTable } from '../../../src/dataplane/listener/connection-table.ts'
import type { Answerer } from '../../../src/dataplane/listener/listener.ts'
import type { StreamLimits } from '../../../src/dataplane/listener/stream-limits.ts'
import { query, TcpClient } from '../../support/dns-client.ts'
import { patienceMs } from '../../support/patience.ts'
import { answering } from './listening.ts'
import { startListening } from './listening-tcp.ts'

const ask = (id: number, name = 'www.example.test') => TcpClient.frame(query(name, 'A', { id }))
const askMuch = (id: number) => TcpClient.frame(query('big.example.test', 'TXT', { id }))

/** The server's end of a connection, whose client takes what is sent when the test says so. */
class Wire extends Duplex {
  readonly sent: Buffer[] = []
  #taken: (() => void) | null = null
  takes = true

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent.push(chunk)
    if (this.takes) done()
    else this.#taken = done
  }

  release(): void {
    const done = this.#taken
    this.#taken = null
    done?.()
  }

  setTimeout(): void {}
}

/** A table, and the ids of requests in the order in which they are answered. What is open at the end of the test ends with it. */
function setUp(t: Test, limits: Partial<StreamLimits> = {}) {
  const parts = answering(true)
  const order: number[] = []
  const responder: Answerer = {
    clock: parts.responder.clock,
    endBatch: () => parts.responder.endBatch(),
    respond: (request, length, client: Client, out) => {
      order.push(Buffer.from(request).readUInt16BE(0))
      return parts.responder.respond(request, length, client, out)
    },
  }
  const table = new ConnectionTable({ ...parts, responder, limits: { ...parts.limits, ...limits } })
  const open = (address: string) => {
    const wire = new Wire()
    t.teardown(() => wire.destroy())
    table.accept(wire, address)
    return wire
  }
  const ends = () =>
    Object.fromEntries(
      parts.totals().connections.flatMap(({ event, count }) => (count > 0 ? [[event, count]] : [])),
    )
  return { open, order, ends, table }
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await turn()
}

t.test('a client with one question waits for a few answers of each other client', async (t) => {
  const { open, order } = setUp(t)
  const crowd = Array.from({ length: 8 }, (_, index) => open(`192.0.2.${index}`))
  for (const wire of crowd) wire.push(Buffer.concat(Array.from({ length: 1000 }, () => ask(1))))
  const honest = open('198.51.100.1')
  honest.push(ask(2))
  await until(() => order.includes(2))
  const before = order.indexOf(2)
  t.ok(before <= crowd.length * answersPerTurn, `${before} answers before it`)
  // And again, in the midst of them.
  honest.push(ask(3))
  const at = order.length
  await until(() => order.includes(3))
  t.ok(order.indexOf(3) - at <= 2 * crowd.length * answersPerTurn, `${order.indexOf(3) - at} before the next`)
  await until(() => order.length === 8 * 1000 + 2)
})

t.test('and if their answers are long, for fewer of them', async (t) => {
  const { open, order } = setUp(t)
  const crowd = Array.from({ length: 8 }, (_, index) => open(`192.0.2.${index}`))
  for (const wire of crowd) wire.push(Buffer.concat(Array.from({ length: 100 }, () => askMuch(1))))
  const honest = open('198.51.100.1')
  honest.push(ask(2))
  await until(() => order.includes(2))
  const length = crowd[0]!.sent[0]!.readUInt16BE(0)
  t.ok(length > 2 * 4096, `an answer has ${length} octets`)
  const most = Math.ceil(answersPerTurn / Math.floor(length / 4096))
  const before = order.indexOf(2)
  t.ok(before <= crowd.length * most, `${before} answers before it, of ${crowd.length * most}`)
  await until(() => order.length === 8 * 100 + 1)
})

function messagesIn(sent: readonly Buffer[]): number {
  const octets = Buffer.concat(sent)
  let found = 0
  for (let at = 0; at < octets.length; at += 2 + octets.readUInt16BE(at)) found++
  return found
}

t.test('a stop answers what has come, closes our side, and reads what is on its way', async (t) => {
  const { open, order, table, ends } = setUp(t, { drainTimeoutMs: patienceMs })
  const wire = open('192.0.2.1')
  wire.push(Buffer.concat(Array.from({ length: 2000 }, () => ask(1))))
  await until(() => order.length > 0)
  t.ok(order.length < 2000, 'some wait for a turn')
  const stopped = table.stop()
  await until(() => wire.writableFinished)
  t.equal(order.length, 2000)
  t.equal(messagesIn(wire.sent), 2000)
  t.notOk(wire.destroyed)
  wire.push(ask(2))
  wire.push(null)
  await stopped
  t.equal(order.length, 2000)
  t.same(ends(), { accepted: 1, closed: 1 })
})

t.test('a client that goes on asking, and does not go, is left after some time', async (t) => {
  const { open, order, table, ends } = setUp(t, { drainTimeoutMs: 50, lingerTimeoutMs: 20 })
  const wire = open('192.0.2.1')
  wire.push(ask(1))
  const timer = setInterval(() => wire.push(ask(1)), 1)
  await table.stop()
  clearInterval(timer)
  t.ok(order.length > 0)
  t.equal(messagesIn(wire.sent), order.length)
  t.ok(wire.writableFinished)
  t.same(ends(), { accepted: 1, closed: 1 })
})

t.test('a stop that is held up closes our side all the same before it leaves anybody', async (t) => {
  let nowMs = 1000
  t.intercept(performance, 'now', { value: () => nowMs })
  const { open, table, ends } = setUp(t, { drainTimeoutMs: 50, lingerTimeoutMs: 20 })
  const wire = open('192.0.2.1')
  const stopped = table.stop()
  nowMs += 10_000
  await stopped
  t.ok(wire.writableFinished)
  t.same(ends(), { accepted: 1, closed: 1 })
})

t.test('one that does not read is left as well', async (t) => {
  const { open, table, ends } = setUp(t, { drainTimeoutMs: 0, lingerTimeoutMs: 10 })
  const wire = open('192.0.2.1')
  wire.takes = false
  wire.push(ask(1))
  await until(() => wire.sent.length > 0)
  await table.stop()
  t.ok(wire.destroyed)
  t.same(ends(), { accepted: 1, closed: 1 })
})

t.test('all answers come, in their order, however many turns they take', async (t) => {
  const { open } = setUp(t)
  const wire = open('192.0.2.1')
  const count = 10 * answersPerTurn + 3
  wire.push(Buffer.concat(Array.from({ length: count }, (_, id) => ask(id))))
  wire.push(null)
  const ids = () => {
    const all = Buffer.concat(wire.sent)
    const found: number[] = []
    for (let at = 0; at < all.length; at += 2 + all.readUInt16BE(at)) found.push(all.readUInt16BE(at + 2))
    return found
  }
  await until(() => wire.destroyed)
  t.same(
    ids(),
    Array.from({ length: count }, (_, id) => id),
  )
})

t.test('when all hold too much, who holds most has to go', async (t) => {
  const { open, ends } = setUp(t, { heldOctets: 1 << 20 })
  const little = open('192.0.2.1')
  little.takes = false
  little.push(ask(1))
  const wires = Array.from({ length: 8 }, (_, index) => open(`192.0.2.${10 + index}`))
  for (const wire of wires) {
    wire.takes = false
    wire.push(Buffer.concat(Array.from({ length: 20 }, (_, id) => askMuch(id))))
  }
  await until(() => wires.filter(({ destroyed }) => destroyed).length >= 4)
  t.match(ends(), { unread: wires.filter(({ destroyed }) => destroyed).length })
  t.ok(wires.some(({ destroyed }) => !destroyed))
  const held = wires
    .filter(({ destroyed }) => !destroyed)
    .reduce((sum, { writableLength }) => sum + writableLength, 0)
  t.ok(held <= 1 << 20, `${held} octets are held`)
  t.notOk(little.destroyed)
  // Those that went hold nothing: what was theirs is there for others.
  for (const wire of wires) wire.destroy()
  const next = open('192.0.2.2')
  next.takes = false
  next.push(askMuch(1))
  await until(() => next.sent.length > 0)
  t.notOk(next.destroyed)
  t.notOk(little.destroyed)
})

t.test('requests that wait for their turn count as well', async (t) => {
  const { open, ends } = setUp(t, { heldOctets: 100_000 })
  const wires = Array.from({ length: 4 }, (_, index) => open(`192.0.2.${index}`))
  for (const wire of wires) wire.push(Buffer.concat(Array.from({ length: 1000 }, (_, id) => ask(id))))
  await until(() => wires.some(({ destroyed }) => destroyed))
  t.ok(ends().unread! >= 1)
})

/** Time that stands still until the test lets some pass. */
function timeOf(t: Test) {
  const timers: { readonly work: () => void; readonly ms: number }[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (work: () => void, ms: number) => {
      timers.push({ work, ms })
      const timer = { unref: () => timer }
      return timer
    },
  })
  let nowMs = 1000
  t.intercept(performance, 'now', { value: () => nowMs })
  return {
    timers,
    /** @param ends whether the last timer does */
    pass: (ms: number, ends = true) => {
      nowMs += ms
      if (ends) timers.at(-1)!.work()
    },
  }
}

t.test('answers that nobody takes end their connection, those that are taken in time do not', async (t) => {
  const time = timeOf(t)
  const { open, ends } = setUp(t, { unreadTimeoutMs: 100 })
  const [never, slow] = [open('192.0.2.1'), open('192.0.2.2')]
  for (const wire of [never, slow]) {
    wire.takes = false
    wire.push(Buffer.concat([askMuch(1), askMuch(2), askMuch(3)]))
  }
  await until(() => never.sent.length > 0 && slow.sent.length > 0)
  time.pass(99, false)
  while (slow.sent.length < 3 || slow.writableLength > 0) {
    slow.release()
    await turn()
  }
  t.notOk(never.destroyed)
  time.pass(1)
  t.ok(never.destroyed)
  t.match(ends(), { unread: 1 })
  t.notOk(slow.destroyed)
})

t.test('each of them has its own time, and one timer serves all', async (t) => {
  const { timers, pass } = timeOf(t)
  const { open, ends } = setUp(t, { unreadTimeoutMs: 100 })
  const leaveUnread = async (address: string) => {
    const wire = open(address)
    wire.takes = false
    wire.push(askMuch(1))
    await until(() => wire.sent.length > 0)
    return wire
  }
  const first = await leaveUnread('192.0.2.1')
  pass(60, false)
  const second = await leaveUnread('192.0.2.2')
  const after = (ms: number) => {
    pass(ms)
    return { ended: [first.destroyed, second.destroyed], waits: timers.map(({ ms }) => ms) }
  }
  t.same(after(40), { ended: [true, false], waits: [100, 60] })
  t.same(
    after(59),
    { ended: [true, false], waits: [100, 60, 1] },
    'a timer that comes too early ends nothing',
  )
  t.same(after(1), { ended: [true, true], waits: [100, 60, 1] })
  t.match(ends(), { unread: 2 })
})

t.test('what trickles away buys no time', async (t) => {
  const limits = { unreadOctets: 1000, unreadTimeoutMs: 200, idleTimeoutMs: 60_000 }
  const { open, totals } = await startListening(t, { limits })
  const client = await open()
  client.socket.pause()
  for (let id = 0; id < 400; id++) client.socket.write(askMuch(id)) // 20 MB of answers, more than the kernel takes
  const trickle = setInterval(() => client.socket.read(100), 5)
  t.teardown(() => clearInterval(trickle))
  await until(() => totals().connections.some(({ event, count }) => event === 'unread' && count === 1))
})

t.test(
  'small answers that are taken one by one buy no time either, whatever is asked meanwhile',
  async (t) => {
    const time = timeOf(t)
    const { open, ends } = setUp(t, { unreadTimeoutMs: 100 })
    const wire = open('192.0.2.1')
    wire.takes = false
    wire.push(Buffer.concat(Array.from({ length: 100 }, (_, id) => ask(id))))
    await until(() => wire.writableLength > 1000)
    for (let round = 0; round < 20 && !wire.destroyed; round++) {
      wire.release()
      wire.push(ask(round))
      for (let turns = 0; turns < 5; turns++) await turn()
      time.pass(50)
    }
    t.ok(wire.destroyed, `${wire.sent.length} were taken`)
    t.ok(wire.sent.length <= 6)
    t.match(ends(), { unread: 1 })
  },
)

t.test('what makes an answer may throw, and ends the connection that asked', async (t) => {
  const broken = { of: 0 }
  const { open, totals } = await startListening(t, {
    answerer: (responder) => ({
      clock: responder.clock,
      endBatch: () => responder.endBatch(),
      respond: (request, length, client, out) => {
        if (request[1] === 9) throw new TypeError('x is not a function')
        return responder.respond(request, length, client, out)
      },
      answers: (request) => (request[1] === 8 ? failing(broken) : null),
    }),
  })
  const other = await open()
  for (const id of [8, 9]) {
    const client = await open()
    client.send(query('www.example.test', 'A', { id: 1 }), query('www.example.test', 'A', { id }))
    t.ok(await client.next(), 'what came before is answered')
    await client.ended
  }
  t.equal(broken.of, 1)
  t.ok(await other.exchange(query('www.example.test', 'A', { id: 1 })))
  t.equal(totals().connections.find(({ event }) => event === 'failed')!.count, 2)
})

/** An answer of many messages that comes to an end before the first. */
function failing(broken: { of: number }): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        broken.of++
        throw new TypeError('x is not a function')
      },
    }),
  }
}
