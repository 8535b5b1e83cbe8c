/** A PostgreSQL whose certificate is of an authority of its own, as those of managed databases are. */
import { execFile } from 'node:child_process'
import { chown, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { readConfig } from '../../../src/config.ts'
import { checkAuthorities, withAuthorities } from '../../../src/controlplane/store/database-authorities.ts'
import { main, node } from '../../support/daemon.ts'
import { temporaryDataFolder } from '../../support/kept.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { missingPrograms } from '../../support/program.ts'

const run = promisify(execFile)

t.test('what libpq says of authorities goes into the URL, where that says nothing', async (t) => {
  const rows: readonly [url: string, file: string | undefined, mode: string | undefined, whole: string][] = [
    ['postgres://h/db', '/ca', undefined, 'postgres://h/db?sslrootcert=%2Fca'],
    ['postgres://h/db', '/ca', 'verify-full', 'postgres://h/db?sslmode=verify-full&sslrootcert=%2Fca'],
    ['postgres://h/db?a=b', '/ca', 'disable', 'postgres://h/db?a=b'],
    ['postgres://h/db?a=b', undefined, 'verify-full', 'postgres://h/db?a=b'],
    ['postgres://h/db', '', 'verify-full', 'postgres://h/db'],
    ['postgres://h/db?sslmode=disable', '/ca', 'verify-full', 'postgres://h/db?sslmode=disable'],
    ['postgres://h/db?sslmode=no-verify', '/ca', undefined, 'postgres://h/db?sslmode=no-verify'],
    ['postgres://h/db?sslrootcert=/own', '/ca', 'verify-full', 'postgres://h/db?sslrootcert=/own'],
    [
      'postgres://h/db?sslmode=verify-full',
      '/c a',
      'require',
      'postgres://h/db?sslmode=verify-full&sslrootcert=%2Fc+a',
    ],
    ['postgres:///db?host=/run/pg', '/ca', 'verify-full', 'postgres:///db?host=/run/pg'],
    ['postgres://h/db', 'system', undefined, 'postgres://h/db?sslmode=verify-full'],
    [
      'postgres://h/db?a=b&sslrootcert=system',
      undefined,
      'require',
      'postgres://h/db?a=b&sslmode=verify-full',
    ],
    ['postgres://h/db?ssl=0', '/ca', undefined, 'postgres://h/db?ssl=0'],
    ['postgres://h1,h2/db', '/ca', undefined, 'postgres://h1,h2/db?sslrootcert=%2Fca'],
  ]
  for (const [url, file, mode, whole] of rows) t.equal(withAuthorities(url, file, mode), whole)
})

t.test('a certificate of an own authority', { skip: missingPrograms('openssl') }, async (t) => {
  const folder = await temporaryDataFolder('pooldns-authorities-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder })
  for (const name of ['own', 'other']) {
    const authority = ['-subj', `/CN=${name} authority`, '-days', '2', '-nodes', '-newkey', 'rsa:2048']
    await openssl('req', '-x509', ...authority, '-out', `${name}.pem`, '-keyout', `${name}.key`)
  }
  await openssl(
    'req',
    '-new',
    '-subj',
    '/CN=db',
    '-nodes',
    '-newkey',
    'rsa:2048',
    '-out',
    'db.csr',
    '-keyout',
    'db.key',
  )
  await writeFile(path('names'), 'subjectAltName=DNS:db.example.test,IP:127.0.0.1')
  const signing = [
    '-CA',
    'own.pem',
    '-CAkey',
    'own.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'names',
  ]
  await openssl('x509', '-req', '-in', 'db.csr', ...signing, '-out', 'db.pem')

  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const [{ data }] = await query(postgres.url, "select current_setting('data_directory') as data")
  const { uid, gid } = await stat(data as string)
  for (const each of [folder, path('db.pem'), path('db.key')]) await chown(each, uid, gid)
  for (const setting of [
    `ssl_cert_file = '${path('db.pem')}'`,
    `ssl_key_file = '${path('db.key')}'`,
    'ssl = on',
  ])
    await query(postgres.url, `alter system set ${setting}`)
  await query(postgres.url, 'select pg_reload_conf()')

  /** As the server connects, by its environment. @returns whether it is by TLS, or why there is no connection */
  const connect = async (env: Record<string, string>): Promise<unknown> => {
    const { databaseUrl } = readConfig([], { DATABASE_URL: postgres.url, ...env })
    const encrypted = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
    return query(databaseUrl!, encrypted).then(([{ ssl }]) => ssl, String)
  }
  const url = (parameters: string) => ({ DATABASE_URL: `${postgres.url}?${parameters}` })
  const [own, other] = [path('own.pem'), path('other.pem')]
  // The signal of a reload comes when it comes.
  const signal = patience()
  while (/does not support SSL/.test(String(await connect(url('sslmode=no-verify')))))
    await delay(20, undefined, { signal })

  t.equal(await connect(url(`sslmode=verify-full&sslrootcert=${own}`)), true)
  t.equal(await connect({ PGSSLROOTCERT: own }), true)
  t.equal(await connect({ PGSSLROOTCERT: own, PGSSLMODE: 'verify-full' }), true)
  t.equal(await connect({ ...url('sslmode=verify-full'), PGSSLROOTCERT: own }), true)
  t.equal(await connect({ ...url(`sslmode=verify-full&sslrootcert=${own}`), PGSSLROOTCERT: other }), true)
  t.equal(await connect({ PGSSLROOTCERT: own, PGSSLMODE: 'disable' }), false)
  t.match(await connect(url('sslmode=verify-full')), /unable to verify|self-signed|local issuer/)
  t.match(
    await connect(url(`sslmode=verify-full&sslrootcert=${other}`)),
    /unable to verify|self-signed|local issuer/,
  )
  t.match(
    await connect({ PGSSLROOTCERT: other, PGSSLMODE: 'verify-full' }),
    /unable to verify|self-signed|local issuer/,
  )
  const elsewhere = postgres.url.replace('127.0.0.1', 'localhost')
  t.not(elsewhere, postgres.url)
  t.match(await connect({ DATABASE_URL: elsewhere, PGSSLROOTCERT: own }), /altnames|does not match/)

  await t.test('the command line takes it, too', async (t) => {
    const migrate = (env: Record<string, string>) =>
      run(node, [main, 'migrate'], {
        env: { PATH: process.env.PATH, DATABASE_URL: postgres.url, ...env },
      })
    t.match((await migrate({ PGSSLROOTCERT: own, PGSSLMODE: 'verify-full' })).stdout, /up to date/)
  })
})

t.test('a file that is none of authorities is told of, by its name', async (t) => {
  const folder = await temporaryDataFolder('pooldns-authorities-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'empty.pem')
  await writeFile(file, 'nothing')
  t.throws(() => checkAuthorities(`postgres://h/db?sslrootcert=${file}`), {
    message: /no certificate in .*empty\.pem/,
  })
  const read = (env: Record<string, string>) => () => readConfig([], env)
  t.throws(read({ DATABASE_URL: 'postgres://h/db?sslrootcert=/absent.pem' }), {
    message: "DATABASE_URL: sslrootcert: /absent.pem can't be read (ENOENT)",
  })
  t.throws(read({ DATABASE_URL: 'postgres://h/db', PGSSLROOTCERT: '/absent.pem' }), {
    message: "PGSSLROOTCERT: sslrootcert: /absent.pem can't be read (ENOENT)",
  })
  t.equal(
    readConfig([], { PGSSLROOTCERT: '/absent.pem' }).databaseUrl,
    null,
    'the embedded database needs none',
  )
})

async function query(url: string, statement: string): Promise<[Record<string, unknown>]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(statement)).rows as [Record<string, unknown>]
  } finally {
    await client.end()
  }
}
