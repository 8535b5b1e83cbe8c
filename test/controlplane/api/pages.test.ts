/** Every list gives its items page by page, and no page has more octets than a bound says, whatever its items hold. */
import t, { type Test } from 'tap'
import { appendEvents } from '../../../src/controlplane/store/events.ts'
import { addGradual } from '../../../src/controlplane/store/gradual.ts'
import { appendQueries } from '../../../src/controlplane/store/queries.ts'
import { createToken } from '../../../src/controlplane/store/tokens.ts'
import { OpenapiDocument } from '../../support/openapi-document.ts'
import { startPostgres } from '../../support/postgres.ts'
import { type Harness, startHarness } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const many = 12
/** Small, so that few items are more than a page; the one that is larger by itself is the fourth of each list. */
const pageOctets = 1_000
const envelope = '{"items":[],"nextCursor":""}'.length + 200
const long = (nth: number, most = 3_000) => 'x'.repeat(nth === 3 ? most : 90)
const nameOf = (nth: number) => `n-${String(nth).padStart(2, '0')}`

/** How a list is filled: what is written for the nth of its items, whose place in the list is that number. */
type Fill = (harness: Harness, nth: number) => Promise<unknown>

const put =
  (path: (nth: number) => string, body: (nth: number) => object): Fill =>
  async ({ call }, nth) => {
    const reply = await call('PUT', path(nth), body(nth))
    if (reply.status !== 201) throw new Error(`${path(nth)}: ${reply.status} ${JSON.stringify(reply.body)}`)
  }

const members = (nth: number) =>
  Object.fromEntries(
    Array.from({ length: nth === 3 ? 30 : 1 }, (_, i) => [`m-${i}`, { address: `192.0.2.${i + 1}` }]),
  )

const lists: Readonly<Record<string, { readonly fill: Fill; readonly large?: boolean }>> = {
  '/v1/monitors': {
    fill: put(
      (nth) => `/v1/monitors/${nameOf(nth)}`,
      (nth) => ({ type: 'tcp', port: 80, send: long(nth, 500) }),
    ),
    // What a monitor may hold is less than a page.
    large: false,
  },
  '/v1/pools': {
    fill: put(
      (nth) => `/v1/pools/${nameOf(nth)}`,
      (nth) => ({ members: members(nth) }),
    ),
  },
  '/v1/zones': {
    fill: put(
      (nth) => `/v1/zones/${nameOf(nth)}.test`,
      () => ({
        soa: { mname: 'ns.example.net.', rname: 'h.example.net.' },
        rrsets: [{ name: '@', type: 'NS', data: ['ns.example.net.'] }],
      }),
    ),
    large: false,
  },
  '/v1/feeds': {
    fill: put(
      (nth) => `/v1/feeds/${nameOf(nth).replace('-', '_')}`,
      (nth) => ({
        columns: Object.fromEntries(
          Array.from({ length: nth === 3 ? 12 : 1 }, (_, i) => [`c${i}`, { description: long(nth, 90) }]),
        ),
      }),
    ),
  },
  '/v1/services': {
    fill: put(
      (nth) => `/v1/services/${nameOf(nth)}.n-11.test`,
      (nth) => ({
        steer: 'geo',
        pools: [nameOf(0)],
        geo: {
          cidr: Object.fromEntries(
            Array.from({ length: nth === 3 ? 90 : 1 }, (_, i) => [`10.${i}.0.0/16`, [nameOf(0)]]),
          ),
        },
      }),
    ),
  },
  '/v1/zones/n-00.test/rrsets': {
    // One is there already: the NS RRset of the apex.
    fill: async (harness, nth) =>
      nth === 0
        ? undefined
        : put(
            () => `/v1/zones/n-00.test/rrsets/${nameOf(nth)}/TXT`,
            () => ({ data: Array.from({ length: nth === 3 ? 30 : 1 }, (_, i) => `"${i} ${long(0)}"`) }),
          )(harness, nth),
  },
  '/v1/overrides': {
    fill: put(
      (nth) => `/v1/overrides/${nameOf(nth)}*/a`,
      (nth) => ({ state: 'drain', reason: long(nth, 500) }),
    ),
    large: false,
  },
  '/v1/webhooks': {
    fill: put(
      (nth) => `/v1/webhooks/${nameOf(nth)}`,
      (nth) => ({ url: `https://hooks.example.test/${long(nth, 600)}` }),
    ),
    large: false,
  },
  '/v1/tokens': {
    fill: ({ database }, nth) =>
      database.record((tx) => createToken(tx, `${nameOf(nth)}-${long(nth, 200)}`, ['read'])),
    large: false,
  },
  '/v1/events': {
    fill: ({ database }, nth) =>
      database.record((tx) =>
        appendEvents(tx, [
          {
            kind: 'member',
            node: nameOf(nth),
            pool: 'p',
            member: 'm',
            from: 'up',
            to: 'down',
            reason: long(nth),
            at: new Date(),
          },
        ]),
      ),
  },
  '/v1/gradual-changes': {
    fill: ({ database }, nth) =>
      database.record((tx) =>
        addGradual(tx, {
          ...{ steps: [100], stepMs: 1_000, haltWhen: ['down'], parts: [], fragments: [] },
          ...{ actor: 'ann', message: long(nth), revision: 1 },
        }),
      ),
  },
  '/v1/revisions': {
    fill: ({ database }, nth) => {
      const author = { actor: 'ann', source: 'api', message: long(nth) } as const
      return database.write(author, async (write) => {
        await write.held()
        write.change('pool', nameOf(nth))
      })
    },
  },
  '/v1/history?source=dns': {
    fill: ({ database }, nth) =>
      database.record((tx) =>
        appendQueries(tx, 'node-1', [
          {
            ...{
              at: new Date(),
              client: '192.0.2.0/24',
              transport: 'udp',
              type: 'A',
              rcode: 'NOERROR',
              octets: 60,
            },
            ...{ name: `${nameOf(nth)}.${'x'.repeat(60)}.test`, answered: [] },
          },
        ]),
      ),
    // A name is less than a page.
    large: false,
  },
  '/v1/audit': {
    fill: ({ database }, nth) =>
      database.write('ann', async (write) => write.audit('pool.put', nameOf(nth), { long: long(nth) }, null)),
  },
}

