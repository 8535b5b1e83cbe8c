import fs from 'node:fs'
import { rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import t from 'tap'
import { SyncedFolder, syncedStart } from '../../../src/controlplane/store/synced-folder.ts'
import { placeEmbeddedDatabase } from '../../support/embedded-database.ts'
import { temporaryDataFolder } from '../../support/kept.ts'

t.test('each commit syncs the log before it is told, and a checkpoint what it writes', async (t) => {
  const dataDir = await temporaryDataFolder('pooldns-synced-')
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await placeEmbeddedDatabase(dataDir)
  // Counted on their way to the system, and done.
  const { fsyncSync } = fs
  let synced = 0
  fs.fsyncSync = (file) => {
    synced++
    fsyncSync(file)
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    fs.fsyncSync = fsyncSync
    syncBuiltinESMExports()
  })
  const database = await PGlite.create({
    fs: new SyncedFolder(join(dataDir, 'db')),
    startParams: syncedStart,
  })
  t.teardown(() => database.close())
  t.match((await database.query("select current_setting('fsync') as fsync")).rows, [{ fsync: 'on' }])
  await database.exec('create table synced (number int)')
  for (let number = 0; number < 5; number++) {
    const before = synced
    await database.exec(`insert into synced values (${number})`)
    t.ok(synced > before, `${synced - before} at commit ${number}`)
  }
  const reading = synced
  await database.query('select * from synced')
  t.equal(synced, reading, 'none for who reads')
  await database.exec('checkpoint')
  // Files of tables and what says which checkpoint was the last; folders are synced, too.
  t.ok(synced > reading + 2, `${synced - reading} at a checkpoint`)
})
