import t, { type Test } from 'tap'
import { errnos, loadSyscalls, type Syscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { query, readResponse, UdpClient } from '../../support/dns-client.ts'
import { freePort } from '../../support/free-port.ts'
import { answering } from './listening.ts'
import { backends, failing, openBatch, syscallsWith } from './listening-udp.ts'

const real = loadSyscalls()
const www = query('www.example.test', 'A')
const enosys = 38
const ebadf = 9

/** A batched listener that gets its turns from the test, and `requests` queries that wait for it. */
async function openWith(t: Test, calls: Partial<Syscalls>, requests: number) {
  const parts = answering(false)
  const { batch, sockets } = openBatch([{ host: '127.0.0.1', port: 0 }], parts, syscallsWith(calls))
  const client = await UdpClient.open(sockets.bound[0]!)
  t.teardown(async () => {
    sockets.close()
    await client[Symbol.asyncDispose]()
  })
  for (let id = 0; id < requests; id++) client.send(query('www.example.test', 'A', { id }))
  return { ...parts, batch, sockets, client }
}

t.test('wildcards: both families by one socket, and the address that was asked answers', async (t) => {
  const port = await freePort()
  for (const hosts of [['0.0.0.0', '::'], ['::', '0.0.0.0'], ['0.0.0.0'], ['::']]) {
    const parts = answering(false)
    const listener = await backends.batch(
      hosts.map((host) => ({ host, port })),
      parts,
    )
    t.same(listener.bound.map(({ host }) => host).sort(), hosts.toSorted())
    const asked = [
      ...(hosts.includes('0.0.0.0') ? ['127.0.0.1', '127.1.2.3'] : []),
      ...(hosts.includes('::') ? ['::1'] : []),
    ]
    for (const host of asked) {
      // The client is connected: it hears nobody else.
      await using client = await UdpClient.open({ host, port })
      t.match(readResponse(await client.exchange(www)), { rcode: 0 }, host)
    }
    const counted = parts.totals().queries.filter(({ count }) => count > 0)
    t.same(
      counted.map(({ family, count }) => [family, count]),
      [...(asked.length > 1 ? [['ipv4', 2]] : []), ...(hosts.includes('::') ? [['ipv6', 1]] : [])],
    )
    await listener.stop()
  }
})

t.test('several addresses share a thread', async (t) => {
  const listen = ['127.0.0.1', '127.0.0.2', '::1'].map((host) => ({ host, port: 0 }))
  const listener = await backends.batch(listen, answering(false))
  for (let round = 0; round < 3; round++) {
    for (const endpoint of listener.bound) {
      await using client = await UdpClient.open(endpoint)
      t.match(readResponse(await client.exchange(www)), { rcode: 0 })
    }
  }
  await listener.stop()
})

t.test('the doorbell ends a wait', async (t) => {
  const { batch, sockets, client } = await openWith(t, {}, 0)
  sockets.ring()
  batch.turn(2 ** 30)
  // It has been read: this waits for the datagram.
  client.send(www)
  batch.turn(2 ** 30)
  t.match(readResponse(await client.next()), { rcode: 0 })
  batch.turn(0)
  batch.turn(0)
})

t.test('source port 0 is dropped, and the others of its batch are answered', async (t) => {
  const views: Uint8Array[] = []
  const { batch, client, drops } = await openWith(
    t,
    {
      address: (view) => {
        views.push(view)
        return real.address(view)
      },
      recvmmsg: (fd, messages, count, flags, timeout) => {
        const received = real.recvmmsg(fd, messages, count, flags, timeout)
        if (received < 2) return received
        // The first two messages: their names lie where their headers say.
        const memory = views.find((view) => view.length > 100_000)!
        const header = new DataView(memory.buffer)
        const start = messages - real.address(memory)
        for (const message of [start, start + 64]) {
          const name = Number(header.getBigUint64(message, true)) - real.address(memory)
          memory.fill(0, name + 2, name + 4)
          // 0, and that of chargen.
          if (message > start) memory[name + 3] = 19
        }
        return received
      },
    },
    4,
  )
  batch.turn(0)
  t.same([readResponse(await client.next()).id, readResponse(await client.next()).id], [2, 3])
  t.same(drops(), { 'source-port': 2 })
})

t.test('what the kernel drops for want of room is counted', async (t) => {
  const soRcvbuf = 8
  const memory = new Int32Array(new ArrayBuffer(8))
  const { batch, client, drops, responses } = await openWith(
    t,
    {
      setsockopt: (fd, level, option, value, length) => {
        if (option !== soRcvbuf) return real.setsockopt(fd, level, option, value, length)
        memory[0] = 8192
        return real.setsockopt(fd, level, option, real.address(new Uint8Array(memory.buffer)), length)
      },
    },
    500,
  )
  await new Promise((resolve) => setImmediate(resolve))
  batch.drain()
  // Told with the next datagrams that are queued; the second says nothing new.
  for (let i = 0; i < 2; i++) {
    client.send(www)
    batch.turn(1000)
  }
  t.ok(drops()['receive-queue']! > 0)
  t.equal(drops()['receive-queue']! + responses(), 502)
})

t.test('a batch that is sent in parts is sent whole', async (t) => {
  let calls = 0
  const { call: sendmmsg, errno } = failing(
    (fd: number, messages: number, count: number, flags: number) =>
      real.sendmmsg(fd, messages, Math.min(count, 2), flags),
    () => (++calls % 3 === 2 ? errnos.intr : 0),
  )
  const { batch, client, drops } = await openWith(t, { sendmmsg, errno }, 9)
  batch.turn(0)
  for (let id = 0; id < 9; id++) t.equal(readResponse(await client.next()).id, id)
  t.same(drops(), {})
})

t.test('a datagram that can not be sent is dropped alone', async (t) => {
  let calls = 0
  const { call: sendmmsg, errno } = failing(real.sendmmsg, () => (++calls === 2 ? errnos.hostunreach : 0))
  const { batch, client, drops } = await openWith(t, { sendmmsg, errno }, 3)
  batch.turn(0)
  t.same([readResponse(await client.next()).id, readResponse(await client.next()).id], [1, 2])
  t.same(drops(), { send: 1 })
})

t.test('a full queue: it waits for room, but not for long', async (t) => {
  for (const room of [true, false]) {
    let calls = 0
    // Call 1 is the socket's first use.
    const { call: sendmmsg, errno } = failing(real.sendmmsg, () => {
      calls++
      return calls === 2 || (calls > 2 && !room) ? errnos.again : 0
    })
    const waits: number[] = []
    const poll: Syscalls['poll'] = (fds, count, timeoutMs) => {
      if (calls < 2) return real.poll(fds, count, timeoutMs)
      waits.push(timeoutMs)
      const ready = real.poll(fds, count, timeoutMs)
      return room ? ready : 0
    }
    const { batch, client, drops } = await openWith(t, { sendmmsg, errno, poll }, 3)
    batch.turn(0)
    t.equal(waits.length, 1)
    if (room) for (let id = 0; id < 3; id++) t.equal(readResponse(await client.next()).id, id)
    t.same(drops(), room ? {} : { send: 3 })
  }
})

t.test('a socket that can not send is given up', async (t) => {
  let calls = 0
  const { call: sendmmsg, errno } = failing(real.sendmmsg, () => (++calls === 2 ? enosys : 0))
  const { batch } = await openWith(t, { sendmmsg, errno }, 1)
  t.throws(() => batch.turn(0), { code: 'ENOSYS', message: /^sendmmsg ENOSYS: .* 127\.0\.0\.1:\d+$/ })
})

t.test('errors of a receive that pass', async (t) => {
  let calls = 0
  const { call: recvmmsg, errno } = failing(real.recvmmsg, () => (++calls === 2 ? errnos.connrefused : 0))
  const { batch, client } = await openWith(t, { recvmmsg, errno }, 1)
  batch.turn(0)
  batch.turn(0)
  t.match(readResponse(await client.next()), { rcode: 0 })

  t.test('errors that pass give up the socket when they come a thousand times on end', async (t) => {
    let opened = false
    const { call: recvmmsg, errno } = failing(real.recvmmsg, () => (opened ? errnos.nomem : 0))
    const { batch } = await openWith(t, { recvmmsg, errno }, 1)
    opened = true
    const turns = () => {
      for (;;) batch.turn(0)
    }
    t.throws(turns, { code: 'ENOMEM' })
  })
})

t.test('a socket that is gone is given up', async (t) => {
  let calls = 0
  const { call: recvmmsg, errno } = failing(real.recvmmsg, () => (++calls === 2 ? ebadf : 0))
  const { batch } = await openWith(t, { recvmmsg, errno }, 1)
  t.throws(() => batch.turn(0), { code: 'EBADF', message: /^recvmmsg EBADF/ })
})

t.test('after a batch of a few it gathers for a moment, after one or many it does not', async (t) => {
  const slept: number[] = []
  const usleep = (microseconds: number) => {
    slept.push(microseconds)
    return real.usleep(microseconds)
  }
  const { batch, client } = await openWith(t, { usleep }, 0)
  for (const [requests, gathers] of [
    [2, false],
    [3, true],
    [47, true],
    [48, false],
    [64, false],
  ] as const) {
    for (let id = 0; id < requests; id++) client.send(query('www.example.test', 'A', { id }))
    while (slept.length > 0) slept.pop()
    batch.turn(0)
    t.same(slept, [])
    client.send(www)
    batch.turn(0)
    t.equal(slept.length, gathers ? 1 : 0, `${requests} datagrams`)
    t.ok(slept.every((microseconds) => microseconds <= 100))
    for (let id = 0; id <= requests; id++) await client.next()
  }
})
