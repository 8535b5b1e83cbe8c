/**
 * Explain against the answers themselves: what it says that a client is answered is what a query with that client's subnet gets,
 * in every situation of a table, and what it says of the way there is what was set up.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import Schema from 'typebox/schema'
import { type ExplainReply, ExplanationView } from '../../src/controlplane/api/operations/explain.ts'
import { scopeOf, subnetQuery } from '../dataplane/answer/client-subnet.ts'
import { main, node, startDaemonProcess } from '../support/daemon.ts'
import { readResponse, type TypeName, UdpClient } from '../support/dns-client.ts'
import { mmdbFile } from '../support/mmdb-writer.ts'
import { startPostgres } from '../support/postgres.ts'
import { anybody, fromZurich, putWorld, situations } from './explain-situations.ts'
import { put } from './fixture.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-explain-'))
const places = join(folder, 'places.mmdb')
const swiss = { country: { iso_code: 'CH' }, location: { latitude: 47.4, longitude: 8.5 } }
await writeFile(places, mmdbFile([['198.51.100.0/24', swiss]]))
const postgres = await startPostgres()
const daemon = await startDaemonProcess({
  env: { DATABASE_URL: await postgres.createDatabase(), POOLDNS_LOCATION_DATABASES: places },
})
const dns = await UdpClient.open(daemon.dns)
t.teardown(async () => {
  await dns[Symbol.asyncDispose]()
  await daemon.stop()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
})

await putWorld(daemon)

async function report(member: string, state: 'up' | 'down', weight?: number): Promise<void> {
  await put(daemon, `/v1/pools/web/members/${member}/report`, { state, reason: `disk of ${member}`, weight })
}

const view = Schema.Compile(ExplanationView)

async function explain(name: string, type: string, client: string): Promise<ExplainReply> {
  const response = await daemon.request(`/v1/explain?${new URLSearchParams({ name, type, client })}`)
  const reply = await response.json()
  if (!response.ok) throw new Error(JSON.stringify(reply))
  if (!view.Check(reply)) throw new Error(`${JSON.stringify(reply)} does not fit its schema`)
  return reply as ExplainReply
}

const rcodeNumbers: Record<string, number> = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 }
const plain = (record: { name: string; ttl: number; type: string; data: string }) =>
  [record.name, record.ttl, record.type, record.data].join(' ').replaceAll(/\.(?= |$)/g, '')

/** Explains, and holds what it says of the answer against one. */
async function agreed(t: Test, name: string, type: TypeName, client: string): Promise<ExplainReply> {
  const reply = await explain(name, type, client)
  const octets = await dns.exchange(subnetQuery(name, type, client, client.includes(':') ? 128 : 32))
  const response = readResponse(octets)
  const { answer } = reply
  t.equal(rcodeNumbers[answer.rcode], response.rcode, 'rcode')
  t.equal(answer.authoritative, / aa|^qr aa/.test(response.flags), 'AA')
  t.equal(answer.scope, scopeOf(octets), 'scope')
  t.same(answer.authority.map(plain), response.authority, 'authority')
  if (answer.byChance) {
    const able = reply.services.flatMap((service) =>
      service.pools.flatMap((pool) =>
        pool.members.filter((member) => member.answers).map((member) => member.address),
      ),
    )
    const given = response.answer.map((line) => line.split(' ').at(-1)!)
    t.ok(given.length > 0 && given.every((one) => able.includes(one)), `${given} of ${able}`)
  } else t.same(answer.records.map(plain).sort(), [...response.answer].sort(), 'answer')
  return reply
}

t.test('what is said is what is answered', async (t) => {
  for (const [label, type, client, expected] of situations) {
    await t.test(`${label} ${type} ${client}`, async (t) => {
      const reply = await agreed(t, `${label}.example.test`, type, client)
      t.ok(reply.why.startsWith(expected.why), reply.why)
      t.equal(reply.zone, 'example.test')
      const taken = reply.services[0]?.levels.flatMap((level) =>
        level.choices.flatMap((choice) => (choice.taken ? [`${choice.kind} ${choice.name}`] : [])),
      )
      if (expected.taken !== undefined) t.same(taken, expected.taken)
      const given = reply.services.flatMap(({ pools }) =>
        pools.flatMap((pool) => pool.members.flatMap((member) => (member.given ? [member.name] : []))),
      )
      if (expected.given !== undefined) t.same(given, expected.given)
      if (expected.area !== undefined) t.same(reply.services[0]!.levels[0]!.area!.choices, expected.area)
      t.equal(reply.answer.byChance, expected.byChance ?? false)
    })
  }
})

/** What is said of the members of one pool, by name. */
function membersOf(reply: ExplainReply, pool: string) {
  const found = reply.services[0]!.pools.find(({ name }) => name === pool)!
  return Object.fromEntries(found.members.map((member) => [member.name, member]))
}

