/** The shared server of the cache, with the real thing: whatever becomes of it, nobody waits and nothing is thrown. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { parseCacheUrl } from '../../../../src/controlplane/feeds/cache/cache-url.ts'
import { SharedServer, type Waits } from '../../../../src/controlplane/feeds/cache/shared-server.ts'
import { eventually } from '../../../e2e/fixture.ts'
import { patienceMs } from '../../../support/patience.ts'
import { missingPrograms } from '../../../support/program.ts'
import { startRedis } from '../../../support/redis.ts'
import {
  certificate,
  certificateFolder,
  signedCertificate,
  withoutOpenssl,
} from '../../health/certificates.ts'
import { isPending } from '../../timing/hand-clock.ts'

const skip = missingPrograms('redis-server')
const octets = Buffer.from('what was read\0\xff', 'latin1')

/** As long as a busy machine takes. */
const patient: Waits = { answerMs: patienceMs, writeMs: patienceMs, connectMs: patienceMs }

/** A client of it, and what it said. @param waits may change */
function connect(url: string, waits: Waits = patient) {
  const said: string[] = []
  const failures: string[] = []
  const server = new SharedServer({
    server: parseCacheUrl(url),
    waits,
    onAway: (reason) => said.push(`away: ${reason}`),
    onBack: () => said.push('back'),
    onRefused: (reason) => said.push(`refused: ${reason}`),
    onFailure: (kind) => failures.push(kind),
  })
  const up = () => eventually(async () => server.up || undefined)
  /** Whether a read comes to nothing at once, without a word to anybody. */
  const asksNobody = async () => {
    const found = server.get('db/k')
    return !(await isPending(found)) && (await found) === null
  }
  return {
    server,
    said,
    failures,
    up,
    asksNobody,
    kept: () => eventually(async () => (await server.get('db/k')) ?? undefined),
  }
}

/** A server that answers whatever is sent with the same. */
async function startAnswering(answer: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    answer(socket)
  })
  let connections = 0
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `redis://:hunter2@127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    open: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

t.test('what one has it keep the other gets, for as long', { skip }, async (t) => {
  await using redis = await startRedis({ password: 'p@ss/word' })
  const [one, two] = [connect(redis.url), connect(redis.url)]
  await using _one = one.server
  await using _two = two.server
  await Promise.all([one.up(), two.up()])
  t.equal(await two.server.get('db/k'), null)
  one.server.set('db/k', octets, 60_000)
  const { octets: kept, leftMs } = await two.kept()
  t.same(kept, octets)
  t.ok(leftMs > 0 && leftMs <= 60_000, String(leftMs))
  t.equal(await two.server.get('other/k'), null, 'those of another database are apart')
  const [name] = (await redis.run('keys', '*')) as string[]
  t.match(name, /^pooldns:1:db:[\w-]{43}$/)
  await redis.run('set', name!, 'by hand, without an end')
  t.equal(await two.server.get('db/k'), null)
  one.server.set('db/k', octets, 1)
  await eventually(async () => ((await redis.run('dbsize')) === 0 ? true : undefined))
  t.equal(await two.server.get('db/k'), null, 'it ends by itself')
  t.same([...one.said, ...two.said, ...one.failures, ...two.failures], [])
})

t.test('killed and started again', { skip }, async (t) => {
  await using redis = await startRedis()
  const { server, said, failures, up, kept, asksNobody } = connect(redis.url)
  await using _server = server
  await up()
  server.set('db/k', octets, 60_000)
  await kept()
  await redis.kill()
  await eventually(async () => (server.up ? undefined : true))
  t.ok(await asksNobody())
  server.set('db/k', octets, 60_000)
  await redis.restart()
  await up()
  server.set('db/k', octets, 60_000)
  t.same((await kept()).octets, octets)
  t.equal(said.length, 2)
  t.match(said[0], /^away: /)
  t.equal(said[1], 'back')
  t.ok(failures.every((kind) => kind === 'away') && failures.length < 20, failures.join())
})

t.test('hung', { skip }, async (t) => {
  await using redis = await startRedis()
  const waits = { ...patient }
  const { server, said, failures, up, kept, asksNobody } = connect(redis.url, waits)
  await using _server = server
  await up()
  server.set('db/k', octets, 60_000)
  await kept()
  redis.freeze()
  Object.assign(waits, { answerMs: 50, connectMs: 100 })
  const all = await Promise.all(Array.from({ length: 100 }, () => server.get('db/k')))
  t.ok(all.every((found) => found === null))
  t.same(failures, ['late'], 'none of them has waited behind another')
  t.notOk(server.up)
  t.ok(await asksNobody(), 'and none waits from then on')
  // It takes connections still.
  await eventually(async () => (failures.length >= 2 ? true : undefined))
  t.equal(failures[1], 'late')
  t.notOk(server.up)
  t.same(said, ['away: it did not answer within 50 ms'])
  Object.assign(waits, patient)
  redis.thaw()
  await up()
  t.same((await kept()).octets, octets)
  t.same(said.slice(1), ['back'])
})

t.test('full', { skip }, async (t) => {
  await using redis = await startRedis()
  const { server, said, failures, up, kept } = connect(redis.url)
  await using _server = server
  await up()
  server.set('db/k', octets, 60_000)
  await kept()
  await redis.run('config', 'set', 'maxmemory', '1')
  for (let n = 0; n < 50; n++) server.set(`db/${n}`, octets, 60_000)
  await eventually(async () => (failures.length === 50 ? true : undefined))
  t.same(new Set(failures), new Set(['refused']))
  t.equal(said.length, 1)
  t.match(said[0], /^refused: OOM/)
  t.same((await kept()).octets, octets, 'what it has is still good')
  t.ok(server.up)
})

t.test('another password', { skip }, async (t) => {
  await using redis = await startRedis({ password: 'right' })
  for (const [login, words] of [
    [':hunter2@', /WRONGPASS|invalid/],
    ['', /NOAUTH/],
    ['somebody:hunter2@', /WRONGPASS/],
  ] as const) {
    const { server, said, asksNobody, failures } = connect(`redis://${login}127.0.0.1:${redis.port}`)
    await using _server = server
    // It tries again, and says so once.
    await eventually(async () => (failures.length === 2 ? true : undefined))
    t.equal(said.length, 1)
    t.match(said[0], words)
    t.notMatch(said[0], /hunter2/)
    t.ok(await asksNobody())
  }
})

