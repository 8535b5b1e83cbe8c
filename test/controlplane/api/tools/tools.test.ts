import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { decode, encode } from 'dns-packet'
import t from 'tap'
import { parseLookupName } from '../../../../src/controlplane/api/tools/lookup.ts'
import type { LoggedQuery } from '../../../../src/controlplane/model/logged-query.ts'
import { appendQueries } from '../../../../src/controlplane/store/queries.ts'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startUpstream } from '../../../support/upstream.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

/** A resolver that knows one name, has nothing for `empty.test`, fails for `broken.test` and denies all others. */
async function startResolver() {
  const socket = createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (bytes, peer) => {
    const query = decode(bytes)
    const { name } = query.questions![0]!
    asked.push(name)
    const known = name === 'known.example'
    const rcode = known || name === 'empty.test' ? 0 : name === 'broken.test' ? 2 : 3
    const answers = known
      ? ['192.0.2.7', '192.0.2.8'].map((data) => ({ type: 'A' as const, name, ttl: 60, data }))
      : []
    const flags = 0x180 | rcode
    socket.send(
      encode({ id: query.id!, type: 'response', flags, questions: query.questions!, answers }),
      peer.port,
    )
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { asked, address: `127.0.0.1:${socket.address().port}`, [Symbol.dispose]: () => socket.close() }
}

t.test('a lookup that found addresses is answered and stands in the history', async (t) => {
  using resolver = await startResolver()
  await using harness = await startHarness(await postgres.createDatabase(), { resolvers: [resolver.address] })
  const { call, state, metrics } = harness
  const open = { token: null }
  state.now = new Date('2026-11-01T10:00:00.900Z')
  state.zones = new Map([
    ['own.test', []],
    ['www.own.test', ['192.0.2.1', '192.0.2.2']],
  ])

  const external = await call('GET', '/v1/tools/lookup?domain=Known.Example.', undefined, open)
  t.equal(external.status, 200)
  t.same(
    { ...external.body, addresses: null },
    {
      domain: 'known.example',
      client_ip: '127.0.0.1',
      created_at: Math.floor(state.now.getTime() / 1000),
      addresses: null,
    },
  )
  t.same(external.body.addresses.map((item: { ip: string }) => item.ip).sort(), ['192.0.2.7', '192.0.2.8'])

  const own = await call('POST', '/tools/lookup', { domain: 'www.own.test' }, open)
  t.same(own.body.addresses, [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }])
  t.notOk(resolver.asked.includes('www.own.test'), 'our own zones are not asked elsewhere')

  state.aliases = new Map([['alias.own.test', 'known.example']])
  const alias = await call('GET', '/tools/lookup?domain=alias.own.test', undefined, open)
  t.equal(alias.body.domain, 'alias.own.test')
  t.equal(alias.body.addresses.length, 2, 'an alias that leaves our zones is resolved where it leads')
  await harness.database.record((tx) => tx.execute("delete from lookups where domain = 'alias.own.test'"))

  for (const [domain, detail] of [
    ['none.own.test', /our zones/],
    ['none.example', /does not exist/],
    ['empty.test', /no IPv4 address/],
    ['broken.test', /could not resolve/],
  ] as const) {
    const missing = await call('GET', `/tools/lookup?domain=${domain}`, undefined, open)
    t.equal(missing.status, 404, domain)
    t.match(missing.body.detail, detail)
  }

  const history = await call('GET', '/v1/history', undefined, open)
  t.same(history.body, [own.body, external.body], 'successes only, newest first')
  for (let i = 0; i < 20; i++) await call('GET', '/v1/tools/lookup?domain=www.own.test', undefined, open)
  const longer = await call('GET', '/history', undefined, open)
  t.equal(longer.body.length, 20)
  t.notOk(longer.body.some((item: { domain: string }) => item.domain === 'known.example'))

  const text = await metrics.text()
  t.match(text, /^dns_lookup_total 27$/m)
  t.match(text, /^dns_lookup_success 23$/m)
  t.match(text, /^dns_lookup_failure 4$/m)
  t.match(text, /^dns_lookup_duration_seconds_count 27$/m)
  t.match(text, /^queries_total\{domain="www.own.test"\} 21$/m)
})