t.test('members that go down, come back, and are drained', async (t) => {
  const name = 'web.example.test'
  const before = await agreed(t, name, 'A', anybody)
  t.match(before.services[0], { state: 'up', ttl: 60, minTtl: 5, unsettled: false })
  t.match(membersOf(before, 'web').m1, {
    kept: true,
    why: 'unknown, counts as up',
    status: { state: 'unknown' },
  })

  for (const member of ['m1', 'm2', 'm3']) await report(member, member === 'm2' ? 'down' : 'up')
  const oneDown = await agreed(t, name, 'A', anybody)
  t.equal(oneDown.answer.ttl, 5)
  t.match(oneDown.services[0], {
    outcome: 'up',
    unsettled: true,
    pools: [{ name: 'web', met: true, condition: 'degraded', reason: '2 of 3 members up, minUp 0' }],
  })
  t.match(membersOf(oneDown, 'web'), {
    m1: { given: true, answers: true, kept: true, why: 'up', own: null },
    m2: {
      given: false,
      answers: false,
      kept: false,
      why: 'down',
      status: { state: 'down', reason: 'disk of m2', answered: false, override: null },
    },
  })
  t.ok(Date.parse(membersOf(oneDown, 'web').m2!.status.since!) > Date.now() - 60_000)
  const { status } = (await (await daemon.request('/v1/pools/web')).json()) as { status: object }
  t.match(status, { condition: 'degraded', reason: '2 of 3 members up, minUp 0' })

  const six = await agreed(t, 'six.example.test', 'A', anybody)
  t.equal(six.why, 'service six.example.test has no IPv4 address')
  t.match(six.services[0], {
    state: 'absent',
    levels: [{ up: false, choices: [{ name: 'six', up: false, absent: true, why: /^no choice: / }] }],
    pools: [{ name: 'six', condition: 'absent', reason: 'it has no member of IPv4' }],
  })
  t.match((await agreed(t, 'six.example.test', 'AAAA', anybody)).services[0], {
    state: 'up',
    levels: [{ choices: [{ absent: false }] }],
    pools: [{ condition: 'healthy' }],
  })

  await put(daemon, '/v1/overrides/w*/m3', { state: 'drain', reason: 'new disks' })
  const drained = await agreed(t, name, 'A', anybody)
  t.same(
    drained.answer.records.map(({ data }) => data),
    [membersOf(drained, 'web').m1!.address],
  )
  const { m3 } = membersOf(drained, 'web')
  t.match(m3, {
    given: false,
    kept: false,
    why: 'draining',
    status: {
      state: 'up',
      answered: false,
      override: { state: 'drain', pattern: 'w*/m3', reason: 'new disks', status: { actor: 'admin' } },
    },
  })
  t.ok(Date.parse(m3!.status.safeAt!) > Date.now())

  await report('m1', 'down')
  const allDown = await agreed(t, name, 'A', anybody)
  t.equal(allDown.why, 'nothing of service web.example.test is up: by serve-all it answers from pool web')
  t.match(allDown.services[0], { state: 'down', outcome: 'serve-all', pools: [{ condition: 'down' }] })
  t.match(membersOf(allDown, 'web'), {
    m1: { given: true, answers: true, kept: false, why: 'down, but answers by serve-all' },
    m2: { given: true },
    m3: { given: false, answers: false, why: 'draining' },
  })
  t.match(allDown.services[0]!.levels[0]!.choices, [
    { up: false, used: true, taken: true, why: /^down: .*serve-all$/ },
  ])
  t.equal((await daemon.request('/v1/overrides/w*/m3', { method: 'DELETE' })).status, 204)
  for (const member of ['m1', 'm2']) await report(member, 'up')
  t.match((await agreed(t, name, 'A', anybody)).services[0], {
    unsettled: false,
    pools: [{ condition: 'healthy' }],
  })
})

t.test('what a member says that it can bear', async (t) => {
  await put(daemon, '/v1/pools/bearing', {
    select: 'weighted',
    monitor: 'agent',
    members: { b1: { address: '192.0.2.121', weight: 40 }, b2: { address: '192.0.2.122', weight: 0 } },
  })
  await put(daemon, '/v1/services/bearing.example.test', { pools: ['bearing'] })
  await put(daemon, '/v1/pools/bearing/members/b1/report', { state: 'up', weight: 25 })
  const reply = await agreed(t, 'bearing.example.test', 'A', anybody)
  t.match(membersOf(reply, 'bearing'), {
    b1: { given: true, weight: { configured: 40, effective: 10, percent: 25 } },
    b2: {
      given: false,
      answers: false,
      why: 'unknown, counts as up, but weight 0: a last resort',
      weight: { configured: 0, effective: 0, percent: null },
    },
  })
})

