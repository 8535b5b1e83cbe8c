/**
 * Rows of one signed zone that somebody broke by SQL: what the zone of its name servers, other signed zones, their rollovers, signals and
 * services do goes on, here and on a server that has nothing of before; and the zone is well again once it is written anew.
 */
import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { decodeSections } from '../../src/controlplane/dns-client/message.ts'
import { type DaemonProcess, type LogLine, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { askUntil } from './ask.ts'
import { eventually, put, serves, soa } from './fixture.ts'

const server = 'ns1.host.test'
const short = { enabled: true, keys: 'split', maxTtl: '1s', propagation: '1s' }
const zone = (rrsets: readonly object[] = [], servers: readonly string[] = [`${server}.`]) => ({
  soa: { ...soa, minimum: '1s' },
  ttl: '1s',
  dnssec: short,
  rrsets: [{ name: '@', type: 'NS', data: servers }, ...rrsets],
})
const address = (name: string, last: number) => ({ name, type: 'A', data: [`192.0.2.${last}`] })

async function signals(daemon: DaemonProcess, child: string): Promise<number> {
  await using client = await UdpClient.open(daemon.dns)
  const { answers } = decodeSections(await client.insist(query(`_dsboot.${child}._signal.${server}`, 59)))
  return answers.filter(({ type }) => type === 59).length
}

/** Addresses of a service, once it is signed. */
async function signedAnswer(daemon: DaemonProcess, name: string): Promise<string> {
  await using client = await UdpClient.open(daemon.dns)
  const { answer } = readResponse(await client.insist(query(name, 'A', { edns: { flags: 0x8000 } })))
  if (!answer.some((rr) => / RRSIG /.test(rr))) return `not signed: ${answer.join()}`
  return answer.flatMap((rr) => / A (\S+)$/.exec(rr)?.[1] ?? []).join()
}

async function roll(daemon: DaemonProcess, apex: string): Promise<void> {
  const reply = await daemon.request(`/v1/zones/${apex}/dnssec/roll`, {
    method: 'POST',
    json: { key: 'zsk' },
  })
  if (!reply.ok) throw new Error(`${apex}: ${reply.status} ${await reply.text()}`)
}

const isRolled = (daemon: DaemonProcess, apex: string) =>
  eventually(async () => {
    const reply = await daemon.request(`/v1/zones/${apex}/dnssec`)
    const { status } = (await reply.json()) as { status: { rollover: object | null } }
    return status.rollover === null ? true : undefined
  })

const unconstrain = `do $$ declare c record; begin
  for c in select conrelid::regclass as tab, conname from pg_constraint
    where connamespace = 'public'::regnamespace and contype in ('c', 'f')
  loop execute format('alter table %s drop constraint %I', c.tab, c.conname); end loop; end $$`

/** Each together with those before it. */
const poisons: readonly (readonly [what: string, sql: string])[] = [
  [
    'a retired key, and a step that is due',
    `update dnssec_keys set public_key = '' where apex = 'a.test' and state = 'retired';
     update zones set signing_propagation_seconds = 1 where apex = 'a.test'`,
  ],
  ['a key of others', `update zones set signing_foreign_keys = '{evil}' where apex = 'a.test'`],
  ['the step of its rollover', `update dnssec_rollovers set step = 'evil' where apex = 'a.test'`],
  ['what its keys are', `update dnssec_keys set state = 'evil', role = 'evil' where apex = 'a.test'`],
  [
    'its public keys',
    `update dnssec_keys set public_key = '', flags = 70000, algorithm = 99 where apex = 'a.test'`,
  ],
  [
    'its signals',
    `update dnssec_signals set cds = '{evil,NULL}', owner = 'bad..owner' where child = 'a.test'`,
  ],
  ['signals that were left for later', `update dnssec_signals set stale = true where child = 'a.test'`],
  [
    'its settings',
    `update zones set signing_max_ttl_seconds = -1, signing_denial = 'evil' where apex = 'a.test'`,
  ],
]

async function poison(client: pg.Client, sql: string): Promise<void> {
  await client.query('begin')
  // In the order of whoever writes.
  await client.query('update config_revision set revision = revision + 1')
  await client.query(sql)
  for (const apex of ['a.test', 'host.test'])
    await client.query(
      `insert into changes (revision, kind, key, stamp) select revision, 'zone', $1, 'x' from config_revision`,
      [apex],
    )
  await client.query('commit')
}

async function revisionIn(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ revision: string }>('select revision from config_revision')
  return Number(rows[0]!.revision)
}

