/** Gradual changes by the API and a node's mover, on both kinds of database. */
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { GradualMover } from '../../../src/controlplane/gradual/mover.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { type Harness, startHarness } from '../api/fixture.ts'
import { startMoving } from './moving.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
type Any = any

const name = 'www.example.test'
const members = { a: { address: '192.0.2.1' }, b: { address: '192.0.2.2', weight: 0 } }
const document = (eu: number, us: number, more: object = {}): Any => ({
  pools: {
    eu: { members: { a: { address: '192.0.2.10' } } },
    us: { members: { a: { address: '192.0.2.20' } } },
    mixed: { select: 'weighted', members },
  },
  services: {
    // Not as we would write it.
    [name]: {
      ttl: '10s',
      steer: 'weighted',
      pools: [
        { pool: 'eu', weight: eu },
        { pool: 'us', weight: us },
      ],
      ...more,
    },
  },
  zones: {
    'example.test': {
      soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
      rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.test.'] }],
    },
  },
})

const stepMs = 6 * 60_000
const course = 'gradual=30m&steps=1,5,25,50,100'

const postgres = await startPostgres()
t.teardown(() => postgres[Symbol.asyncDispose]())

for (const kind of ['postgres', 'embedded'] as const) {
  t.test(`on ${kind}`, async (t) => {
    const harness = await startHarness(kind === 'postgres' ? await postgres.createDatabase() : null)
    t.teardown(() => harness[Symbol.asyncDispose]())
    const moving = await startMoving(harness.database)
    t.teardown(() => moving[Symbol.asyncDispose]())
    const put = (body: unknown, query = '') => harness.call('PUT', `/v1/config?${query}`, body)
    const weights = async () => {
      const { body } = await harness.call('GET', `/v1/services/${name}`)
      return body.pools.map((each: Any) => each.weight ?? 100)
    }
    const act = (id: number, action: string, query = '') =>
      harness.call('POST', `/v1/gradual-changes/${id}/${action}${query}`)
    const shown = async (id: number) => (await harness.call('GET', `/v1/gradual-changes/${id}`)).body
    /** From a service that is answered from `eu` alone, begins to move it to `us`. */
    const begin = async (t: Test, query = course): Promise<number> => {
      moving.takeAll()
      await put(document(100, 0))
      const started = await put(document(0, 100), query)
      t.equal(started.status, 200, JSON.stringify(started.body.detail ?? ''))
      await moving.follow()
      await moving.looked()
      return started.body.gradual.id
    }

    await badInput(t, harness)

    t.test('planned, started, and step by step to its end', async (t) => {
      await put(document(100, 0))
      for (const duration of ['10s', '20s', '1m', '10500ms']) {
        const query = `gradual=${duration}&steps=10,50,100&dryRun=true`
        t.equal((await put(document(0, 100), query)).body.gradual.duration, duration, 'as it was asked for')
      }
      const planned = await put(document(0, 100), `${course}&dryRun=true`)
      t.match(planned.body, {
        changed: true,
        gradual: {
          duration: '30m',
          haltWhen: ['degraded'],
          steps: [
            {
              percent: 1,
              afterSeconds: 0,
              parts: [
                {
                  kind: 'service',
                  name,
                  shares: [
                    { of: 'pool', name: 'eu', share: 0.99 },
                    { of: 'pool', name: 'us', share: 0.01 },
                  ],
                },
              ],
            },
            { percent: 5, afterSeconds: 360 },
            { percent: 25, afterSeconds: 720 },
            { percent: 50, afterSeconds: 1080 },
            { percent: 100, afterSeconds: 1440 },
          ],
        },
      })
      t.same(await weights(), [100, 0], 'a plan moves nothing')
      const started = await put(document(0, 100), `${course}&message=to%20us`)
      t.match(started, { status: 200, body: { changed: true, gradual: { steps: [{ percent: 1 }] } } })
      const { id } = started.body.gradual
      t.same(await weights(), [99, 1])
      t.match(harness.state.told.at(-1), { kind: 'gradual', what: 'started', change: id, percent: 1 })
      const again = await put(document(0, 100), course)
      t.match(again, { status: 409, body: { detail: new RegExp(`is moved by gradual change ${id}`) } })
      await moving.follow()
      for (const [percent, expected] of [
        [5, [19, 1]],
        [25, [3, 1]],
        [50, [1, 1]],
        [100, [0, 100]],
      ] as const) {
        moving.leap(stepMs - 30_000)
        await moving.looked()
        t.not((await shown(id)).percent, percent, 'not before its time')
        moving.leap(30_000)
        t.match(await moving.event('step'), {
          change: id,
          percent,
          services: [name],
          pools: ['eu', 'us'],
          actor: 'admin',
        })
        t.same(await weights(), expected)
        t.equal((await harness.call('GET', '/v1/config')).body.services[name].ttl, '10s', 'as it was written')
        await moving.follow()
        await moving.looked()
      }
      t.match(await shown(id), { phase: 'running', percent: 100 }, 'the last step is watched, too')
      moving.leap(stepMs)
      await moving.event('done')
      t.match(await shown(id), { phase: 'done', endedAt: /^20/, nextAt: null })
      t.match(await put(document(0, 100), 'dryRun=true'), { body: { changed: false } }, 'it is the document')
      const { body: revisions } = await harness.call('GET', '/v1/revisions?limit=5')
      t.match(revisions.items, [
        { source: 'gradual', actor: 'admin', message: `gradual change ${id}, step 5 of 5: to us` },
        { source: 'gradual', message: `gradual change ${id}, step 4 of 5: to us` },
        { source: 'gradual' },
        { source: 'gradual' },
        { source: 'gradual', message: 'to us' },
      ])
      const step = await harness.call('GET', `/v1/revisions/${revisions.items[0].revision}`)
      t.match(step.body.changes, [{ kind: 'service', name, action: 'change' }])
      t.match(await put(document(0, 100), course), { status: 200, body: { changed: false } })
    })

    t.test('what gains traffic fails: it goes back by itself, and says why', async (t) => {
      const id = await begin(t)
      const before = (await harness.call('GET', '/v1/revisions?limit=1')).body.items[0].revision - 1
      moving.conditions.set('pool eu', { condition: 'down', reason: 'what loses traffic is not watched' })
      moving.leap(stepMs)
      await moving.event('step')
      await moving.follow()
      moving.conditions.set('pool us', { condition: 'degraded', reason: '0 of 1 members up' })
      moving.mover.look()
      // It is remembered.
      moving.conditions.delete('pool us')
      const event = await moving.event('returned')
      t.match(event, { change: id, percent: 0, reason: 'pool us is degraded: 0 of 1 members up' })
      t.match(await shown(id), { phase: 'returned', percent: 0, reason: event.reason })
      t.same(
        (await harness.call('GET', `/v1/revisions/${before}/diff`)).body.changes,
        [],
        'as it was written',
      )
      t.match((await harness.call('GET', '/v1/revisions?limit=1')).body.items[0], {
        actor: 'system',
        source: 'gradual',
        message: `gradual change ${id} goes back: ${event.reason}`,
      })
      moving.conditions.clear()
      await moving.follow()
    })

    t.test('a node that doubts its own network neither steps nor goes back', async (t) => {
      const id = await begin(t)
      moving.trusts = false
      moving.conditions.set('pool us', { condition: 'down', reason: 'so it seems' })
      moving.leap(stepMs)
      await moving.looked()
      t.match(await shown(id), { phase: 'running', step: 1 })
      moving.conditions.clear()
      moving.trusts = true
      await moving.event('step')
      await act(id, 'go-back')
      t.same(await weights(), [100, 0])
    })

    t.test('named conditions', async (t) => {
      const id = await begin(t, `${course}&haltWhen=down,member-down`)
      moving.conditions.set('pool us', { condition: 'degraded', reason: 'is not asked for' })
      await moving.looked()
      t.match(await shown(id), { phase: 'running' })
      moving.members.set('us/a', { state: 'down', reason: 'status 503' })
      moving.mover.look()
      t.match(await moving.event('returned'), { reason: 'member us/a is down: status 503' })
      moving.conditions.clear()
      moving.members.clear()
    })

    t.test('members of a pool', async (t) => {
      const moved = document(100, 0)
      moved.pools.mixed.members = { a: { ...members.a, weight: 20 }, b: { ...members.b, weight: 80 } }
      await put(document(100, 0))
      const started = await put(moved, 'gradual=10s&steps=50,100')
      t.match(started, {
        status: 200,
        body: { gradual: { steps: [{ parts: [{ kind: 'pool', name: 'mixed' }] }] } },
      })
      const now = async () => (await harness.call('GET', '/v1/pools/mixed')).body.members
      t.match(await now(), { a: { weight: 3 }, b: { weight: 2 } })
      await moving.follow()
      await moving.looked()
      moving.members.set('mixed/b', { state: 'down', reason: 'refused' })
      moving.mover.look()
      t.match(await moving.event('returned'), { reason: 'member mixed/b is down: refused', pools: ['mixed'] })
      t.match(await now(), { b: { weight: 0 } })
      t.notOk(
        'weight' in (await harness.call('GET', '/v1/config')).body.pools.mixed.members.a,
        'as it was written',
      )
      moving.members.clear()
    })

    t.test('held, let go, finished and taken back by operators', async (t) => {
      const id = await begin(t)
      moving.leap(stepMs / 2)
      t.match(await act(id, 'pause', '?message=lunch'), {
        body: { phase: 'paused', nextAt: null, reason: 'lunch' },
      })
      await moving.looked()
      moving.leap(10 * stepMs)
      await moving.looked()
      t.match(await shown(id), { phase: 'paused', step: 1 })
      t.match(await act(id, 'pause'), {
        status: 409,
        body: { detail: `gradual change ${id} is paused: it can't be paused` },
      })
      t.match(await act(id, 'resume'), { body: { phase: 'running', step: 1, nextAt: /^20/ } })
      await moving.looked()
      moving.leap(stepMs)
      await moving.event('step')
      t.match(await act(id, 'finish'), { status: 200, body: { phase: 'done', percent: 100, step: 5 } })
      t.same(await weights(), [0, 100])
      for (const action of ['pause', 'resume', 'finish', 'go-back'])
        t.equal((await act(id, action)).status, 409, action)
      t.equal((await act(999_999, 'pause')).status, 404)
      const other = await begin(t)
      await act(other, 'pause')
      t.match(await act(other, 'go-back'), { status: 200, body: { phase: 'returned', percent: 0 } })
      t.same(await weights(), [100, 0])
      t.match((await harness.call('GET', '/v1/gradual-changes?limit=2')).body.items, [{ id: other }, { id }])
      t.match(
        (await harness.call('GET', '/v1/audit?limit=20')).body.items.map(({ action }: Any) => action),
        ['service.put', 'gradual.pause'],
      )
    })

    t.test('somebody else has the last word', async (t) => {
      const others: Readonly<Record<string, readonly [act: () => Promise<unknown>, reason: RegExp]>> = {
        'the weights of the service': [
          () => harness.call('PUT', `/v1/services/${name}`, document(70, 30).services[name]),
          /^somebody else has changed the weights of service www\.example\.test: revision \d+ by admin$/,
        ],
        'another choice': [
          () =>
            harness.call('PUT', `/v1/services/${name}`, { steer: 'weighted', pools: ['eu', 'us', 'mixed'] }),
          /^service www\.example\.test has other choices than before: revision \d+ by admin$/,
        ],
        'another way to steer': [
          () => harness.call('PATCH', `/v1/services/${name}`, { steer: 'failover' }),
          /^service www\.example\.test is not weighted any more: revision \d+ by admin$/,
        ],
        'its removal': [
          () => harness.call('DELETE', `/v1/services/${name}`),
          /^service www\.example\.test is there no more: revision \d+ by admin$/,
        ],
        'a rollback': [
          async () => {
            const { body } = await harness.call('GET', '/v1/revisions?limit=1')
            return harness.call('POST', `/v1/revisions/${body.items[0].revision - 1}/rollback`)
          },
          /^somebody else has changed the weights .*: revision \d+ by admin$/,
        ],
      }
      for (const [what, [write, reason]] of Object.entries(others)) {
        const id = await begin(t)
        await write()
        const left = (await harness.call('GET', `/v1/services/${name}`)).body.pools
        t.match(await act(id, 'finish'), { status: 409 }, `${what}: nobody finishes it`)
        await moving.follow()
        t.match(await moving.event('halted'), { change: id, reason }, what)
        t.match(await shown(id), { phase: 'halted', reason })
        t.same(
          (await harness.call('GET', `/v1/services/${name}`)).body.pools,
          left,
          'it stays as it was written',
        )
      }
      const id = await begin(t)
      harness.state.gradual = moving.mover.current
      t.match((await put(document(70, 30), 'dryRun=true')).body.halts, [{ id, moves: `service ${name}` }])
      t.notOk((await put(document(99, 1), 'dryRun=true')).body.halts, 'those weights are its own')
      harness.state.gradual = []
      await harness.call('PATCH', `/v1/services/${name}`, { ttl: 77 })
      await moving.follow()
      moving.leap(stepMs)
      await moving.event('step')
      t.match(
        await harness.call('GET', `/v1/services/${name}`),
        { body: { ttl: 77 } },
        'what else is written stays',
      )
      await act(id, 'go-back')
      t.match((await harness.call('GET', `/v1/services/${name}`)).body, {
        ttl: 77,
        pools: [{ weight: 100 }, { weight: 0 }],
      })
    })

    t.test('files of an owner, and what is to go', async (t) => {
      const pools = { owned: { select: 'weighted', members } }
      await put({ owner: 'team-a', pools })
      const moved = structuredClone(pools) as Any
      moved.owned.members.b.weight = 100
      const pruning = await put(
        { owner: 'team-a', pools: { owned: { ...moved.owned, members: { b: moved.owned.members.b } } } },
        `${course}&prune=true`,
      )
      t.match(pruning, {
        status: 409,
        body: { errors: [{ path: 'pools.owned', message: /more than weights/ }] },
      })
      t.match(await put({ owner: 'team-b', pools: moved }, course), {
        status: 409,
        body: { errors: [{ message: /belongs to the files of owner team-a/ }] },
      })
      const started = await put({ owner: 'team-a', pools: moved }, `${course}&prune=true`)
      t.equal(started.status, 200)
      await moving.follow()
      await moving.looked()
      moving.leap(stepMs)
      await moving.event('step')
      const { body } = await harness.call('GET', '/v1/config?owner=team-a')
      t.match(body.pools.owned.members, { a: { weight: 39 }, b: { weight: 1 } }, 'it is still theirs')
      await act(started.body.gradual.id, 'go-back')
      t.same((await harness.call('GET', '/v1/config?owner=team-a')).body.pools, pools)
      await put({ owner: 'team-a' }, 'prune=true')
    })

    t.test(
      'an import under way holds up no step and no operator',
      { skip: kind === 'embedded' && 'it has one connection' },
      async (t) => {
        const id = await begin(t)
        const importing = Promise.withResolvers<void>()
        const staged = Promise.withResolvers<void>()
        const written = harness.database.writeStaged(
          'ann',
          async () => {
            staged.resolve()
            await importing.promise
          },
          async () => {},
        )
        await staged.promise
        moving.leap(stepMs)
        await moving.event('step')
        t.match(await act(id, 'go-back'), { status: 200 })
        importing.resolve()
        await written
      },
    )

    t.test('two nodes: each step is taken once', async (t) => {
      await using other = await startMoving(harness.database)
      const id = await begin(t, 'gradual=50m&steps=2,4,6,8,10,12,14,16,18,100')
      await other.follow()
      await other.looked()
      const first = moving.told.length
      for (let step = 2; step <= 10; step++) {
        moving.leap(stepMs)
        other.leap(stepMs)
        await Promise.race([moving.event('step'), other.event('step')])
        await moving.follow()
        await other.follow()
        await Promise.all([moving.looked(), other.looked()])
        t.equal((await shown(id)).step, step)
      }
      const told = [...moving.told.slice(first), ...other.told].filter(({ what }) => what === 'step')
      t.same(
        told.map(({ step }) => step).sort((a, b) => a - b),
        [2, 3, 4, 5, 6, 7, 8, 9, 10],
      )
      await act(id, 'go-back')
    })

    t.test('the clock of the database is set', async (t) => {
      const id = await begin(t)
      const shift = (by: string) =>
        harness.database.record((tx) =>
          tx.execute(sql`update gradual_changes set due_at = due_at + ${by}::interval where id = ${id}`),
        )
      await shift('-1 day')
      await moving.looked()
      t.match(await shown(id), { step: 1 }, 'to later: no step comes early')
      await shift('2 days')
      moving.leap(stepMs)
      await moving.event('step')
      await shift('2 days')
      await using newcomer = await startMoving(harness.database)
      moving.trusts = false
      await newcomer.looked()
      newcomer.leap(stepMs)
      t.match(
        await newcomer.event('step'),
        { step: 3 },
        'to earlier: who comes later waits for a step at the most',
      )
      moving.trusts = true
      await act(id, 'go-back')
    })

    t.test('one that somebody broke by SQL goes on when it has been healed by SQL', async (t) => {
      const id = await begin(t)
      const edit = (parts: ReturnType<typeof sql>) =>
        harness.database.record((tx) =>
          tx.execute(sql`update gradual_changes set parts = ${parts} where id = ${id}`),
        )
      await edit(sql`json_build_object('was', parts)`)
      const bad: string[] = []
      let looks = 0
      await using mover = new GradualMover({
        database: harness.database,
        watched: () => t.fail('it leaves changes to others') as never,
        trusts: () => {
          looks++
          return false
        },
        tell: () => t.fail('it leaves changes to others'),
        onBad: (message) => bad.push(message),
        onError: (error) => t.fail(String(error)),
      })
      mover.start()
      const until = async (is: () => boolean) => {
        const signal = patience()
        for (; !is(); await setTimeout(5)) {
          signal.throwIfAborted()
          mover.hint()
        }
      }
      await until(() => looks > 10)
      t.match(bad, [new RegExp(`^gradual change ${id} in the database can't be read: parts `)])
      t.notOk(mover.current.some((one) => one.id === id))
      await edit(sql`parts -> 'was'`)
      await until(() => mover.current.some((one) => one.id === id))
      t.equal(bad.length, 1)
      await act(id, 'go-back')
    })

    t.test('no more than twenty at once', async (t) => {
      const pools = (weight: number) =>
        Object.fromEntries(
          Array.from({ length: 21 }, (_, index) => [
            `p${index}`,
            { select: 'weighted', members: { ...members, b: { ...members.b, weight } } },
          ]),
        )
      await put({ pools: pools(0) })
      const moved = Object.entries(pools(50))
      for (const [index, [pool, body]] of moved.entries()) {
        const reply = await put({ pools: { [pool]: body } }, course)
        t.equal(reply.status, index < 20 ? 200 : 409, pool)
        if (index === 20) t.match(reply.body.detail, /^20 gradual changes are under way/)
      }
      t.same((await harness.call('GET', '/v1/pools/p20')).body.members.b.weight, 0)
      await put({ pools: pools(0) })
      await moving.follow()
      for (let index = 0; index < 20; index++) t.ok(await moving.event('halted'))
    })

    t.same(moving.errors, [])
  })
}