t.test('choices say why they are not taken', async (t) => {
  const outer = await agreed(t, 'outer.example.test', 'A', fromZurich)
  t.match(outer.services[0]!.levels, [
    {
      service: 'outer.example.test',
      met: true,
      choices: [
        { name: 'dead', up: false, taken: false, why: 'down: 0 of 2 members up, minUp 0' },
        {
          name: 'inner.example.test',
          kind: 'service',
          taken: true,
          why: 'second choice, the first that is up',
        },
        { name: 'free', up: true, taken: false, why: 'third choice, the second is up' },
      ],
    },
    {
      service: 'inner.example.test',
      met: true,
      area: { number: 1, choices: ['pool zurich'] },
      choices: [
        { name: 'zurich', taken: true, why: 'first choice of this area, the first that is up' },
        { name: 'sydney', taken: false, why: "not in this area's list" },
      ],
    },
  ])
  t.match(outer.place, { continent: 'EU', country: 'CH', asn: null })
  t.match(membersOf(outer, 'free').f1, {
    answers: false,
    kept: true,
    why: 'not monitored, but the pool is not used',
  })
  const tiers = await agreed(t, 'tiers.example.test', 'A', anybody)
  t.equal(tiers.place, null)
  t.equal(membersOf(tiers, 'tiers').t2!.why, 'not monitored, but tier 1 serves, and this is tier 2')
})

t.test('names that are others', async (t) => {
  const refused = await agreed(t, 'www.example.net', 'A', anybody)
  t.match(refused, {
    zone: null,
    why: 'no zone here holds the name',
    answer: { rcode: 'REFUSED', ttl: null },
  })
  t.equal((await agreed(t, '.', 'NS', anybody)).why, 'no zone here holds the name')
  t.equal((await agreed(t, 'www.sub.example.test', 'A', anybody)).zone, 'sub.example.test')
  t.equal((await daemon.request('/v1/zones/sub.example.test', { method: 'DELETE' })).status, 204)
  const referral = await agreed(t, 'www.sub.example.test', 'A', anybody)
  t.match(referral, {
    zone: 'example.test',
    why: 'zone example.test delegates sub.example.test to other name servers',
    answer: { authoritative: false, authority: [{ name: 'sub.example.test.', type: 'NS' }] },
  })
  const odd = await explain('ODD.example.test.', 'type65280', '::ffff:192.0.2.1')
  t.match(odd, { name: 'odd.example.test', type: 'TYPE65280', client: '192.0.2.1' })
  t.match(odd.answer.records, [{ data: '\\# 2 ABCD' }])
  const any = await explain('up.example.test', 'any', anybody)
  t.equal(any.why, 'service up.example.test answers from pool free')
})

t.test('who may ask, and how', async (t) => {
  const bad = await daemon.request('/v1/explain?name=a..b&type=AXFR&client=nobody')
  t.equal(bad.status, 400)
  const { errors } = (await bad.json()) as { errors: { path: string }[] }
  t.same(
    errors.map(({ path }) => path),
    ['name', 'type', 'client'],
  )
  t.equal((await daemon.request('/v1/explain')).status, 400, 'without a name')
  t.equal((await daemon.request('/v1/explain?name=a&dance=1')).status, 400)
  t.equal((await fetch(`${daemon.http}/v1/explain?name=a`)).status, 401)
  const created = await daemon.request('/v1/tokens', {
    method: 'POST',
    json: { name: 'eye', scopes: ['read'] },
  })
  const { secret } = (await created.json()) as { secret: string }
  const response = await daemon.request('/v1/explain?name=up.example.test', {
    headers: { authorization: `Bearer ${secret}` },
  })
  t.match(await response.json(), { type: 'A', client: '127.0.0.1', answer: { rcode: 'NOERROR' } })
  t.equal((await daemon.request('/v1/explain?name=a', { method: 'POST', json: {} })).status, 405)
})

async function pooldns(...args: readonly string[]) {
  const child = spawn(node, [main, ...args], {
    env: { ...process.env, POOLDNS_SERVER: daemon.http, POOLDNS_ADMIN_TOKEN: daemon.token },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const code = new Promise((resolve) => child.once('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr, code: await code }
}

t.test('the command prints what the API says, as text and as JSON', async (t) => {
  const asJson = await pooldns('explain', 'near.example.test', '--client', fromZurich, '--json')
  t.match(asJson, { code: 0, stderr: '' })
  t.same(JSON.parse(asJson.stdout), await explain('near.example.test', 'A', fromZurich))
  const shown = await pooldns('explain', 'geo.example.test', 'A', '--client', fromZurich)
  t.match(shown, { code: 0, stderr: '' })
  t.match(shown.stdout, /^Question +geo\.example\.test A, from 198\.51\.100\.7$/m)
  t.match(shown.stdout, /^Place +EU, CH, 47\.4, 8\.5$/m)
  t.match(shown.stdout, /^ +\* +pool spare +up +second choice of this area, the first that is up$/m)
  t.match(shown.stdout, /^ +\* +s1 +192\.0\.2\.\d+ +up /m)
  t.match(await pooldns('explain', 'www.example.net'), { code: 0, stdout: /REFUSED/ })
  t.match(await pooldns('explain', 'a', '--token', 'x'), { code: 1, stdout: '', stderr: /401/ })
  t.match(await pooldns('explain', 'a..b'), { code: 2, stdout: '', stderr: /empty label/ })
})
