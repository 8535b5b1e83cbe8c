/**
 * Rows that no write of ours made, one of each table and kind, with every constraint gone: none of them holds up what else
 * changes, ends the daemon or the exchange with other nodes, neither while it runs nor when it is started.
 */
import pg from 'pg'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { askUntil } from './ask.ts'
import { eventually, put, putService, soa } from './fixture.ts'
import { laterPoisons, type Poison } from './poisons.ts'

const far = `'infinity'`
const early = `'-infinity'`
const now = 'clock_timestamp()'
const poisons: readonly Poison[] = [
  {
    sql: `insert into reports (pool, member, state, reason, weight_percent, at, until, stored_at) values ('jobs', 'a', 'evil', 'r', null, ${now}, ${far}, ${now})`,
  },
  {
    sql: `insert into reports (pool, member, state, reason, weight_percent, at, until, stored_at) values ('jobs', 'b', 'up', 'r', -7, ${early}, ${far}, ${far})`,
  },
  {
    sql: `insert into reports (pool, member, state, reason, weight_percent, at, until, stored_at) values ('a/b', '', 'up', '', 70000, ${now}, ${now}, ${now})`,
  },
  ...[
    '5',
    'null',
    '[]',
    '"x"',
    '{"push":null}',
    '{"agreed":5,"push":{"a":"evil"},"__proto__":{"a":"up"}}',
  ].map((verdicts, nth) => ({
    sql: `insert into nodes (id, name, version, started_at, seen_at, revision, suspect, verdicts, verdicts_version) values ('n${nth}', null, '', ${far}, ${now}, 0, false, '${verdicts}', ${nth})`,
  })),
  {
    sql: `insert into nodes (id, name, version, started_at, seen_at, revision, suspect, verdicts, verdicts_version) values ('far', null, '', ${early}, ${far}, -5, false, '{"jobs":{"a":"up"}}', 7)`,
  },
  ...[`'evil', null`, `'down', ${far}`, `'down', ${early}`].map((state, nth) => ({
    sql: `insert into overrides (pool, member, state, until, reason, actor, since) values ('jobs', 'b${nth}', ${state}, 'r', 'x', ${far})`,
    changed: ['override', `jobs/b${nth}`] as const,
  })),
  {
    sql: `insert into overrides (pool, member, state, until, reason, actor, since) values ('A b/', '[', 'up', null, '', '', ${now})`,
    changed: ['override', 'A b/'],
  },
  {
    sql: `insert into overrides (pool, member, state, until, reason, actor, since) values ('', '', 'up', null, '', '', ${now})`,
    changed: ['override', ''],
  },
  { sql: `insert into changes values (0, 'evil', '')`, changed: ['evil', ''] },
  { sql: '', changed: ['fail-back', 'no slash'] },
  { sql: '', changed: ['zone', 'no zone..'] },
  {
    sql: `insert into monitors (name, type, settings, revision) values ('m1', 'evil', '{}', 1)`,
    changed: ['monitor', 'm1'],
  },
  {
    sql: `insert into monitors (name, type, settings, revision) values ('m2', 'http', '5', 1)`,
    changed: ['monitor', 'm2'],
  },
  {
    sql: `insert into monitors (name, type, settings, revision) values ('m3', 'composite', '{"monitors":["m3"]}', 1)`,
    changed: ['monitor', 'm3'],
  },
  {
    sql: `insert into pools (name, monitor, "select", answers, min_up, hosts, settings, revision) values
      ('p1', 'm1', 'evil', -5, 'NaN', 'evil', '[]', 1)`,
    changed: ['pool', 'p1'],
  },
  {
    sql: `insert into pools (name, "select", min_up, settings, revision, fallback) values
      ('p2', 'weighted', 'Infinity', '{"whenAllDown":"fallback"}', 1, 'p2')`,
    changed: ['pool', 'p2'],
  },
  ...[
    `'p2', 'a', 0, null, null, 100, 1, null, null`,
    `'p2', 'b', 1, '192.0.2.0/24', null, -1, 0, '10.0.0.0/8', 0`,
    `'p2', 'c', 2, null, 'Not a host', 2147483647, -2147483648, null, 99999`,
    `'p2', '', 3, '192.0.2.1', 'x.test.', 100, 1, null, null`,
    `'web', 'x/y', 3, null, null, -100, 1, null, null`,
  ].map((row) => ({
    sql: `insert into members (pool, name, position, address, host, weight, priority, probe_address, probe_port, revision)
      values (${row}, 1)`,
    changed: ['pool', row.slice(1, 3) === 'p2' ? 'p2' : 'web'] as const,
  })),
  ...[
    `'s1.example.test', 'example.test', -5, 99, 'evil', 'evil', null, '{}'`,
    `'s2.example.test', 'example.test', 5, null, 'geo', 'fallback', null, '5'`,
    `'s3.example.test', 'example.test', 5, null, 'nearest', 'serve-all', null, '{"ecs":7}'`,
    `'s4.example.test', 'example.test', 5, null, 'weighted', 'serve-all', null, '{}'`,
    `'s5.example.test', 'example.test', null, null, 'failover', 'serve-all', null, '{}'`,
    `'NOT a name..', 'example.test', 5, null, 'failover', 'serve-all', null, '{}'`,
    `'elsewhere.test', 'example.test', 5, null, 'failover', 'serve-all', null, '{}'`,
  ].map((row) => ({
    sql: `insert into services (name, zone, ttl_seconds, min_ttl_seconds, steer, when_all_down, fallback, settings, revision)
      values (${row}, 1)`,
    changed: ['service', row.split("'")[1]!] as const,
  })),
  ...[
    `'s1.example.test', 0, null, null, -5, 0, null, null`,
    `'s2.example.test', 0, 'p1', 's2.example.test', 1, 0, null, null`,
    `'s3.example.test', 0, 'p2', null, 1, 999, 'NaN', 'Infinity'`,
    `'s3.example.test', 1, 'web', null, 1, 999, 'Infinity', null`,
    `'s4.example.test', 0, 'web', null, -1, 0, null, null`,
    `'s4.example.test', -5, null, 's4.example.test', 2147483647, 0, null, null`,
    `'s5.example.test', 0, 'web', null, 1, 0, null, null`,
    `'elsewhere.test', 0, 'web', null, 1, 0, null, null`,
    `'NOT a name..', 0, 'web', null, 1, 0, null, null`,
  ].map((row) => ({
    sql: `insert into service_pools (service, position, pool, nested, weight, bias, latitude, longitude) values (${row})`,
    changed: ['service', row.split("'")[1]!] as const,
  })),
  ...[
    `'bad..name', 'no dot', 'x', -1, -1, -1, -1, -1, -1, -1`,
    `'', '', '', 1, 1, 1, 1, 1, 1, null`,
    `'UPPER.test', 'ns.', 'h.', 1, 1, 1, 1, 1, 9007199254740991, 9007199254740991`,
    `'good.test', 'ns..', 'h.', 1, 1, 1, 1, 1, 1, null`,
    `'fine.test', 'ns.', 'h.', 1, 1, 1, 1, -1, 1, null`,
    `'no-minimum.test', 'ns.', 'h.', 1, 1, 1, null, 1, 1, null`,
  ].map((row) => ({
    sql: `insert into zones (apex, mname, rname, refresh_seconds, retry_seconds, expire_seconds, minimum_seconds, ttl_seconds, serial, fixed_serial, revision) values (${row}, 1)`,
    changed: ['zone', row.split("'")[1]!] as const,
  })),
  ...[
    `'example.test', 'bad..owner', 'A', 5, '{192.0.2.1}'`,
    `'example.test', 'x', 'EVIL', 5, '{192.0.2.1}'`,
    `'example.test', 'y', 'A', -5, '{evil,null}'`,
    `'example.test', 'z', 'A', 5, '{}'`,
    `'example.test', '', 'SOA', 5, '{null}'`,
    `'good.test', 'www', 'A', 5, '{192.0.2.1}'`,
  ].map((row) => ({
    sql: `insert into rrsets (zone, owner, type, ttl_seconds, data, revision) values (${row}, 1)`,
    changed: ['zone', row.split("'")[1]!] as const,
  })),
  ...[
    `'w1', 'evil', 'evil', '{evil,null}', '{}', -5`,
    `'w2', 'http://127.0.0.1:1/', 'whsec_', '{}', '{"[","("}', 2147483647`,
    `'w3', 'http://', '', null, null, 1`,
    `'w4', 'http://127.0.0.1:1/', 'whsec_x', null, '{null}', 1`,
    `'w5', 'http://127.0.0.1:1/', 'whsec_x', array_fill('x'::text, array[100000]), '{{a,b},{c,d}}', 1`,
  ].map((row) => ({
    sql: `insert into webhooks (name, url, secret, kinds, pools, timeout_ms, revision) values (${row}, 1)`,
    changed: ['webhook', row.slice(1, 3)] as const,
  })),
  {
    sql: `insert into tokens (name, hash, scopes, created_at, last_used_at) values ('A B/', 'x', '{}', ${far}, ${early})`,
  },
  {
    sql: `insert into tokens (name, hash, scopes, created_at, last_used_at) values ('no scopes', 'y', null, ${now}, ${now})`,
  },
  {
    sql: `insert into tokens (name, hash, scopes, created_at, last_used_at) values ('t', encode(sha256('t'), 'hex'), '{evil,null}', ${far}, ${early})`,
  },
  ...['5', 'null', '[]', '"x"', '{"until":"x"}', '{"until":{}, "at": 5, "toString": 1}'].flatMap((detail) =>
    ['member', 'hold', 'evil'].map((kind) => ({
      sql: `insert into events (kind, node, pool, member, from_state, to_state, reason, detail, at)
        values ('${kind}', '', null, null, null, 'evil', null, '${detail}', ${far})`,
    })),
  ),
  { sql: `insert into events (kind, node, at) values ('isolation', 'n', ${early})` },
  {
    sql: `insert into audit_log (at, actor, action, key, before, after, revision) values (${far}, '', '', '', '5', 'null', -1)`,
  },
  {
    sql: `insert into lookups (domain, client_ip, created_at, addresses) values ('', '10.0.0.0/8', ${far}, '{null,::/0}')`,
  },
  {
    sql: `insert into cookie_keys (key, created_at) values ('evil', ${far}), ('', ${early}), ('abcd', ${now})`,
  },
  ...[
    `'evil', 1, '{100}', '{down}', '[]'`,
    `'running', 7, '{}', '{down}', '[]'`,
    `'paused', 1, '{100}', '{evil}', '[]'`,
    `'running', 1, '{100}', '{down}', '5'`,
    `'paused', 1, '{100}', '{down}', '[null, {"kind":"pool","name":"web"}]'`,
    `'done', 1, '{100}', '{null}', '[{"kind":"pool","name":"web","weights":[{}]}]'`,
  ].map((change) => ({
    sql: `insert into gradual_changes (phase, step, steps, halt_when, parts, step_ms, fragments, actor, started_at, due_at, revision, version)
      values (${change}, -1, '5', '', ${far}, ${early}, 1, 1)`,
  })),
  { sql: `insert into member_health values ('web', 'gone', 'evil', ${far}, '')` },
  { sql: `insert into member_health values ('jobs', 'gone', 'down', ${early}, 'x')` },
]