t.test('the next resolver is asked when one can not say', async (t) => {
  await using broken = await startUpstream()
  await using working = await startUpstream()
  working.says.set('lb.example A', { ttl: 60, data: ['192.0.2.1'] })
  const resolvers = [broken.address, working.address]
  await using harness = await startHarness(await postgres.createDatabase(), { resolvers })
  const lookup = () => harness.call('GET', '/v1/tools/lookup?domain=lb.example')
  for (const saying of ['servfail', 'refused', 'silence'] as const) {
    broken.says.set('lb.example A', saying)
    t.match(await lookup(), { status: 200, body: { addresses: [{ ip: '192.0.2.1' }] } }, saying)
  }
  broken.says.set('lb.example A', 'nxdomain')
  t.match(await lookup(), { status: 404, body: { detail: 'lb.example does not exist' } }, 'an answer too')
  for (const upstream of [broken, working]) upstream.says.set('lb.example A', 'refused')
  t.match(await lookup(), { status: 404, body: { detail: /could not resolve lb\.example \(REFUSED\)/ } })
  for (const upstream of [broken, working]) upstream.says.set('lb.example A', 'silence')
  t.match(await lookup(), { status: 404, body: { detail: 'the resolvers did not answer in time' } })
})

t.test('bad names are 400 and count for nothing', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), { resolvers: ['127.0.0.1:9'] })
  const { call, metrics } = harness
  const bad = [
    '',
    '.',
    '..',
    'a..b',
    '-a.test',
    'a b',
    '1.2.3.4',
    '::1',
    `${'a'.repeat(64)}.test`,
    `${'a.'.repeat(127)}a`,
    'x.123',
    'a/b',
  ]
  for (const domain of bad) {
    for (const [method, path, body] of [
      ['GET', `/tools/lookup?domain=${encodeURIComponent(domain)}`, undefined],
      ['POST', '/v1/tools/lookup', { domain }],
    ] as const) {
      const reply = await call(method, path, body, { token: null })
      t.equal(reply.status, 400, `${method} ${JSON.stringify(domain)}`)
      t.equal(reply.body.errors[0].path, 'domain')
    }
  }
  t.equal((await call('GET', '/tools/lookup')).status, 400)
  t.equal((await call('POST', '/tools/lookup')).status, 400)
  t.equal((await call('POST', '/tools/lookup', { domain: 7 })).status, 400)
  t.match((await call('POST', '/tools/lookup', { domian: 'a.test' })).body.errors, [
    { path: 'domian', message: /unknown/ },
  ])
  t.equal((await call('GET', '/tools/lookup?domain=a.test&domain=b.test')).status, 400)
  t.match(await metrics.text(), /^dns_lookup_total 0$/m)
  const silent = await call('GET', '/tools/lookup?domain=silent.test')
  t.equal(silent.status, 404, 'no resolver there')
})

t.test('a name to look up is taken in any spelling', async (t) => {
  t.equal(parseLookupName('WWW.Example.Test.'), 'www.example.test')
  t.equal(parseLookupName('bücher.example'), 'xn--bcher-kva.example')
  t.equal(parseLookupName('_dmarc.example.test'), '_dmarc.example.test')
  t.equal(parseLookupName('localhost'), 'localhost')
})

