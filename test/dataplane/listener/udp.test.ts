/** What a UDP listener does, whichever backend it has. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { maxRequestOctets } from '../../../src/dataplane/listener/batch-buffers.ts'
import { flagBits, query, readResponse, u16Octets } from '../../support/dns-client.ts'
import { freePort } from '../../support/free-port.ts'
import { answering } from './listening.ts'
import { backends, listenAndAsk } from './listening-udp.ts'

const www = query('www.example.test', 'A')

for (const [backend, start] of Object.entries(backends)) {
  t.test(backend, async (t) => {
    t.test('answers over IPv4 and IPv6, counted apart', async (t) => {
      for (const [host, family] of [
        ['127.0.0.1', 'ipv4'],
        ['::1', 'ipv6'],
      ] as const) {
        const { client, totals, endpoint, listener } = await listenAndAsk(t, start, host)
        t.equal(endpoint.host, host)
        t.ok(endpoint.port > 0)
        t.same(listener.skipped, [])
        t.same(readResponse(await client.exchange(www)).answer, ['www.example.test 300 A 192.0.2.1'])
        t.same(
          totals().queries.filter(({ count }) => count > 0),
          [{ family, qtype: 'A', count: 1 }],
        )
      }
    })

    t.test('what does not fit a datagram is truncated', async (t) => {
      const { client } = await listenAndAsk(t, start)
      const big = query('big.example.test', 'TXT', { edns: { payload: 4096 } })
      t.match(readResponse(await client.exchange(big)), { flags: 'qr aa tc rd', length: 34 + 11 })
    })

    t.test('silence, and the next query is answered', async (t) => {
      const { client, drops } = await listenAndAsk(t, start)
      client.send(Buffer.alloc(11))
      client.send(query('www.example.test', 'A', { flags: flagBits.qr }))
      client.send(Buffer.alloc(0))
      t.match(readResponse(await client.exchange(www)), { rcode: 0 })
      t.same(drops(), { short: 2, response: 1 })
    })

    t.test('a burst is answered whole', async (t) => {
      const { client } = await listenAndAsk(t, start)
      const ids = new Set(Array.from({ length: 200 }, (_, id) => id))
      for (const id of ids) client.send(query('www.example.test', 'A', { id }))
      while (ids.size > 0) ids.delete(readResponse(await client.next()).id)
    })

    t.test('so many octets of a query are looked at, and no more', async (t) => {
      const { client } = await listenAndAsk(t, start)
      const padded = (octets: number) => {
        const options = Buffer.concat([u16Octets(12, octets), Buffer.alloc(octets)])
        return query('www.example.test', 'A', { edns: { options } })
      }
      const room = maxRequestOctets - padded(0).length
      t.match(readResponse(await client.exchange(padded(room))), { rcode: 0 })
      t.match(readResponse(await client.exchange(padded(room + 1))), { rcode: 1 })
      t.match(readResponse(await client.exchange(Buffer.concat([www, Buffer.alloc(8000)]))), { rcode: 0 })
    })

    t.test('responses are timed', async (t) => {
      const { client, totals } = await listenAndAsk(t, start)
      await client.exchange(www)
      // The time is taken when the datagram has been handed to the kernel, so the client may be faster.
      await new Promise((resolve) => setImmediate(resolve))
      const { durations, durationSumSeconds } = totals()
      t.equal(
        durations.reduce((a, b) => a + b),
        1,
      )
      t.ok(durationSumSeconds > 0)
    })

    t.test('two listeners share a port', async (t) => {
      const { endpoint, listener, client } = await listenAndAsk(t, start)
      const other = answering(false)
      const second = await start([endpoint], other)
      t.same(second.bound, [endpoint])
      await listener.stop()
      await listener.stop()
      // What is left answers every client.
      t.match(readResponse(await client.exchange(www)), { rcode: 0 })
      t.equal(other.responses(), 1)
      await second.stop()
    })

    t.test('an address in use: an error, and nothing stays bound', async (t) => {
      const other = createSocket('udp4')
      other.bind(0, '127.0.0.1')
      await once(other, 'listening')
      t.teardown(() => other.close())
      // That nobody else has in the meantime, as one of the system's might be.
      const free = await freePort()
      const listen = [free, other.address().port].map((port) => ({ host: '127.0.0.1', port }))
      await t.rejects(start(listen, answering(false)), { code: 'EADDRINUSE' })
      // Without sharing: this would fail if the first socket were still there.
      const exclusive = createSocket('udp4')
      exclusive.bind(free, '127.0.0.1')
      await once(exclusive, 'listening')
      exclusive.close()
    })
  })
}