t.test('a page has so many octets at most, and the next begins with what was left out', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), { httpLimits: { pageOctets } })
  const { routes: all } = await OpenapiDocument.of(harness.origin)
  const routes = all
    .filter(({ operation }) => operation.parameters?.some(({ name }) => name === 'cursor'))
    // Rows of feeds are written as they are read, and nothing of a page is held in memory.
    .filter(({ path }) => path !== '/v1/feeds/{name}' && path !== '/{name}')
    .map(({ path }) => path)
  t.same(
    Object.keys(lists)
      .map((path) => path.replace('n-00.test', '{apex}').replace(/[?].*/, ''))
      .sort(),
    routes.sort(),
    'every list of the API is tried',
  )
  for (const [path, { fill, large = true }] of Object.entries(lists)) {
    for (let nth = 0; nth < many; nth++) await fill(harness, nth)
    const expected = (await harness.call('GET', withLimit(path, 1))).body
    t.equal(expected.items.length, 1, path)
    await reads(t, harness, path, large)
  }
})

/** Follows the cursors, with more items allowed than there are, and holds what comes against the items one by one. */
async function reads(t: Test, { call }: Harness, path: string, large: boolean): Promise<void> {
  const oneByOne = await follow(call, withLimit(path, 1))
  t.ok(oneByOne.flat().length >= many, `${path}: all are there`)
  const pages = await follow(call, withLimit(path, 1000))
  t.same(pages.flat(), oneByOne.flat(), `${path}: none is lost, none comes twice`)
  t.ok(pages.length > 1 && pages.length < oneByOne.length, `${path}: in ${pages.length} pages`)
  const sizes = pages.map((items) => ({ items: items.length, octets: JSON.stringify(items).length }))
  for (const { items, octets } of sizes) {
    if (items > 1) t.ok(octets <= pageOctets + envelope, `${path}: ${items} items of ${octets} octets`)
  }
  const alone = sizes.filter(({ octets }) => octets > pageOctets + envelope)
  t.equal(alone.length > 0, large, `${path}: what is larger than a page comes alone`)
  const five = await follow(call, withLimit(path, 5))
  t.same(five.flat(), oneByOne.flat())
  t.ok(five.every((items) => items.length <= 5))
}

const withLimit = (path: string, limit: number) => `${path}${path.includes('?') ? '&' : '?'}limit=${limit}`

async function follow(call: Harness['call'], path: string): Promise<object[][]> {
  const pages: object[][] = []
  let cursor = ''
  do {
    const { status, body } = await call('GET', `${path}${cursor}`)
    if (status !== 200) throw new Error(`${path}: ${status}`)
    pages.push(body.items)
    cursor = body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(body.nextCursor)}`
  } while (cursor !== '')
  return pages
}

t.test('unless told otherwise, a page has one mebibyte', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const side = { text: 'x'.repeat(60_000) }
  for (let nth = 0; nth < 40; nth++)
    await harness.database.write('ann', async (write) => write.audit('pool.put', nameOf(nth), side, side))
  const pages = await follow(harness.call, '/v1/audit?limit=1000')
  t.same(
    pages.map((items) => items.length),
    [8, 8, 8, 8, 8],
  )
})
