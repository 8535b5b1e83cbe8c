import t from 'tap'
import { sql } from '../../../../schema/drizzle.ts'
import { appendEvents } from '../../../../src/controlplane/store/events.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { monitor, startHarness, zone } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

for (const kind of ['postgres', 'embedded'] as const) {
  t.test(`on ${kind}`, async (t) => {
    const harness = await startHarness(kind === 'postgres' ? await postgres.createDatabase() : null)
    t.teardown(() => harness[Symbol.asyncDispose]())
    const { call, state } = harness

    t.test('a monitor from creation to deletion', async (t) => {
      const created = await call('PUT', '/v1/monitors/web', monitor)
      t.equal(created.status, 201)
      t.equal(created.headers.get('location'), '/v1/monitors/web')
      t.equal(created.headers.get('pooldns-published'), 'yes')
      t.equal(created.headers.get('pooldns-durability'), kind === 'postgres' ? 'server' : 'power')
      const { status, ...written } = created.body
      t.same(written, monitor)
      t.match(status, {
        effective: {
          type: 'http',
          method: 'GET',
          port: 8080,
          path: '/healthz',
          expect: { codes: ['200-299'] },
          followRedirects: 0,
          interval: '5s',
          timeout: '1s',
          rise: 2,
          fall: 3,
          clear: 1,
          failBack: 'auto',
        },
      })
      const etag = created.headers.get('etag')
      t.match(etag, /^"\d+"$/)
      t.equal(etag, `"${state.published.at(-1)}"`, 'replied once this revision was published')

      const read = await call('GET', '/v1/monitors/web')
      t.equal(read.status, 200)
      t.equal(read.headers.get('etag'), etag)
      t.same(read.body, created.body)

      const again = await call('PUT', '/v1/monitors/web', read.body)
      t.equal(again.status, 200)
      t.equal(again.headers.get('etag'), etag, 'writing back what was read changes nothing')

      const patched = await call('PATCH', '/v1/monitors/web', {
        rise: 5,
        expect: { body: 'ok', codes: [200, '301'] },
      })
      t.equal(patched.status, 200)
      t.match(patched.body, {
        rise: 5,
        status: { effective: { fall: 3 } },
        expect: { body: 'ok', codes: [200, 301] },
      })
      t.not(patched.headers.get('etag'), etag)
      const reset = await call('PATCH', '/v1/monitors/web', { rise: null, expect: { body: null } })
      t.notOk('rise' in reset.body)
      t.match(reset.body, { status: { effective: { rise: 2 } }, expect: { codes: [200, 301] } })
      t.notOk('body' in reset.body.expect)

      t.equal((await call('DELETE', '/v1/monitors/web')).status, 204)
      t.equal((await call('GET', '/v1/monitors/web')).status, 404)
      t.equal((await call('DELETE', '/v1/monitors/web')).status, 404)
      t.equal((await call('PATCH', '/v1/monitors/web', {})).status, 404)
    })

    t.test('a write happens only if what it was based on is still there', async (t) => {
      const first = await call('PUT', '/v1/monitors/c', monitor, { headers: { 'if-none-match': '*' } })
      t.equal(first.status, 201)
      const etag = first.headers.get('etag')!
      const twice = await call('PUT', '/v1/monitors/c', monitor, { headers: { 'if-none-match': '*' } })
      t.equal(twice.status, 412)
      t.match(twice.body, { type: 'urn:pooldns:problem:stale', title: 'Precondition Failed' })

      const second = await call(
        'PUT',
        '/v1/monitors/c',
        { ...monitor, rise: 9 },
        { headers: { 'if-match': etag } },
      )
      t.equal(second.status, 200)
      for (const method of ['PUT', 'PATCH', 'DELETE']) {
        const body = method === 'DELETE' ? undefined : monitor
        for (const tag of [etag, '"none"', `W/${second.headers.get('etag')}`]) {
          const stale = await call(method, '/v1/monitors/c', body, { headers: { 'if-match': tag } })
          t.equal(stale.status, 412, `${method} with ${tag}`)
        }
      }
      t.equal((await call('GET', '/v1/monitors/c')).body.rise, 9)
      t.equal((await call('PUT', '/v1/monitors/none', monitor, { headers: { 'if-match': '*' } })).status, 412)
      t.equal((await call('PUT', '/v1/monitors/c', monitor, { headers: { 'if-match': '12' } })).status, 400)
      t.equal(
        (await call('PUT', '/v1/monitors/c', monitor, { headers: { 'if-match': '"1", "2"' } })).status,
        400,
      )
      t.equal(
        (await call('PUT', '/v1/monitors/c', monitor, { headers: { 'if-none-match': etag } })).status,
        400,
      )
      t.equal(
        (await call('DELETE', '/v1/monitors/c', undefined, { headers: { 'if-match': '*' } })).status,
        204,
      )
    })

    t.test('pools and members are read with their status', async (t) => {
      await call('PUT', '/v1/monitors/m', monitor)
      const body = {
        monitor: 'm',
        select: 'weighted',
        members: {
          a: { address: '192.0.2.1' },
          b: { address: '2001:DB8::1', weight: 5, probe: { port: 81 } },
        },
      }
      const created = await call('PUT', '/v1/pools/p', body)
      t.equal(created.status, 201)
      const handedOut = { answered: false, safeAt: null }
      const unknown = {
        state: 'unknown',
        since: null,
        reason: 'not probed yet',
        ...handedOut,
        override: null,
      }
      const { effective, ...status } = created.body.status
      t.same(
        { ...created.body, status },
        {
          ...body,
          members: {
            a: { ...body.members.a, status: unknown },
            b: { ...body.members.b, status: unknown },
          },
          status: {},
        },
      )
      t.match(effective, {
        monitor: 'm',
        select: 'weighted',
        minUp: 0,
        unknown: 'up',
        hosts: 'resolve',
        quorum: 'own',
      })
      t.equal(
        (await call('PUT', '/v1/pools/p', created.body)).headers.get('etag'),
        created.headers.get('etag'),
      )

      const since = new Date('2026-11-01T10:00:00Z')
      harness.health.set({ pool: 'p', member: 'a', state: 'down', since, reason: 'status 503' })
      harness.health.publish()
      const member = await call('GET', '/v1/pools/p/members/a')
      t.same(member.body, {
        address: '192.0.2.1',
        status: {
          effective: { address: '192.0.2.1', weight: 100, priority: 1 },
          state: 'down',
          since: since.toISOString(),
          reason: 'status 503',
          ...handedOut,
          override: null,
        },
      })

      const added = await call('PUT', '/v1/pools/p/members/c', { address: '192.0.2.3' })
      t.equal(added.status, 201)
      t.equal(added.headers.get('location'), '/v1/pools/p/members/c')
      t.match((await call('PATCH', '/v1/pools/p/members/c', { weight: 0 })).body, {
        weight: 0,
        address: '192.0.2.3',
      })
      t.same(Object.keys((await call('GET', '/v1/pools/p')).body.members), ['a', 'b', 'c'])
      t.equal(
        (await call('PUT', '/v1/pools/p/members/d', { address: '192.0.2.1' })).status,
        409,
        'address taken',
      )
      for (const address of ['0.0.0.0', '::', '224.0.0.251', 'ff02::1', '255.255.255.255']) {
        const none = await call('PUT', '/v1/pools/p/members/z', { address })
        t.match(none, { status: 400, body: { errors: [{ path: 'address' }] } }, address)
        const whole = await call('PUT', '/v1/pools/z', { members: { z: { address } } })
        t.match(whole, { status: 400, body: { errors: [{ path: 'members.z.address' }] } }, address)
      }
      const probed = await call('PUT', '/v1/pools/p/members/z', {
        address: '192.0.2.99',
        probe: { address: '0.0.0.0' },
      })
      t.match(probed, { status: 400, body: { errors: [{ path: 'probe.address' }] } })
      const local = await call('PUT', '/v1/pools/p/members/z', { address: 'fe80::1' })
      t.match(local, { status: 201, body: { status: { warnings: [/^fe80::1 is link-local/] } } })
      t.equal((await call('DELETE', '/v1/pools/p/members/z')).status, 204)

      t.equal((await call('DELETE', '/v1/pools/p/members/c')).status, 204)
      t.equal((await call('GET', '/v1/pools/p/members/c')).status, 404)
      t.equal((await call('GET', '/v1/pools/q/members/c')).status, 404)
      t.equal((await call('PUT', '/v1/pools/q/members/c', { address: '192.0.2.1' })).status, 404)

      const patched = await call('PATCH', '/v1/pools/p', {
        members: { b: null, e: { address: '192.0.2.5' } },
      })
      t.same(Object.keys(patched.body.members), ['a', 'e'])
      const free = await call('PATCH', '/v1/pools/p', { monitor: null })
      t.match(free.body.members.a.status, { state: 'up', since: null })
      await call('PUT', '/v1/pools/p', body)
    })

    t.test('overrides stand beside the measured state', async (t) => {
      const url = '/v1/pools/p/members/a/override'
      const until = new Date(Date.now() + 3_600_000).toISOString()
      const set = await call('PUT', url, { state: 'drain', until, reason: 'kernel update' })
      t.equal(set.status, 201)
      t.match(set.body, { state: 'drain', until, reason: 'kernel update', status: { actor: 'admin' } })
      const { since, actor } = set.body.status
      const override = { ...set.body, pattern: 'p/a', status: { since, actor } }
      const { status } = (await call('GET', '/v1/pools/p/members/a')).body
      t.match(status, { state: 'down', reason: 'status 503' })
      t.same(status.override, override)
      t.same((await call('GET', '/v1/pools/p')).body.members.a.status.override, override)
      t.match((await call('GET', '/v1/pools')).body.items.at(-1).members.a.status.override, {
        state: 'drain',
      })
      t.equal((await call('PUT', url, { state: 'up', until: null })).status, 200)
      t.equal((await call('DELETE', url)).status, 204)
      t.equal((await call('DELETE', url)).status, 404)
      t.equal((await call('GET', '/v1/pools/p/members/a')).body.status.override, null)

      await call('PUT', url, { state: 'down', until })
      state.now = new Date(Date.parse(until) + 1)
      t.equal((await call('GET', '/v1/pools/p/members/a')).body.status.override, null, 'one that has ended')
      state.now = null
      t.equal((await call('PUT', '/v1/pools/p/members/nobody/override', { state: 'up' })).status, 404)
    })

    t.test('a zone and its RRsets are written and read together and apart', async (t) => {
      const created = await call('PUT', '/v1/zones/Example.test.', zone)
      t.equal(created.status, 201)
      t.same(created.body.soa, zone.soa)
      t.match(created.body.status, { rrsets: 2, effective: { ttl: '5m', soa: { refresh: '1h' } } })
      t.equal(created.body.rrsets.length, 2)
      const read = await call('GET', '/v1/zones/example.test')
      const { warnings, ...status } = created.body.status
      t.same(warnings, [], 'only a write tells of warnings')
      t.same(read.body, { ...created.body, status })
      t.equal(
        (await call('PUT', '/v1/zones/example.test', read.body)).headers.get('etag'),
        read.headers.get('etag'),
      )

      const at = '/v1/zones/example.test/rrsets'
      const put = await call('PUT', `${at}/@/mx`, { ttl: 3600, data: ['10 mail'] })
      t.equal(put.status, 201)
      t.match(put.body.status.warnings, [{ owner: '@', type: 'MX', message: /has no address in this zone/ }])
      delete put.body.status
      t.same(put.body, { ttl: 3600, data: ['10 mail'] }, 'as it was written')
      t.match((await call('GET', at)).body.items, [
        { type: 'MX', ttl: '1h', data: ['10 mail.example.test.'] },
      ])
      t.same((await call('GET', `${at}/example.test./MX`)).body, put.body, 'the owner may be absolute')
      t.equal((await call('PUT', `${at}/@/MX`, put.body)).headers.get('etag'), put.headers.get('etag'))
      const raised = await call('GET', '/v1/zones/example.test')
      t.not(raised.headers.get('etag'), read.headers.get('etag'))
      t.not(raised.body.status.serial, read.body.status.serial)

      t.same(
        (await call('GET', `${at}?limit=2`)).body.items.map((item: { type: string }) => item.type),
        ['MX', 'NS'],
      )
      const short = await call('PUT', `${at}/sub/DS`, { data: ['1 13 2 AABB'] })
      t.equal(short.status, 201)
      t.same(
        short.body.status.warnings.map(
          ({ owner, type, message }: { owner: string; type: string; message: string }) => [
            owner,
            type,
            message,
          ],
        ),
        [
          ['sub', 'DS', '2 octets of digest, where its kind 2 has 32'],
          ['sub', 'DS', 'a DS stands beside the NS of a zone cut, and there is none (RFC 4035 section 2.4)'],
        ],
      )
      t.notOk((await call('GET', `${at}/sub/DS`)).body.status, 'a GET has no warnings')
      for (const [path, data, message] of [
        ['spf/TXT', 'v=spf1 include:_spf.example.net -all', /joined without blanks: "v=spf1include:/],
        ['bind/HTTPS', '0 b.example.net. alpn=h2', /with priority 0 it is an alias/],
        ['zero/A', '0.0.0.0', /0\.0\.0\.0 is unspecified/],
        ['www.example.test/TXT', 'x', /www\.example\.test\.example\.test\. has the name of the zone twice/],
        ['twice/MX', '10 mail.example.test', /mail\.example\.test\.example\.test\. has the name of the zone/],
      ] as const) {
        const put = await call('PUT', `${at}/${path}`, { data: [data] })
        t.equal(put.status, 201, path)
        t.match(put.body.status.warnings.at(-1).message, message, path)
        t.equal((await call('DELETE', `${at}/${path}`)).status, 204)
      }
      t.equal((await call('DELETE', `${at}/sub/DS`)).status, 204)
      t.equal((await call('PUT', `${at}/*.w/TXT`, { data: ['"a b"'] })).status, 201, 'a wildcard')
      t.equal((await call('DELETE', `${at}/*.w/TXT`)).status, 204)
      t.equal((await call('DELETE', `${at}/*.w/TXT`)).status, 404)
      t.equal((await call('GET', '/v1/zones/none.test/rrsets')).status, 404)
      t.equal((await call('PUT', '/v1/zones/none.test/rrsets/a/A', { data: ['192.0.2.1'] })).status, 404)
      t.equal(
        (await call('PUT', '/v1/zones/0%2F25.2.0.192.in-addr.arpa', zone)).status,
        201,
        'a zone with a slash',
      )
      t.equal((await call('GET', '/v1/zones/0%2F25.2.0.192.in-addr.arpa')).status, 200)
      t.match((await call('GET', '/v1/zones')).body.items[1], { name: 'example.test', soa: zone.soa })
    })

    // Slow on the embedded database, and no different there.
    const once = { skip: kind === 'embedded' && 'it is the same by either database' }

    t.test('a zone of more RRsets than are shown', once, async (t) => {
      const rrsets = Array.from({ length: 10_001 }, (_, i) => ({
        name: `h${i}`,
        type: 'A',
        data: ['192.0.2.1'],
      }))
      const put = await call('PUT', '/v1/zones/big.test', { ...zone, rrsets })
      t.equal(put.status, 201)
      t.equal(put.body.status.rrsets, 10_001)
      t.notOk('rrsets' in put.body)
      t.equal((await call('DELETE', '/v1/zones/big.test')).status, 204)
    })

    t.test('the root is @ in paths, where a dot would be lost', async (t) => {
      const created = await call('PUT', '/v1/zones/@', { ...zone, rrsets: [] })
      t.equal(created.status, 201)
      t.equal(created.headers.get('location'), '/v1/zones/%40')
      t.equal((await call('PUT', '/v1/zones/@/rrsets/www.example/TXT', { data: ['x'] })).status, 201)
      t.match((await call('GET', '/v1/zones/%40')).body.status, { rrsets: 1 })
      t.match((await call('GET', '/v1/zones/@/rrsets')).body.items, [{ name: 'www.example', type: 'TXT' }])
      t.match((await call('GET', '/v1/zones/@/zonefile')).body, /^\$ORIGIN \.\n/)
      t.ok((await call('GET', '/v1/zones')).body.items.some(({ name }: { name: string }) => name === '.'))
      t.equal((await call('GET', '/v1/zones/%5C@')).status, 404, 'a label of that octet is another name')
      t.equal((await call('DELETE', '/v1/zones/@')).status, 204)
    })

    t.test('a service is read with its state, and by any spelling of its name', async (t) => {
      await call('PUT', '/v1/pools/p', { members: { a: { address: '192.0.2.1' } } })
      const created = await call('PUT', '/v1/services/WWW.example.test', { pools: ['p'] })
      t.equal(created.status, 201)
      const effective = { ttl: '30s', steer: 'failover', pools: ['p'], whenAllDown: 'serve-all' }
      t.match(created.body, { pools: ['p'], status: { effective } })
      t.same(Object.keys(created.body), ['pools', 'status'])
      state.services.set('www.example.test', { state: 'up', pool: 'p', reason: '1 of 1 members up' })
      const read = await call('GET', '/v1/services/www.example.test.')
      t.match(read.body.status, { state: 'up', pool: 'p' })
      t.equal((await call('PUT', '/v1/services/www.example.test', read.body)).status, 200)
      const patched = await call('PATCH', '/v1/services/www.example.test', {
        whenAllDown: 'fallback',
        fallback: 'p',
      })
      t.match(patched.body, { whenAllDown: 'fallback', fallback: 'p', status: { effective: { ttl: '30s' } } })

      const noZone = await call('PUT', '/v1/services/www.elsewhere.test', { pools: ['p'] })
      t.equal(noZone.status, 400)
      t.match(noZone.body.detail, /zone/)
      const noPool = await call('PUT', '/v1/services/x.example.test', { pools: ['nope'] })
      t.equal(noPool.status, 400)
      t.match(JSON.stringify(noPool.body.errors), /nope/)
      t.equal(
        (await call('PUT', '/v1/services/ns1.example.test', { pools: ['p'] })).status,
        409,
        'an A is there',
      )
      const taken = await call('PUT', '/v1/zones/example.test/rrsets/www/A', { data: ['192.0.2.9'] })
      t.equal(taken.status, 409, 'a service is there')

      const cut = await call('PUT', '/v1/zones/example.test/rrsets/www/NS', { data: ['ns1.example.net.'] })
      t.equal(cut.status, 409, 'it would hide the service')
      await harness.database.record((tx) =>
        tx.execute(
          sql`insert into rrsets values ('example.test', 'www', 'NS', null, '{ns1.example.net.}', 1)`,
        ),
      )
      t.match((await call('GET', '/v1/services/www.example.test')).body.status, {
        state: 'down',
        pool: null,
        reason: /^www\.example\.test is a service at or below the NS of www\.example\.test/,
      })
      t.match((await call('GET', '/v1/services')).body.items[0].status, { state: 'down' })
      await call('DELETE', '/v1/zones/example.test/rrsets/www/NS')
      t.match((await call('GET', '/v1/services/www.example.test')).body.status, { state: 'up' })

      const inUse = await call('DELETE', '/v1/pools/p')
      t.equal(inUse.status, 409)
      t.match(inUse.body.detail, /www\.example\.test/, 'names the service')
      const zoneInUse = await call('DELETE', '/v1/zones/example.test')
      t.equal(zoneInUse.status, 409)
      t.match(zoneInUse.body.detail, /www\.example\.test/)
      t.equal((await call('DELETE', '/v1/services/www.example.test')).status, 204)
      t.equal((await call('DELETE', '/v1/zones/example.test')).status, 204)
    })

    t.test('a monitor in use is kept, and the pools are named', async (t) => {
      await call('PUT', '/v1/monitors/m', monitor)
      await call('PUT', '/v1/pools/p', { monitor: 'm' })
      const refused = await call('DELETE', '/v1/monitors/m')
      t.equal(refused.status, 409)
      t.match(refused.body, { detail: /pool p/, errors: [{ message: /m/ }] })
      const missing = await call('PUT', '/v1/pools/q', { monitor: 'nope' })
      t.match(missing, { status: 400, body: { errors: [{ path: 'monitor' }] } })
    })

    t.test('lists are read page by page', async (t) => {
      const names = Array.from({ length: 7 }, (_, i) => `page-${i}`)
      for (const name of names) await call('PUT', `/v1/monitors/${name}`, monitor)
      const seen: string[] = []
      let cursor = ''
      do {
        const page = await call('GET', `/v1/monitors?limit=3${cursor}`)
        t.ok(page.body.items.length <= 3)
        seen.push(...page.body.items.map((item: { name: string }) => item.name))
        cursor = page.body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(page.body.nextCursor)}`
      } while (cursor !== '')
      t.same(seen, ['m', ...names])
      const item = (await call('GET', '/v1/monitors?limit=1')).body.items[0]
      t.equal((await call('PUT', '/v1/monitors/m', item)).status, 200, 'an item can be written back')
      t.match((await call('PUT', '/v1/monitors/other', item)).body.errors, [{ path: 'name' }])
      for (const query of [
        'limit=0',
        'limit=1001',
        'limit=x',
        'cursor=%00',
        'cursor=abc',
        // Half a surrogate pair.
        `cursor=${Buffer.from('["\\ud800"]').toString('base64url')}`,
        'page=2',
        'limit=1&limit=2',
      ]) {
        t.equal((await call('GET', `/v1/monitors?${query}`)).status, 400, query)
      }
    })

    t.test('events and the audit log are read page by page, newest first', async (t) => {
      const at = new Date('2026-11-01T10:00:00.000Z')
      const event = {
        kind: 'member' as const,
        node: 'n1',
        pool: 'p',
        member: 'a',
        from: 'up' as const,
        to: 'down' as const,
        reason: 'status 503',
        at,
      }
      await harness.database.record((tx) => appendEvents(tx, [event, { ...event, member: 'b' }]))
      const events = await call('GET', '/v1/events')
      t.match(events.body.items, [
        { member: 'b' },
        { id: Number, kind: 'member', node: 'n1', member: 'a', from: 'up', to: 'down', at: at.toISOString() },
      ])
      t.equal((await call('GET', '/v1/events?pool=p&member=a')).body.items.length, 1)
      t.equal((await call('GET', '/v1/events?pool=q')).body.items.length, 0)
      const audit = await call('GET', '/v1/audit?limit=1')
      t.match(audit.body.items[0], { actor: 'admin', action: 'monitor.put', key: 'page-6', before: null })
      t.type(audit.body.nextCursor, 'string')
    })

    t.test('a publisher that is late, and one that is broken', once, async (t) => {
      state.publisher = 'broken'
      const broken = await call('PUT', '/v1/monitors/late', { ...monitor, rise: 7 })
      t.equal(broken.status, 201)
      t.equal(broken.headers.get('pooldns-published'), 'pending')
      state.publisher = 'late'
      const late = await call('PUT', '/v1/monitors/late', { ...monitor, rise: 8 })
      t.equal(late.status, 200)
      t.equal(late.headers.get('pooldns-published'), 'pending')
      state.publisher = 'prompt'
    })

    t.test('a write that a stop of the server comes upon is replied to at once', once, async (t) => {
      const stopping = new AbortController()
      await using harness = await startHarness(null, { stopping: stopping.signal })
      harness.state.publisher = 'late'
      const written = harness.call('PUT', '/v1/monitors/late?wait=fleet', monitor)
      const told = harness.logged(({ msg }) => msg === 'written, but not published yet')
      stopping.abort(new Error('the server stops'))
      const reply = await written
      t.equal(reply.status, 201)
      t.equal(reply.headers.get('pooldns-published'), 'pending')
      t.match(await told, { level: 'warn', err: { message: 'the server stops' } })
    })

    t.test('a reply that waits for the fleet', once, async (t) => {
      const put = async (query: string, rise: number) => {
        const reply = await call('PUT', `/v1/monitors/fleet${query}`, { ...monitor, rise })
        return [reply.status, reply.headers.get('pooldns-published'), reply.headers.get('pooldns-fleet')]
      }
      t.same(await put('', 2), [201, 'yes', null], 'only when asked to')
      t.same(await put('?wait=fleet', 3), [200, 'yes', 'yes'])
      state.behind = ['node-2', 'node-3']
      t.same(await put('?wait=fleet', 4), [200, 'yes', 'pending node-2 node-3'])
      const many = Array.from({ length: 1000 }, (_, index) => `node-${index}`)
      state.behind = many
      t.same((await put('?wait=fleet', 6))[2], `pending ${many.slice(0, 20).join(' ')}`, 'twenty are named')
      state.behind = 'unknown'
      t.same(await put('?wait=fleet', 5), [200, 'yes', 'pending'], 'written all the same')
      state.behind = ['node-2']
      const gone = await call('DELETE', '/v1/monitors/fleet?wait=fleet')
      t.same([gone.status, gone.headers.get('pooldns-fleet')], [204, 'pending node-2'])
      state.behind = []
      const wrong = await call('PUT', '/v1/monitors/fleet?wait=flet', monitor)
      t.same([wrong.status, wrong.body.errors[0].path], [400, 'wait'])
    })

    t.test('concurrent patches of one pool all count', async (t) => {
      const members = Array.from({ length: 20 }, (_, i) => `c${i}`)
      await Promise.all(
        members.map((name, i) =>
          call('PATCH', '/v1/pools/p', { members: { [name]: { address: `192.0.2.${100 + i}` } } }),
        ),
      )
      const { body } = await call('GET', '/v1/pools/p')
      t.same(Object.keys(body.members).sort(), members.sort())
    })
  })
}
