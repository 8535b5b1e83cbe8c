/** Zone files over HTTP, on a real PostgreSQL and on the embedded database. */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { putService } from '../../../../src/controlplane/store/services.ts'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { pool, put, service } from '../../store/suite/samples.ts'
import { adminToken, type Harness, startHarness } from '../fixture.ts'

const url = '/v1/zones/example.test/zonefile'
const top = `$TTL 300\n@ SOA ns1 hostmaster 5 1h 10m 14d 60\n@ NS ns1\nns1 A 192.0.2.53\n`

const server = await startPostgres()
t.teardown(() => server.stop())

for (const kind of ['postgres', 'embedded'] as const) {
  await t.test(kind, async (t) => {
    await using harness = await startHarness(kind === 'postgres' ? await server.createDatabase() : null)
    await suite(t, harness)
  })
}

async function suite(t: Test, harness: Harness): Promise<void> {
  const send = (text: string, headers: Record<string, string> = {}, path = url) =>
    harness.send('PUT', path, text, {
      'content-type': 'text/dns',
      authorization: `Bearer ${adminToken}`,
      ...headers,
    })

  await t.test('a zone that is put and exported is put back without a change', async (t) => {
    const created = await send(`${top}www 60 A 192.0.2.1\n@ MX 10 gone\n`)
    t.equal(created.status, 201, JSON.stringify(created.body))
    t.match(created.headers.get('location'), '/v1/zones/example.test')
    t.equal(created.headers.get('pooldns-published'), 'yes')
    t.match(created.body, {
      soa: { mname: 'ns1.example.test.', refresh: '1h' },
      ttl: '5m',
      status: {
        rrsets: 4,
        changed: true,
        dryRun: false,
        warnings: [
          { owner: '@', type: 'SOA', line: 2, message: /not 5: it is the UNIX time/ },
          { owner: '@', type: 'MX', line: 6, column: 1, message: /gone has no address/ },
        ],
      },
    })
    const etag = created.headers.get('etag')!
    const zone = await harness.call('GET', '/v1/zones/example.test')
    t.equal(zone.headers.get('etag'), etag)
    t.equal(zone.body.status.serial, created.body.status.serial)

    const got = await harness.call('GET', url)
    t.equal(got.status, 200)
    t.equal(got.headers.get('content-type'), 'text/dns')
    t.equal(got.headers.get('etag'), etag)
    t.match(got.body, /^\$ORIGIN example\.test\.\n\$TTL 300\n@\t300\tIN\tSOA\tns1\.example\.test\. /)
    t.match(got.body, /^www\t60\tIN\tA\t192\.0\.2\.1$/m)
    t.equal(Number(got.headers.get('content-length')), got.body.length)

    for (const type of ['text/plain; charset=utf-8', 'application/octet-stream', 'TEXT/DNS']) {
      const same = await send(got.body, { 'content-type': type, 'if-match': etag })
      t.match(same, { status: 200, body: { status: { changed: false } } })
      t.equal(same.headers.get('etag'), etag)
    }
    const next = await send(top, { 'if-match': etag })
    t.match(next, { status: 200, body: { status: { changed: true, rrsets: 2, warnings: [] } } })
    t.equal((await send(top, { 'if-match': etag })).status, 412)
    t.equal((await send(top, { 'if-none-match': '*' })).status, 412)
  })

  await t.test('a dry run tells what would change and changes nothing', async (t) => {
    const before = await harness.call('GET', url)
    const dry = await send(`${top}x TXT y\n`, {}, `${url}?dryRun=true`)
    t.match(dry, { status: 200, body: { status: { dryRun: true, changed: true, rrsets: 3 } } })
    const added = { name: 'x TXT', action: 'put', after: { data: ['"y"'] } }
    t.match(dry.body.status, { changes: [added], moreChanges: 0 })
    const changes = await send(`${top.replace('192.0.2.53', '192.0.2.54')}`, {}, `${url}?dryRun=true`)
    t.match(changes.body.status, {
      changes: [
        { name: 'ns1 A', action: 'put', before: { data: ['192.0.2.53'] }, after: { data: ['192.0.2.54'] } },
      ],
      moreChanges: 0,
    })
    // Of a large file the names alone are known.
    const many = Array.from({ length: 4_500 }, (_, nth) => `n${nth} A 192.0.2.1\n`)
    const large = await send(top + many.join(''), {}, `${url}?dryRun=true`)
    t.match(large.body.status, { changes: [{ name: 'n0 A', action: 'put' }], moreChanges: 4_400 })
    t.equal(large.body.status.changes.length, 100)
    const gone = await send(
      top.replace(/^ns1 .*\n/m, '').replace('NS ns1', 'NS ns1.example.net.'),
      {},
      `${url}?dryRun=true`,
    )
    t.match(gone.body.status.changes[0], {
      name: 'ns1 A',
      action: 'delete',
      before: { data: ['192.0.2.53'] },
    })
    t.equal(dry.headers.get('etag'), null)
    t.equal((await harness.call('GET', url)).body, before.body)
    t.equal((await send(top, {}, `${url}?dryrun=true`)).status, 400, 'a word that is almost it')
    t.match(await send(top, {}, '/v1/zones/other.test/zonefile?dryRun=true'), { status: 200 })
    t.equal((await harness.call('GET', '/v1/zones/other.test')).status, 404)
  })

  await t.test('every problem of a file is told with its line and column', async (t) => {
    const before = await harness.call('GET', url)
    const bad = await send(`${top}www A x\nc CNAME a\nc TXT b\n$INCLUDE x\n`)
    t.equal(bad.status, 400)
    t.match(bad.body, {
      type: 'urn:pooldns:problem:invalid',
      detail: /zone example\.test has 3 problems: line 5, column 7: www A: /,
      errors: [
        { path: 'line 5, column 7', message: 'www A: address: "x" is not an IPv4 address' },
        { path: 'line 6, column 1', message: /^c CNAME: the name also has TXT/ },
        { path: 'line 8, column 1', message: /^\$INCLUDE is refused/ },
      ],
    })
    await put(harness.database, async (write) => {
      await putPool(write, pool('web', []), {})
      await putService(write, service('www.example.test', ['web']), {})
    })
    t.match(await send(`${top}www A 192.0.2.1\n`), {
      status: 409,
      body: { errors: [{ path: 'line 5, column 1', message: /is a service/ }] },
    })
    t.equal((await harness.call('GET', url)).body, before.body)
  })

  await t.test(
    'what is no zone file is refused, and so are zones that are not there and clients without a token',
    async (t) => {
      t.match(await send('{}', { 'content-type': 'application/json' }), {
        status: 415,
        body: { detail: /text\/dns/ },
      })
      t.equal((await send('')).status, 400)
      t.equal((await send(top, {}, '/v1/zones/a..b/zonefile')).status, 400)
      t.equal((await harness.call('GET', '/v1/zones/none.test/zonefile')).status, 404)
      t.equal((await harness.call('GET', '/v1/zones/none.test/zonefile?signed=true')).status, 404)
      t.equal((await harness.call('GET', `${url}?signed=maybe`)).status, 400)
      t.match(await harness.call('GET', `${url}?signed=true`), {
        status: 409,
        body: { detail: 'zone example.test is not signed' },
      })
      t.equal((await harness.call('DELETE', url)).status, 405)
      t.equal((await send(top, { authorization: 'Bearer x' })).status, 401)
      const secret = await harness.database.record((tx) => createToken(tx, 'reader', ['read']))
      t.equal((await send(top, { authorization: `Bearer ${secret}` })).status, 403)
      t.equal((await harness.call('GET', url, undefined, { token: secret })).status, 200)
    },
  )

  await t.test('a body that is too long, or that never ends, stores nothing', async (t) => {
    const put = (headers: Record<string, string>) =>
      httpRequest(harness.origin + url, {
        method: 'PUT',
        headers: { 'content-type': 'text/dns', authorization: `Bearer ${adminToken}`, ...headers },
      })
    const long = put({ 'content-length': String(600 * 1024 * 1024) })
    long.on('error', () => undefined)
    long.flushHeaders()
    const [reply] = (await once(long, 'response')) as [{ statusCode: number; resume(): void }]
    t.equal(reply.statusCode, 413)
    long.destroy()
    const cutOff = async (): Promise<number> => {
      const cut = put({ 'transfer-encoding': 'chunked' })
      await new Promise((resolve) => cut.write(top, resolve))
      // The end of the connection, not of the body.
      cut.socket!.end()
      const [refusal] = (await once(cut, 'response')) as [{ statusCode: number; resume(): void }]
      refusal.resume()
      return refusal.statusCode
    }
    // One more than may be in progress.
    for (let count = 0; count < 5; count++) {
      let status = await cutOff()
      // The parser may have answered before the transfer of the one before has ended.
      while (status === 503) status = await cutOff()
      t.equal(status, 400)
    }
    let next = await send(top)
    while (next.status === 503) next = await send(top)
    t.equal(next.status, 200, 'nothing is in the way of the next')
  })

  await t.test('a slow client holds no transaction', async (t) => {
    const slow = httpRequest(harness.origin + url, {
      method: 'PUT',
      headers: { 'content-type': 'text/dns', authorization: `Bearer ${adminToken}` },
    })
    slow.write(top)
    t.equal((await harness.call('PUT', '/v1/monitors/web', {})).status, 201, 'others write meanwhile')
    slow.end('late TXT x\n')
    const [reply] = (await once(slow, 'response')) as [{ statusCode: number; resume(): void }]
    reply.resume()
    t.equal(reply.statusCode, 200)
    t.match((await harness.call('GET', url)).body, /^late\t/m)
  })

  await t.test('warnings and fixed serials of a zone as JSON', async (t) => {
    const body = {
      soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.', serial: 2_026_112_101 },
      rrsets: [
        { name: '@', type: 'NS', data: ['alias'] },
        { name: 'alias', type: 'CNAME', data: ['ns1.example.net.'] },
      ],
    }
    const reply = await harness.call('PUT', '/v1/zones/json.test', body)
    t.match(reply, {
      status: 201,
      body: {
        soa: { serial: 2_026_112_101 },
        status: {
          serial: 2_026_112_101,
          warnings: [{ owner: '@', type: 'NS', message: /alias is a CNAME/ }],
        },
      },
    })
    const got = await harness.call('GET', '/v1/zones/json.test')
    t.equal(got.body.status.warnings, undefined)
    t.equal(
      (await harness.call('PUT', '/v1/zones/json.test', got.body)).headers.get('etag'),
      got.headers.get('etag'),
    )
    for (const serial of [-1, 4_294_967_296, 1.5, '7']) {
      const bad = await harness.call('PUT', '/v1/zones/json.test', { ...body, soa: { ...body.soa, serial } })
      t.match(bad, { status: 400, body: { errors: [{ path: 'soa.serial' }] } })
    }
  })
}
