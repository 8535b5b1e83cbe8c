/** A token with limits sees and changes what it reaches, and nothing else: of every route that there is, and of what errors say. */
import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import t from 'tap'
import { feedNamePattern, takenNames } from '../../../src/controlplane/model/feed.ts'
import type { Limits, ReachKind } from '../../../src/controlplane/model/reach.ts'
import { tokenScopes } from '../../../src/controlplane/model/token.ts'
import { appendEvents } from '../../../src/controlplane/store/events.ts'
import { createToken } from '../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../support/postgres.ts'
import { type CallOptions, type Harness, type Reply, startHarness } from './fixture.ts'
import { openStream } from './operations/event-stream-client.ts'
import { pathTo, routeRights } from './route-rights.ts'

/** Every route of the servers that this process starts. */
const registered = new Map<string, RouteOptions>()
subscribe('fastify.initialization', (message) => {
  const { fastify } = message as { fastify: FastifyInstance }
  fastify.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) registered.set(`${method} ${route.url}`, route)
  })
})

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const limits: Readonly<Record<ReachKind, Limits>> = {
  zone: { zones: ['mine.test'] },
  pool: { pools: ['mine-*'] },
  service: { services: ['*.mine.test'] },
  monitor: { monitors: ['mine-monitor'] },
  feed: { feeds: ['mine_*'] },
}
const kinds = Object.keys(limits) as ReachKind[]

