/** The files of an empty database: private, whole, closed, and the same as `initdb` makes. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import t from 'tap'
import { makeReadyMade, unpackReadyMade } from '../../../src/controlplane/store/ready-made-database.ts'
import { node, repository } from '../../support/daemon.ts'

const folder = mkdtempSync(join(tmpdir(), 'pooldns-ready-made-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

t.test('unpacks into a database that opens', async (t) => {
  const path = await makeReadyMade()
  t.equal(await makeReadyMade(), path, 'made once')
  const unpacked = join(folder, 'unpacked')
  t.ok(unpackReadyMade(unpacked))
  const names = readdirSync(unpacked, { recursive: true, encoding: 'utf8' })
  const open = names.filter((name) => (statSync(join(unpacked, name)).mode & 0o077) !== 0)
  t.same(open, [], 'nothing that others may enter')
  t.equal(statSync(unpacked).mode & 0o777, 0o700)
  t.ok(names.includes('pg_tblspc'), 'folders that are empty are there')
  t.notOk(names.includes('postmaster.pid'))

  const database = await PGlite.create(unpacked)
  t.teardown(() => database.close())
  const rows = async (text: string) => (await database.query(text)).rows
  t.same(await rows(`select count(*)::int as tables from pg_tables where schemaname = 'public'`), [
    { tables: 0 },
  ])
  t.match(await rows('select system_identifier from pg_control_system()'), [{ system_identifier: /\d+/ }])
})

t.test('is made of the same octets each time', async (t) => {
  const make = (name: string) => {
    const within = join(folder, name)
    const { status, stderr } = spawnSync(node, ['.ci/ready-made.mjs', within], {
      cwd: repository,
      encoding: 'utf8',
    })
    t.equal(status, 0, stderr)
    const [archive] = readdirSync(within)
    return createHash('sha256')
      .update(readFileSync(join(within, archive!)))
      .digest('hex')
  }
  t.equal(make('one'), make('other'))
})