async function badInput(t: Test, harness: Harness): Promise<void> {
  const put = (body: unknown, query: string) => harness.call('PUT', `/v1/config?${query}`, body)
  t.test('bad input', async (t) => {
    await put(document(100, 0), '')
    for (const [query, path] of [
      ['gradual=0s', 'gradual'],
      ['gradual=365d', 'gradual'],
      ['gradual=4s', 'gradual'],
      ['gradual=soon', 'gradual'],
      ['gradual=30m&steps=', 'steps'],
      ['gradual=30m&steps=5,5,100', 'steps'],
      ['gradual=30m&steps=50,25,100', 'steps'],
      ['gradual=30m&steps=1,50', 'steps'],
      ['gradual=30m&steps=0,100', 'steps'],
      ['gradual=30m&steps=1,101', 'steps'],
      ['gradual=30m&steps=1.5,100', 'steps'],
      [`gradual=30m&steps=${Array.from({ length: 51 }, (_, index) => index + 50)}`, 'steps'],
      ['gradual=30m&haltWhen=never', 'haltWhen'],
      ['gradual=30m&haltWhen=', 'haltWhen'],
      ['steps=1,100', 'steps'],
      ['haltWhen=down', 'haltWhen'],
    ] as const) {
      const reply = await put(document(0, 100), query)
      t.equal(reply.status, 400, query)
      t.equal(reply.body.errors?.[0]?.path, path, query)
    }
    for (const [what, body, path, message] of [
      ['a ttl', document(0, 100, { ttl: 5 }), /^services/, /changes in more than weights/],
      ['another choice', document(0, 100, { pools: ['eu'] }), /^services/, /changes in more than weights/],
      ['how it steers', document(0, 100, { steer: 'failover' }), /^services/, /changes in more than weights/],
      ['a new pool', { pools: { x: { members: {} } } }, /^pools\.x/, /changes in more than weights/],
      ['no weight at all', document(0, 0), /^services/, /no weight above 0 after the change/],
    ] as const) {
      for (const query of ['gradual=30m', 'gradual=30m&dryRun=true']) {
        t.match(
          await put(body, query),
          { status: 409, body: { errors: [{ path, message }] } },
          `${what} ${query}`,
        )
      }
    }
    await put(document(100, 0, { steer: 'failover' }), '')
    t.match(await put(document(0, 100, { steer: 'failover' }), 'gradual=30m'), {
      status: 409,
      body: { errors: [{ path: /steer$/, message: /must be weighted/ }] },
    })
    await put(document(100, 0), '')
    harness.state.failure = 'pool us is degraded: 0 of 1 members up'
    t.match(await put(document(0, 100), 'gradual=30m'), {
      status: 409,
      body: { detail: /would go back at once: pool us/ },
    })
    harness.state.failure = null
    t.match((await harness.call('GET', `/v1/services/${name}`)).body.pools, [{ weight: 100 }, { weight: 0 }])
    const { body: token } = await harness.call('POST', '/v1/tokens', { name: 'reader', scopes: ['read'] })
    const byReader = await harness.call('POST', '/v1/gradual-changes/1/pause', undefined, {
      token: token.secret,
    })
    t.equal(byReader.status, 403)
    t.equal((await harness.call('POST', '/v1/gradual-changes/0/pause')).status, 400)
    t.equal((await harness.call('GET', '/v1/gradual-changes/1')).status, 404)
  })
}