/** All that has to do with signing but for the broken zone. */
async function works(t: Test, daemon: DaemonProcess, last: number): Promise<void> {
  await put(daemon, '/v1/zones/host.test', zone([address('ns1', 53), address(`n${last}`, last)], ['ns1']))
  await askUntil(daemon.dns, `n${last}.host.test`, [`192.0.2.${last}`])
  await put(daemon, `/v1/zones/host.test/rrsets/cut${last}/NS`, { ttl: '1s', data: ['ns.elsewhere.test.'] })
  await put(daemon, `/v1/zones/c${last}.test`, zone())
  await eventually(async () => ((await signals(daemon, `c${last}.test`)) > 0 ? true : undefined))
  await put(daemon, '/v1/pools/web', { members: { m: { address: `192.0.2.${last}` } } })
  for (const apex of ['b.test', 'host.test'])
    await eventually(async () =>
      (await signedAnswer(daemon, `www.${apex}`)) === `192.0.2.${last}` ? true : undefined,
    )
  await roll(daemon, 'b.test')
  await isRolled(daemon, 'b.test')
  t.pass('others are written, signed, told of and rolled over')
}

t.test('a signed zone whose rows are broken', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url, POOLDNS_RRL: 'off' }
  const folder = await temporaryDataFolder('pooldns-broken-rows-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const client = new pg.Client({ connectionString: url })
  await using first = await startDaemonProcess({ env })
  await client.connect()
  try {
    let last = 1
    await put(first, '/v1/zones/host.test', zone([address('ns1', 53)], ['ns1']))
    await put(first, '/v1/pools/web', { members: { m: { address: '192.0.2.1' } } })
    for (const apex of ['a.test', 'b.test']) await put(first, `/v1/zones/${apex}`, zone([address('x', 1)]))
    for (const apex of ['a.test', 'b.test', 'host.test'])
      await put(first, `/v1/services/www.${apex}`, { pools: ['web'] })
    await works(t, first, ++last)
    await client.query(unconstrain)
    await roll(first, 'a.test')
    await isRolled(first, 'a.test')
    // It comes before the others, and has a step to take while it is broken, and not before.
    const held = await first.request('/v1/zones/a.test/dnssec', {
      method: 'PATCH',
      json: { propagation: '1h' },
    })
    t.equal(held.status, 200)
    await roll(first, 'a.test')
    for (const [what, sql] of poisons) {
      await t.test(what, async (t) => {
        await poison(client, sql)
        await works(t, first, ++last)
        await askUntil(first.dns, 'x.a.test', ['192.0.2.1'])
      })
    }
    const ready = (await (await first.request('/ready')).json()) as object
    t.match(JSON.stringify(ready), /a\.test/, 'the zone is named')
    const isToldOf = ({ msg, zone }: LogLine) =>
      msg === 'a rollover of keys was not moved' && zone === 'a.test'
    t.equal(first.lines.filter(isToldOf).length, 1, 'once, and not with each look')
    const keyFile = join(folder, 'dnssec.key')
    await copyFile(join(first.dataDir, 'dnssec.key'), keyFile)
    await first.stop()
    await using second = await startDaemonProcess({ env: { ...env, POOLDNS_KEY_FILE: keyFile } })
    await works(t, second, ++last)
    await client.query(`delete from dnssec_rollovers where apex = 'a.test'`)
    await client.query(`delete from dnssec_keys where apex = 'a.test'`)
    await poison(
      client,
      `update zones set signing_foreign_keys = '{}', signing_max_ttl_seconds = 1, signing_denial = null,
        signing_algorithm = null where apex = 'a.test'`,
    )
    // A node that has read of that as it is knows what the next write changes, down to an owner that is no name.
    await serves(second, await revisionIn(client))
    await put(second, '/v1/zones/a.test', zone([address('x', 2)]))
    await askUntil(second.dns, 'x.a.test', ['192.0.2.2'])
    await eventually(async () => ((await signals(second, 'a.test')) > 0 ? true : undefined))
    await eventually(async () =>
      (await signedAnswer(second, 'www.a.test')) === `192.0.2.${last}` ? true : undefined,
    )
  } finally {
    await client.end()
  }
})

t.test('a signal that something stands in the way of keeps no other from being followed up', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await put(daemon, '/v1/zones/host.test', zone([address('ns1', 53)], ['ns1']))
  for (const apex of ['d.test', 'e.test']) await put(daemon, `/v1/zones/${apex}`, zone())
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await using _ended = { [Symbol.asyncDispose]: () => client.end() }
  await client.query(`insert into rrsets (zone, owner, type, ttl_seconds, data, revision)
    values ('host.test', '_dsboot.d.test._signal.ns1', 'CNAME', 60, '{x.test.}', 1)`)
  await client.query('update dnssec_signals set stale = true')
  const { err } = await daemon.line(({ msg }) => msg === 'signals of a signed zone were not followed up')
  t.match((err as Error).message, /d\.test/, 'and is named')
  await eventually(async () => {
    const { rows } = await client.query('select child from dnssec_signals where stale')
    return rows.length === 1 && rows[0].child === 'd.test' ? true : undefined
  })
  t.pass('the other one was')
})