const nameOfTable = (sql: string) => /(?:into|update) (\w+)/.exec(sql)?.[1] ?? 'changes'

/** Whether the daemon still serves what is written, and still tells the database that it is there. */
async function works(daemon: DaemonProcess, client: pg.Client, last: number): Promise<void> {
  await put(daemon, '/v1/pools/web/members/m1', { address: `192.0.2.${last}` })
  await askUntil(daemon.dns, 'www.example.test', [`192.0.2.${last}`])
  // Further back each time, so that a part is made.
  for (const ageMs of [0, last * 31 * 86_400_000]) {
    const row = { time_instant: new Date(Date.now() - ageMs).toISOString(), id_entity: 'e1', a: last }
    const reply = await daemon.request('/v1/feeds/air/rows', { method: 'POST', json: row })
    if (!reply.ok) throw new Error(`rows: ${reply.status} ${await reply.text()}`)
  }
  const latest = await daemon.request('/v1/feeds/air?latest=true&entity=e1')
  const { items } = (await latest.json()) as { items: { a: number }[] }
  if (items[0]?.a !== last) throw new Error(`the newest row is not the newest: ${JSON.stringify(items)}`)
  await client.query(`delete from nodes where version <> ''`)
  await eventually(async () => {
    const { rowCount } = await client.query(`select 1 from nodes where version <> ''`)
    return rowCount === 1 ? true : undefined
  })
}

