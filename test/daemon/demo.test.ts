import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startDemoBackends } from '../../src/daemon/demo.ts'

const ask = async (port: number, path: string, method = 'GET'): Promise<[number, string]> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method })
  return [response.status, await response.text()]
}

t.test('each answers, fails and recovers on its own', async (t) => {
  await using backends = await startDemoBackends([0, 0])
  const [one, two] = backends.ports as [number, number]
  t.not(one, two)
  t.same(await ask(one, '/'), [200, 'ok\n'])
  t.same(await ask(one, '/any/path?at=all'), [200, 'ok\n'])
  t.same(await ask(one, '/fail', 'POST'), [200, 'failing\n'])
  t.same(await ask(one, '/healthz'), [503, 'failing\n'])
  t.same(await ask(one, '/healthz', 'HEAD'), [503, ''])
  t.same(await ask(two, '/healthz'), [200, 'ok\n'])
  t.same(await ask(one, '/recover?now', 'POST'), [200, 'ok\n'])
  t.same(await ask(one, '/healthz'), [200, 'ok\n'])
})

t.test('other paths and methods are refused, and a GET changes nothing', async (t) => {
  await using backends = await startDemoBackends([0])
  const [port] = backends.ports as [number]
  t.equal((await ask(port, '/other', 'POST'))[0], 404)
  t.equal((await ask(port, '/', 'DELETE'))[0], 405)
  t.same(await ask(port, '/fail'), [200, 'ok\n'], 'a GET changes nothing')
})

t.test('a port in use is named, and nothing stays behind', async (t) => {
  await using other = await startDemoBackends([0])
  const [taken] = other.ports as [number]
  const free = await startDemoBackends([0])
  const [port] = free.ports as [number]
  await free[Symbol.asyncDispose]()
  await t.rejects(startDemoBackends([port, taken]), {
    message: `demo backend on 127.0.0.1:${taken} can't start: the port is already in use`,
  })
  await t.rejects(ask(port, '/'), 'the one that had started is gone')
  await t.rejects(startDemoBackends([-1]), { message: /127\.0\.0\.1:-1 can't start: .*port/ })
})

t.test('a disposal ends open connections and may be repeated', async (t) => {
  const backends = await startDemoBackends([0])
  const socket = connect(backends.ports[0]!, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  const closed = once(socket, 'close')
  await backends[Symbol.asyncDispose]()
  await closed
  await t.resolves(async () => backends[Symbol.asyncDispose]())
})