const soa = { mname: 'ns1.example.net.', rname: 'h.example.net.' }
const nameservers = { name: '@', type: 'NS', data: ['ns1.example.net.'] }
const zone = (whose: string) => ({
  soa,
  rrsets: [
    nameservers,
    { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
    { name: `a-${whose}`, type: 'A', data: ['192.0.2.1'] },
  ],
})

/** The same for us and for somebody else, whose service uses our pool, too. */
function documentOf(whose: 'mine' | 'mallory', more: object = {}) {
  const pool = `${whose}-pool`
  return {
    feeds: { [`${whose}_feed`]: { columns: { load: {} } } },
    monitors: { [`${whose}-monitor`]: { type: 'push', ttl: '1h' } },
    pools: {
      [pool]: { monitor: `${whose}-monitor`, members: { [`${whose}-member`]: { address: '192.0.2.10' } } },
    },
    services: { [`www.${whose}.test`]: { pools: [pool] }, ...more },
    zones: { [`${whose}.test`]: zone(whose) },
  }
}

type Token = (method: string, path: string, body?: unknown, options?: CallOptions) => Promise<Reply>

interface World extends AsyncDisposable {
  readonly harness: Harness
  /** Calls as the token with limits of a kind; whatever it is told has nothing of Mallory's in it, but for what it said itself. */
  readonly as: (kind: ReachKind | 'both') => Token
  readonly secretOf: (kind: ReachKind | 'both') => string
}

async function startWorld(): Promise<World> {
  const harness = await startHarness(await postgres.createDatabase(), {
    publicTools: false,
    metricsAccess: 'token',
  })
  const { call, database } = harness
  const other = await database.record((tx) => createToken(tx, 'other-team', ['read', 'write']))
  const put = async (path: string, body: unknown, token?: string) => {
    const { status, body: said } = await call('PUT', path, body, token === undefined ? {} : { token })
    if (status > 299) throw new Error(`${path} ${status} ${JSON.stringify(said)}`)
  }
  await put('/v1/config?message=for%20mine', documentOf('mine'))
  const theirs = documentOf('mallory', { 'user.mallory.test': { pools: ['mine-pool'] } })
  await put('/v1/config?message=mallory%20plans', theirs, other)
  await put('/v1/webhooks/mallory-webhook', { url: 'https://mallory.example.test/' })
  for (const whose of ['mine', 'mallory']) {
    const word = { state: 'drain', reason: `${whose} reason` }
    await put(`/v1/pools/${whose}-pool/members/${whose}-member/override`, word)
    await put(`/v1/overrides/${whose}-*/*`, word)
    await put(`/v1/services/www.${whose}.test/override`, word)
    const at = new Date()
    const seen = { node: 'node-1', at, reason: `${whose} reason` }
    await database.record((tx) =>
      appendEvents(tx, [
        { kind: 'pool', pool: `${whose}-pool`, from: 'healthy', to: 'down', ...seen },
        { kind: 'isolation', from: 'trusted', to: 'suspect', ...seen, reason: 'mallory network' },
        {
          kind: 'service',
          service: `www.${whose}.test`,
          from: 'up',
          to: 'down',
          pools: [],
          before: [`${whose}-pool`],
          ...seen,
        },
      ]),
    )
  }
  // One that changes both, by somebody who says so.
  const both = { ...documentOf('mine').zones, ...documentOf('mallory').zones }
  const changed = Object.entries(both).map(([apex, body]) => [apex, { ...body, ttl: '2m' }])
  await put('/v1/config?message=mallory%20reasons', { zones: Object.fromEntries(changed) }, other)

  const secrets = new Map<string, string>()
  const reaches = {
    ...limits,
    both: {
      zones: ['mine.test'],
      services: ['*.mine.test'],
      pools: ['mine-*'],
      monitors: ['mine-*'],
      feeds: ['mine_*'],
    },
  }
  for (const [kind, reach] of Object.entries(reaches)) {
    const name = `mine-${kind}`
    secrets.set(kind, await database.record((tx) => createToken(tx, name, tokenScopes, { limits: reach })))
  }
  const as =
    (kind: string): Token =>
    async (method, path, body, options = {}) => {
      const reply = await call(method, path, body, { token: secrets.get(kind)!, ...options })
      const said = `${path} ${JSON.stringify(body)}`
      const told = JSON.stringify([reply.body, ...reply.headers])
      const cursor = Buffer.from(String(reply.body?.nextCursor ?? ''), 'base64url').toString()
      if (!said.includes('mallory') && /mallory/.test(told + cursor)) {
        throw new Error(`${kind}: ${method} ${path} tells ${told} ${cursor}`)
      }
      return reply
    }
  return {
    harness,
    as,
    secretOf: (kind) => secrets.get(kind)!,
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  }
}

const world = await startWorld()
t.teardown(() => world[Symbol.asyncDispose]())
const { harness, as } = world
const routes = [...registered.keys()].filter(
  (route) => !/^\w+ \/(docs|console)/.test(route) && !route.startsWith('HEAD '),
)

t.test('somebody has decided about every route, and the same as the server', async (t) => {
  t.same(routes.toSorted(), Object.keys(routeRights).sort())
  for (const route of routes) {
    const { access } = registered.get(route)!.config!
    t.equal(typeof access === 'object' ? access.kind : access, routeRights[route], route)
  }
  const described = Object.entries(
    (await harness.call('GET', '/openapi.json')).body.paths as Record<string, Record<string, unknown>>,
  ).flatMap(([path, operations]) =>
    Object.keys(operations).map(
      (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  )
  t.same(described.sort(), routes.toSorted(), 'the document of the API has each of them')
})

t.test('no feed has the name of what is read there already', async (t) => {
  const alone = [...registered.keys()].flatMap((route) => {
    const name = /^GET \/([^/:*]+)\/?$/.exec(route)?.[1] ?? ''
    return feedNamePattern.test(name) ? [name] : []
  })
  t.same([...new Set(alone)].toSorted(), [...takenNames].toSorted())
})

t.test('a list has what is reached, page by page', async (t) => {
  const all = async (kind: ReachKind, path: string) => {
    const items: Record<string, unknown>[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body, status } = await as(kind)('GET', `${path}?limit=1${cursor && `&cursor=${cursor}`}`)
      t.equal(status, 200, path)
      items.push(...body.items)
      cursor = body.nextCursor
    }
    return items
  }
  for (const kind of kinds) {
    for (const list of kinds) {
      const names = (await all(kind, `/v1/${list}s`)).map(({ name }) => name)
      const own = {
        zone: 'mine.test',
        service: 'www.mine.test',
        pool: 'mine-pool',
        monitor: 'mine-monitor',
        feed: 'mine_feed',
      }
      t.same(names, kind === list ? [own[kind]] : [], `${kind}: ${list}s`)
    }
    const overrides = (await all(kind, '/v1/overrides')).map(({ pool, service }) => pool ?? service)
    t.same(overrides, { pool: ['mine-*', 'mine-pool'], service: ['www.mine.test'] }[kind as string] ?? [])
    const events = (await all(kind, '/v1/events')).map((event) => event.kind)
    t.same(events, kind === 'pool' || kind === 'service' ? [kind] : [])
    const audited = new Set((await all(kind, '/v1/audit')).map(({ action }) => String(action).split('.')[0]))
    const expected = {
      zone: ['zone'],
      pool: ['override', 'pool'],
      service: ['service', 'service-override'],
      monitor: ['monitor'],
      feed: ['feed'],
    }
    t.same([...audited].sort(), expected[kind], `${kind}: audit`)
    const revisions = await all(kind, '/v1/revisions')
    t.same(
      revisions.map(({ revision, message }) => [revision, message]),
      kind === 'zone'
        ? [
            [10, null],
            [1, null],
          ]
        : [[1, null]],
      `${kind}: what touched it, and why it was made only where it touched nothing else`,
    )
  }
  const { items } = (await as('both')('GET', '/v1/revisions')).body
  t.match(items, [
    { revision: 10, message: null },
    { revision: 1, message: 'for mine' },
  ])
})

t.test('a stream has what is reached', async (t) => {
  await using stream = await openStream(harness.origin, '/v1/events/stream?after=0', {
    authorization: `Bearer ${world.secretOf('pool')}`,
  })
  t.match(await stream.next(), { event: 'pool', data: { pool: 'mine-pool' } })
  const last = { kind: 'drained', pool: 'mine-pool', member: 'm', node: 'n', at: new Date() } as const
  await harness.database.record((tx) => appendEvents(tx, [{ ...last, pool: 'mallory-pool' }, last]))
  t.match(await stream.next(), { event: 'drained', data: { pool: 'mine-pool' } }, 'and nothing between')
})

t.test('the document', async (t) => {
  const exported = await as('both')('GET', '/v1/config')
  t.same(Object.keys(exported.body.pools), ['mine-pool'])
  t.same(Object.keys(exported.body.services), ['www.mine.test'])
  t.same(Object.keys((await as('zone')('GET', '/v1/config')).body), ['version', 'zones'])
  t.match(await as('both')('PUT', '/v1/config?dryRun=true', exported.body), {
    status: 200,
    body: { changed: false },
  })

  for (const whose of ['mallory', 'absent']) {
    for (const [document, named] of [
      [{ pools: { [`${whose}-pool`]: {} } }, `pool ${whose}-pool`],
      [{ zones: { [`${whose}.test`]: zone('x') }, pools: { [`${whose}-pool`]: {} } }, `zone ${whose}.test`],
      [{ services: { [`www.${whose}.test`]: { pools: ['mine-pool'] } } }, `service www.${whose}.test`],
      [{ monitors: { [`${whose}-monitor`]: { type: 'push', ttl: '1h' } } }, `monitor ${whose}-monitor`],
      [{ feeds: { [`${whose}_feed`]: { columns: { a: {} } } } }, `feed ${whose}_feed`],
    ] as const) {
      for (const path of ['/v1/config', '/v1/config?dryRun=true', '/v1/config?prune=true']) {
        const reply = await as('both')('PUT', path, document)
        t.match(reply, { status: 403, body: { detail: `token mine-both does not reach ${named}` } }, path)
      }
    }
  }
  const gradual = await as('both')('PUT', '/v1/config?gradual=30m', { services: exported.body.services })
  t.match(gradual, { status: 403, body: { detail: /without limits/ } }, 'it could not stop it')
  const plan = await as('both')('PUT', '/v1/config?dryRun=true', {})
  t.match(plan.body, { changed: false, summary: { left: 5 } }, 'what others have is not even counted')
  const pruned = await as('both')('PUT', '/v1/config?dryRun=true&prune=true', {})
  t.equal(pruned.status, 409, 'somebody needs our pool, and who that is nobody says')
  t.match(pruned.body.detail, /that the token does not reach/)
  const { zones, services } = exported.body
  t.match(await as('zone')('PUT', '/v1/config?prune=true', { zones }), {
    status: 200,
    body: { changed: false },
  })
  t.match(await as('service')('PUT', '/v1/config?prune=true', {}), {
    status: 200,
    body: { summary: { remove: 1 } },
  })
  t.equal((await harness.call('GET', '/v1/services/www.mallory.test')).status, 200)
  const again = await as('service')('PUT', '/v1/config', { services })
  t.match(again, { status: 403, body: { detail: /"www.mine.test"\] names a pool/ } }, 'it reaches no pool')
  t.equal((await as('both')('PUT', '/v1/config', { services })).status, 200)
})

t.test('what is named anew must be reached, what was named before may stay', async (t) => {
  const path = '/v1/services/www.mine.test'
  t.equal((await as('service')('PUT', path, { pools: ['mine-pool'], ttl: 7 })).status, 200)
  t.equal((await as('service')('PATCH', path, { ttl: 8 })).status, 200)
  for (const name of ['mallory-pool', 'absent-pool']) {
    for (const body of [
      { pools: ['mine-pool', name] },
      { pools: ['mine-pool'], whenAllDown: 'fallback', fallback: name },
    ]) {
      const reply = await as('both')('PUT', path, body)
      t.match(reply, { status: 403, body: { detail: `the token does not reach pool ${name}` } })
    }
  }
  for (const name of ['mallory-monitor', 'absent-monitor']) {
    t.equal((await as('pool')('PATCH', '/v1/pools/mine-pool', { monitor: name })).status, 403, name)
    t.equal((await as('pool')('PUT', '/v1/pools/mine-new', { monitor: name })).status, 403, name)
  }
  for (const name of ['mallory_feed', 'absent_feed', 'probes']) {
    const use = { feed: name, column: 'load' }
    const member = { address: '192.0.2.10', weight: use }
    for (const [token, path, body] of [
      ['pool', '/v1/pools/mine-new', { capacity: { ...use, limit: 1 } }],
      [
        'pool',
        '/v1/pools/mine-new',
        { members: { a: { ...member, weight: 1, shed: { ...use, above: 1, to: 2 } } } },
      ],
      ['pool', '/v1/pools/mine-pool/members/mine-member', member],
      ['monitor', '/v1/monitors/mine-monitor', { type: 'feed', ...use, max: 1 }],
    ] as const) {
      const reply = await as(token)('PUT', path, body)
      t.match(reply, { status: 403, body: { detail: `the token does not reach feed ${name}` } }, path)
    }
    const pools = { 'mine-pool': { members: { 'mine-member': member } } }
    t.equal((await as('pool')('PUT', '/v1/config', { pools })).status, 403)
  }
  t.equal((await as('pool')('PUT', '/v1/pools/mine-new', {})).status, 201)
  t.equal((await as('pool')('DELETE', '/v1/pools/mine-new')).status, 204)
  const report = { pool: 'mine-pool', member: 'mine-member', state: 'up' }
  harness.state.reportTtls.set('mine-pool/mine-member', 1000)
  t.equal((await as('pool')('POST', '/v1/reports', { reports: [report] })).status, 200)
  const reply = await as('pool')('POST', '/v1/reports', {
    reports: [report, { ...report, pool: 'mallory-pool' }],
  })
  t.match(reply, { status: 403, body: { detail: 'token mine-pool does not reach pool mallory-pool' } })
  t.equal((await as('pool')('PUT', '/v1/overrides/mine-p*/*', { state: 'up' })).status, 201)
  for (const pattern of ['*', 'm*', '?ine-*', 'mine?*']) {
    t.equal(
      (await as('pool')('PUT', `/v1/overrides/${encodeURIComponent(pattern)}/*`, { state: 'up' })).status,
      403,
      pattern,
    )
  }
})

t.test('what errors say', async (t) => {
  const needed = await as('pool')('DELETE', '/v1/pools/mine-pool')
  t.match(needed, {
    status: 409,
    body: { detail: /that the token does not reach is in the way, or needs this/ },
  })
  t.equal(needed.body.errors, undefined)
  const own = await as('pool')('GET', '/v1/pools/mine-pool/members/nobody')
  t.match(
    own,
    { status: 404, body: { detail: 'member nobody of pool mine-pool does not exist' } },
    'its own words come back',
  )
  // A member that is called as somebody's pool is: no other words by which that could be found out.
  const guess = await as('pool')('GET', '/v1/pools/mine-pool/members/mallory-pool')
  t.match(guess, { status: 404, body: { detail: 'member mallory-pool of pool mine-pool does not exist' } })
  const misspelt = await as('pool')('PUT', '/v1/pools/mine-pool', { select: 'mallory-pool' })
  t.match(misspelt, { status: 400, body: { errors: [{ path: 'select' }] } })
  const beside = await as('zone')('PUT', '/v1/zones/mine.test/rrsets/a-mine/CNAME', { data: ['x.example.'] })
  t.match(beside, { status: 409, body: { detail: /CNAME/ } }, 'what is its own is told')
  const there = await as('zone')('PUT', '/v1/zones/mine.test/rrsets/www/A', { data: ['192.0.2.1'] })
  t.equal(there.status, 409)
  t.notMatch(JSON.stringify(there.body), /www/)
  const stale = await as('both')('PUT', '/v1/config', {}, { headers: { 'if-match': '"1"' } })
  t.match(stale, { status: 412, body: { detail: /^the configuration has changed since; read it/ } })
})

t.test('back to a revision, within what is reached', async (t) => {
  const changed = await as('both')('PATCH', '/v1/services/www.mine.test', { ttl: 99 })
  t.equal(changed.status, 200)
  const revision = Number(changed.headers.get('etag')!.slice(1, -1)) - 1
  t.match(await as('zone')('POST', `/v1/revisions/${revision}/rollback`), {
    status: 403,
    body: { detail: 'this would change parts that the token does not reach' },
  })
  const shown = await as('service')('GET', `/v1/revisions/${revision + 1}`)
  t.match(shown.body.changes, [{ name: 'www.mine.test', fields: [{ path: 'ttl', after: 99 }] }])
  t.equal((await as('zone')('GET', `/v1/revisions/${revision + 1}`)).status, 404)
  t.same((await as('zone')('GET', `/v1/revisions/${revision}/diff`)).body.changes, [])
  const back = await as('service')('POST', `/v1/revisions/${revision}/rollback?dryRun=true`)
  t.match(back, { status: 200, body: { changes: [{ name: 'www.mine.test' }] } })
  t.equal((await as('service')('POST', `/v1/revisions/${revision}/rollback`)).status, 200)
  for (const dryRun of [true, false]) {
    const far = await as('both')('POST', `/v1/revisions/1/rollback?dryRun=${dryRun}`)
    t.match(far, { status: 403, body: { detail: /does not reach/ } })
  }
})

t.test('route by route', async (t) => {
  // Nothing is changed by these, whoever sends them.
  const harmless = { 'if-match': '"123456789"' }
  for (const [route, need] of Object.entries(routeRights)) {
    const [method, url] = route.split(' ') as [string, string]
    // That of feeds at their names alone looks first whether there is one; see its own test.
    if (url.endsWith('/stream') || url === '/:name') continue
    const body = method === 'GET' || method === 'DELETE' ? undefined : []
    for (const kind of kinds) {
      const ask = (whose: 'mine' | 'mallory' | 'absent') =>
        as(kind)(method, pathTo(url, whose), body, { headers: harmless })
      const mine = await ask('mine')
      const text = `${kind}: ${route}`
      t.not(mine.status, 401, text)
      if (need === 'open') t.ok(mine.status < 300, text)
      else if (need !== 'within') t.equal(mine.status === 403, need !== kind, `${text} ${mine.status}`)
      if (need === 'open' || need === 'within') continue
      const theirs = await ask('mallory')
      t.equal(theirs.status, 403, text)
      t.match(theirs.headers.get('www-authenticate'), /insufficient_scope/)
      const absent = await ask('absent')
      t.equal(
        JSON.stringify(theirs.body).replaceAll('mallory', 'absent'),
        JSON.stringify(absent.body),
        `${text}: nobody can tell what is there from what is not`,
      )
      if (method === 'GET' && kind === 'zone') {
        const { status } = await harness.call('HEAD', pathTo(url, 'mallory'), undefined, {
          token: world.secretOf(kind),
        })
        t.ok([403, 405].includes(status), `${text} by HEAD`)
      }
    }
  }
})

t.test('a dot within a label ends none', async (t) => {
  const evil = 'evil%5C.mine.test'
  const asService = as('service')
  t.match(await asService('PUT', `/v1/services/${evil}`, { pools: [] }), { status: 403 })
  t.match(await asService('GET', `/v1/services/${evil}`), { status: 403 })
  t.match(await harness.call('PUT', '/v1/zones/test', { soa, rrsets: [nameservers] }), { status: 201 })
  t.match(await harness.call('PUT', `/v1/services/${evil}`, { pools: ['mallory-pool'] }), { status: 201 })
  const names = async (call: typeof asService) =>
    (await call('GET', '/v1/services')).body.items.map(({ name }: { name: string }) => name)
  t.ok((await names((method, path) => harness.call(method, path))).includes('evil\\.mine.test'))
  t.notOk((await names(asService)).includes('evil\\.mine.test'))
  t.ok((await names(asService)).includes('www.mine.test'))
  for (const path of [`/v1/services/${evil}`, '/v1/zones/test'])
    t.match(await harness.call('DELETE', path), { status: 204 })
})
