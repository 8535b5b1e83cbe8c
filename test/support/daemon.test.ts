import { access } from 'node:fs/promises'
import t from 'tap'
import { lockDemo, spawnDaemon, startDaemonProcess } from './daemon.ts'

t.test('a daemon of its own, until it is stopped', async (t) => {
  const daemon = await startDaemonProcess()
  t.match(daemon, { dns: { host: '127.0.0.1' }, stderr: '', ready: { level: 'info' } })
  t.equal((await fetch(`${daemon.http}/health`)).status, 200)
  const put = await daemon.request('/v1/zones/example.test', {
    method: 'PUT',
    json: {
      soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
      rrsets: [{ name: '@', type: 'NS', data: ['ns.example.net.'] }],
    },
  })
  t.equal(put.status, 201, await put.text())
  t.same(await daemon.stop(), { code: 0, signal: null })
  t.same(await daemon.stop(), { code: 0, signal: null })
  t.match(daemon.lines.at(-1), { msg: 'stopped' })
  await t.rejects(access(daemon.dataDir), { code: 'ENOENT' })
})

t.test('a start that fails is told with what it said', async (t) => {
  await using daemon = await spawnDaemon({ env: { POOLDNS_WORKERS: '0' } })
  t.same(await daemon.exited, { code: 2, signal: null })
  t.match(daemon.stderr, /POOLDNS_WORKERS/)
  await t.rejects(
    daemon.line(() => true),
    { message: /code 2.*POOLDNS_WORKERS/s },
  )
  await t.rejects(startDaemonProcess({ args: ['--no-such-flag'] }), { message: /no-such-flag/ })
})

t.test('only one demo at a time', async (t) => {
  const order: string[] = []
  const first = await lockDemo()
  const second = lockDemo().then((lock) => {
    order.push('second')
    return lock
  })
  // Long enough for a lock that doesn't hold to show itself: a full exchange with the holder's port.
  await fetch('http://127.0.0.1:8084', { signal: AbortSignal.timeout(300) }).catch(() => undefined)
  order.push('first')
  first[Symbol.dispose]()
  ;(await second)[Symbol.dispose]()
  t.same(order, ['first', 'second'])
})