t.test('validate takes dotted quads without leading zeros and nothing else', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  for (const [ip, status] of [
    ['192.0.2.1', true],
    ['0.0.0.0', true],
    ['255.255.255.255', true],
    ['256.0.0.1', false],
    ['1.2.3', false],
    ['01.2.3.4', false],
    ['1.2.3.4 ', false],
    ['0x7f.1', false],
    ['2001:db8::1', false],
    ['', false],
    ['text', false],
  ] as const) {
    t.same((await call('GET', `/v1/tools/validate?ip=${encodeURIComponent(ip)}`)).body, { status }, ip)
    t.same((await call('POST', '/tools/validate', { ip })).body, { status }, ip)
  }
  t.equal((await call('GET', '/tools/validate')).status, 400)
  t.equal((await call('POST', '/v1/tools/validate', { ip: 1 })).status, 400)
  t.equal((await call('POST', '/v1/tools/validate', { address: '1.2.3.4' })).status, 400)
})

t.test('the query log is for those with a token for all of the server', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), { publicToolsAnywhere: true })
  const { call, database } = harness
  const at = (second: number) => new Date(Date.UTC(2026, 1, 1, 0, 0, second))
  const logged = (second: number, name: string, client: string): LoggedQuery => ({
    at: at(second),
    client,
    transport: 'udp',
    name,
    type: 'A',
    rcode: 'NOERROR',
    octets: 50,
    answered: [{ service: name, pool: 'web', member: 'a' }],
  })
  await database.record((tx) =>
    appendQueries(tx, 'n1', [
      logged(1, 'a.test', '192.0.2.0/24'),
      logged(2, 'b.test', '192.0.2.0/24'),
      logged(3, 'a.test', '2001:db8::/56'),
    ]),
  )
  const tokens = await database.record(async (tx) => ({
    reader: await createToken(tx, 'reader', ['read']),
    pusher: await createToken(tx, 'pusher', ['report']),
    limited: await createToken(tx, 'limited', ['read'], { limits: { services: ['a.test'] } }),
  }))
  const queries = '/v1/history?source=dns'
  for (const path of [queries, '/v1/history?source=', '/v1/history?source=lookups&source=dns']) {
    t.equal((await call('GET', path, undefined, { token: null })).status, 401, path)
    t.equal((await call('GET', path, undefined, { token: tokens.pusher })).status, 403, path)
    t.equal((await call('GET', path, undefined, { token: tokens.limited })).status, 403, path)
  }
  t.same((await call('GET', '/v1/history?source=lookups', undefined, { token: null })).body, [])
  t.same((await call('GET', '/history?source=dns', undefined, { token: tokens.reader })).body, [])
  const names = async (filter: string) => {
    const { status, body } = await call('GET', `${queries}${filter}`, undefined, { token: tokens.reader })
    t.equal(status, 200, filter)
    return body.items.map(({ name }: { name: string }) => name)
  }
  t.same(await names(''), ['a.test', 'b.test', 'a.test'])
  t.same(await names('&name=A.Test.'), ['a.test', 'a.test'])
  t.same(await names('&name=.'), [])
  t.same(await names('&service=b.test'), ['b.test'])
  t.same(await names('&client=192.0.2.77&rcode=noerror&node=n1'), ['b.test', 'a.test'])
  t.same(await names(`&since=${at(2).toISOString()}&until=${at(3).toISOString()}`), ['b.test'])
  const { body } = await call('GET', `${queries}&limit=2`)
  t.match(body.items[0], {
    at: at(3).toISOString(),
    node: 'n1',
    client: '2001:db8::/56',
    transport: 'udp',
    type: 'A',
    rcode: 'NOERROR',
    octets: 50,
    answered: [{ service: 'a.test', pool: 'web', member: 'a' }],
  })
  t.same(await names(`&cursor=${body.nextCursor}`), ['a.test'])
  for (const [wrong, path] of [
    ['nmae=a.test', 'nmae'],
    ['name=a..test', 'name'],
    ['client=192.0.2', 'client'],
    ['since=now', 'since'],
    ['limit=0', 'limit'],
  ] as const) {
    const { status, body } = await call('GET', `${queries}&${wrong}`)
    t.equal(status, 400, wrong)
    t.match(body.errors[0].path, path, wrong)
  }
})