async function poison(client: pg.Client, { sql, changed }: Poison): Promise<void> {
  await client.query('begin')
  if (sql !== '') await client.query(sql)
  if (changed !== undefined) {
    await client.query('update config_revision set revision = revision + 1')
    const change = `insert into changes (revision, kind, key, stamp)
      select revision, $1, $2, 'x' from config_revision on conflict do nothing`
    await client.query(change, [...changed])
  }
  await client.query('commit')
}

const unconstrain = `do $$ declare c record; begin
  for c in select conrelid::regclass as tab, conname from pg_constraint
    where connamespace = 'public'::regnamespace and contype in ('c', 'f')
  loop execute format('alter table %s drop constraint %I', c.tab, c.conname); end loop; end $$;
  alter table tokens alter scopes drop not null;
  alter table audit_log alter action drop not null;
  alter table services alter ttl_seconds drop not null;
  alter table zones alter minimum_seconds drop not null`

t.test('a row that is none takes nothing else with it', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url }
  const client = new pg.Client({ connectionString: url })
  await using first = await startDaemonProcess({ env })
  await client.connect()
  try {
    await putService(first, [])
    await put(first, '/v1/monitors/push', { type: 'push', ttl: '1h' })
    const members = { a: { address: '192.0.2.77' } }
    await put(first, '/v1/pools/jobs', { monitor: 'push', quorum: 'majority', members })
    await put(first, '/v1/feeds/air', { columns: { a: {}, b: {} }, cache: '0' })
    await put(first, '/v1/monitors/fed', { type: 'feed', feed: 'air', column: 'a', max: 1000 })
    await put(first, '/v1/pools/fed', {
      monitor: 'fed',
      members: { e1: { address: '192.0.2.78' }, e2: { address: '192.0.2.79' } },
    })
    const ofE2 = { time_instant: new Date().toISOString(), id_entity: 'e2', a: 1 }
    t.ok((await first.request('/v1/feeds/air/rows', { method: 'POST', json: ofE2 })).ok)
    await put(first, '/v1/zones/signed.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
    await put(first, '/v1/zones/signed.test/dnssec', {})
    let last = 1
    await works(first, client, ++last)
    await client.query(unconstrain)
    for (const [table, rows] of Map.groupBy([...poisons, ...laterPoisons], ({ sql }) => nameOfTable(sql))) {
      for (const row of rows) await poison(client, row)
      await works(first, client, ++last)
      t.pass(`while it runs: ${table}`)
    }
    for (const path of [
      'events',
      'audit',
      'nodes',
      'tokens',
      'history',
      'overview',
      'explain?name=www.example.test',
      'feeds/air',
      'feeds/air?latest=true',
    ]) {
      const reply = await first.request(`/v1/${path}`)
      t.equal(reply.status, 200, path)
      await reply.json()
    }
    for (const path of [
      'overrides',
      'gradual-changes',
      'webhooks',
      'monitors',
      'pools',
      'services',
      'zones',
      'feeds',
      'zones/signed.test/dnssec',
    ]) {
      const reply = await first.request(`/v1/${path}`)
      if (reply.status !== 200)
        t.match(await reply.json(), { status: 400, detail: /in the database can't be read/ }, path)
    }
    await first.stop()
    await using second = await startDaemonProcess({ env })
    await works(second, client, ++last)
    const told = [...first.lines, ...second.lines].flatMap(({ msg, reason }) =>
      msg === 'a row of the database was left out' ? [String(reason)] : [],
    )
    for (const what of [
      'the report on member jobs/a ',
      'what node n1 has measured ',
      'the override of jobs/b0 ',
      'the settings of monitor m1 ',
      'the settings of pool p1 ',
      'member p2/a ',
      'the settings of service s1.example.test ',
      'the settings of service NOT a name.. ',
      'webhook w4 ',
      'the health of member web/gone ',
      'gradual change 1 ',
      'gradual change 4 ',
      'the settings of feed f1 ',
      'the newest row of e2 of feed air ',
      'the rollover of zone signed.test ',
    ]) {
      t.ok(
        told.some((reason) => reason.startsWith(what)),
        `told of ${what}`,
      )
    }
  } finally {
    await client.end()
  }
})
