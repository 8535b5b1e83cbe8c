/** The setup's script, on a real PostgreSQL, as the administrator of a managed one: who may make roles and databases, and is no superuser. */
import { execFile } from 'node:child_process'
import { chown, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { main, node, repository } from '../../support/daemon.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { missingPrograms } from '../../support/program.ts'

const run = promisify(execFile)

t.test(
  'roles and schema, as the administrator of a managed PostgreSQL',
  { skip: missingPrograms('psql', 'openssl') },
  async (t) => {
    const postgres = await startPostgres()
    t.teardown(() => postgres.stop())
    await query(postgres.url, [
      "create role administrator login createrole createdb password 'a'",
      'create database pooldns owner administrator',
    ])
    const url = new URL(postgres.url)
    url.pathname = '/pooldns'
    const script = await readFile(join(repository, 'deploy/terraform/setup.sh'), 'utf8')
    const roles = await readFile(join(repository, 'deploy/postgres/roles.sql'), 'utf8')
    /** As the container runs it: the script is an argument, all else comes by the environment. */
    const setup = (owner: string, daemon: string) =>
      run('sh', ['-c', script], {
        env: {
          PATH: process.env.PATH,
          PGHOST: url.hostname,
          PGPORT: url.port,
          PGDATABASE: 'pooldns',
          PGUSER: 'administrator',
          PGPASSWORD: 'a',
          ROLES_SQL: roles,
          OWNER_PASSWORD: owner,
          DAEMON_PASSWORD: daemon,
        },
      })
    const as = (role: string, password: string) => postgres.urlFor(url.href, role, password)

    t.match(await setup('first', 'second'), { stdout: 'the roles are made\n', stderr: '' })
    const migrated = await run(node, [main, 'migrate'], {
      env: { PATH: process.env.PATH, DATABASE_URL: as('pooldns_owner', 'first') },
    })
    t.match(migrated.stdout, /the schema is up to date/)
    t.equal((await query(as('pooldns', 'second'), ['select count(*)::int as n from zones']))[0].n, 0)
    await t.rejects(query(as('pooldns', 'second'), ['create table mine (id int)']), { code: '42501' })

    await t.test('servers take a certificate of an authority of its own', async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'pooldns-setup-'))
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      const [certificate, key] = [join(folder, 'own.crt'), join(folder, 'own.key')]
      const names = ['-subj', '/CN=aurora', '-days', '2', '-nodes', '-newkey', 'rsa:2048']
      await run('openssl', ['req', '-x509', ...names, '-out', certificate, '-keyout', key])
      const [{ folder: data }] = await query(postgres.url, [
        "select current_setting('data_directory') as folder",
      ])
      const { uid, gid } = await stat(data as string)
      for (const path of [certificate, key, folder]) await chown(path, uid, gid)
      await query(postgres.url, [
        `alter system set ssl_cert_file = '${certificate}'`,
        `alter system set ssl_key_file = '${key}'`,
        'alter system set ssl = on',
        'select pg_reload_conf()',
      ])
      const secrets = await readFile(join(repository, 'deploy/terraform/secrets.tf'), 'utf8')
      const [, asked] = /database_encrypted += "([^"]+)"/.exec(secrets)!
      const select = ['select ssl from pg_stat_ssl where pid = pg_backend_pid()']
      const encrypted = (how: string) => query(`${as('pooldns', 'second')}?${how}`, select)
      // The signal of a reload comes when it comes.
      const signal = patience()
      const unready = () => encrypted(asked!).catch((error: Error) => error)
      for (let said = await unready(); said instanceof Error; said = await unready()) {
        if (!/does not support SSL/.test(said.message)) throw said
        await delay(20, undefined, { signal })
      }
      t.equal((await encrypted(asked!))[0].ssl, true)
      await t.rejects(encrypted('sslmode=verify-full'), { message: /self-signed certificate/ })
      const verified = `sslmode=verify-full&sslrootcert=${certificate}`
      await t.rejects(encrypted(verified), { message: /altnames|does not match/ }, 'it is of another name')
      const again = await run(node, [main, 'migrate'], {
        env: { PATH: process.env.PATH, DATABASE_URL: `${as('pooldns_owner', 'first')}?${asked}` },
      })
      t.match(again.stdout, /the schema is up to date/)
      await query(postgres.url, ['alter system reset ssl', 'select pg_reload_conf()'])
    })

    await t.test('once more: new passwords, and nothing else', async (t) => {
      t.match(await setup("fir'st", 'sec"ond'), { stdout: 'the roles have their passwords\n' })
      await t.rejects(query(as('pooldns', 'second'), ['select 1']), { code: '28P01' })
      t.equal((await query(as('pooldns', encodeURIComponent('sec"ond')), ['select 1 as one']))[0].one, 1)
      t.equal((await query(as('pooldns_owner', encodeURIComponent("fir'st")), ['select 1 as one']))[0].one, 1)
    })
  },
)

async function query(url: string, statements: readonly string[]) {
  const client = new pg.Client(url)
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) rows = (await client.query(statement)).rows
    return rows as [Record<string, unknown>]
  } finally {
    await client.end()
  }
}