t.test('one that is none', async (t) => {
  for (const [what, answer] of Object.entries({
    'says what is no answer': (socket: Socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')),
    'says nothing': (socket: Socket) => socket.resume(),
    'says random octets': (socket: Socket) => socket.on('data', () => socket.write(Buffer.alloc(4096, 0xfe))),
    'says more than was asked': (socket: Socket) =>
      socket.on('data', () => socket.write('+OK\r\n'.repeat(50))),
    'begins what has no end': (socket: Socket) => socket.on('data', () => socket.write('$536870912\r\nabc')),
    'hangs up': (socket: Socket) => socket.destroy(),
    'hangs up when it is asked': (socket: Socket) => socket.on('data', () => socket.destroy()),
  })) {
    await using stranger = await startAnswering(answer)
    const { server, said, asksNobody, failures } = connect(stranger.url, { ...patient, connectMs: 2_000 })
    await using _server = server
    await eventually(async () => (failures.length === 2 ? true : undefined))
    t.equal(said.length, 1, what)
    t.notMatch(said[0], /hunter2/, what)
    t.ok(await asksNobody(), what)
    await server[Symbol.asyncDispose]()
    await eventually(async () => (stranger.open() === 0 ? true : undefined))
    const most = failures.length + 1
    t.ok(
      stranger.connections <= most,
      `${what}: ${stranger.connections} connections, ${most - 1} of them failed`,
    )
  }
})

t.test('nobody there', async (t) => {
  const { server, said, failures, asksNobody } = connect('redis://:hunter2@127.0.0.1:1')
  await using _server = server
  await eventually(async () => (failures.length === 3 ? true : undefined))
  t.same(said, ['away: connect ECONNREFUSED 127.0.0.1:1'])
  t.ok(await asksNobody())
})

t.test('by TLS', { skip: skip || withoutOpenssl }, async (t) => {
  const folder = await certificateFolder(t)
  await certificate(folder, 'house', 'DNS:house.test')
  await signedCertificate(folder, 'redis', 'IP:127.0.0.1', 'house')
  const path = (name: string) => join(folder, name)
  const tls = { cert: path('redis.crt'), key: path('redis.key'), authority: path('house.crt') }
  await using redis = await startRedis({ tls })
  const { server, said, failures } = connect(redis.url)
  await using _server = server
  await eventually(async () => (failures.length === 1 ? true : undefined))
  t.match(said[0], /certificate/, 'not by one whose signer nobody knows')
})
