/** The embedded database as a thread: restarts, kills, broken threads, and who may open it. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import t from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { Connections, type Loan } from '../../../src/controlplane/store/connections.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { EmbeddedDatabase } from '../../../src/controlplane/store/embedded-database.ts'
import { getPool, listAllPools, putPool } from '../../../src/controlplane/store/pools.ts'
import { breaksConnection } from '../../../src/controlplane/store/postgres-errors.ts'
import { currentRevision } from '../../../src/controlplane/store/revision.ts'
import { patience, patienceMs } from '../../support/patience.ts'
import { pool } from './suite/samples.ts'

// One directory for the whole file: creating a database takes seconds, opening one does not.
const dataDir = mkdtempSync(join(tmpdir(), 'pooldns-embedded-'))
t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))

async function openReady(): Promise<Database> {
  const database = await Database.open({ url: null, dataDir })
  await database.ready(patience())
  return database
}

t.test('a first start that was cut off leaves nothing in the way', async (t) => {
  mkdirSync(join(dataDir, 'db.new', 'base'), { recursive: true })
  writeFileSync(join(dataDir, 'db.new', 'PG_VERSION'), '18\n')
  await using database = await openReady()
  t.equal(database.kind, 'embedded')
  t.equal(await database.read(currentRevision), 0)
  t.notOk(existsSync(join(dataDir, 'db.new')))
})

t.test('who waits long behind a transaction does not take the database for dead', async (t) => {
  const embedded = new EmbeddedDatabase(dataDir, false)
  t.teardown(() => embedded.stop())
  await embedded.running()
  const connections = new Connections({ ...embedded.connection, connectionTimeoutMillis: 500 })
  t.teardown(() => connections.stop(patienceMs))
  const first = await borrowAtLast(connections)
  const failure = await connections.borrow().catch((error: unknown) => error)
  t.match(failure, { code: 'unavailable', message: /busy with a transaction that takes long/ })
  t.notOk(breaksConnection(failure), 'it is not given up, with all that the transaction has done')
  first.release(false)
  const second = await connections.borrow()
  second.release(false)
})

/** To open a connection takes longer than the short limit where the machine is busy. */
async function borrowAtLast(connections: Connections): Promise<Loan> {
  const over = patience()
  for (;;) {
    try {
      return await connections.borrow()
    } catch (error) {
      if (over.aborted) throw error
    }
  }
}

t.test('what was written is there after a stop', async (t) => {
  const first = await openReady()
  await first.write('ann', (write) => putPool(write, pool('kept', []), {}))
  await t.rejects(Database.open({ url: null, dataDir }), {
    code: 'conflict',
    message: `in use by process ${process.pid}`,
  })
  await Promise.all([first.stop(), first.stop()])
  t.same(readdirSync(dataDir), ['db'])
  await t.rejects(first.read(currentRevision), { code: 'unavailable' })
  await using second = await openReady()
  t.ok(await second.read((tx) => getPool(tx, 'kept')))
})

t.test('who may wait gets the directory once the process that has it is gone', async (t) => {
  const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: 'pipe' })
  await once(other, 'spawn')
  writeFileSync(join(dataDir, 'db.lock'), JSON.stringify({ pid: other.pid, started: null }))
  const opening = Database.open({ url: null, dataDir, lockPatienceMs: 60_000 })
  await t.rejects(Database.open({ url: null, dataDir, lockPatienceMs: 1 }), { code: 'conflict' })
  other.kill('SIGKILL')
  await using database = await opening
  await database.ready(patience())
  t.ok(await database.read((tx) => getPool(tx, 'kept')))
})

t.test('transactions of many users keep apart', async (t) => {
  await using database = await openReady()
  const before = await database.read(currentRevision)
  const work = Array.from({ length: 30 }, (_, i) => [
    database.write('ann', (write) => putPool(write, pool(`many-${i}`, []), {})),
    database.read(async (tx) => {
      const first = await currentRevision(tx)
      await tx.execute(sql`select ${i}::int`)
      return first === (await currentRevision(tx))
    }),
  ])
  const results = await Promise.all(work.flat())
  t.ok(results.every((result) => result !== false))
  t.equal(await database.read(currentRevision), before + 30)
})

t.test('own writes hint', async (t) => {
  await using database = await openReady()
  let hints = 0
  const listener = database.listen(() => hints++)
  await database.write('ann', async (write) => write.change('pool', 'web'))
  listener[Symbol.dispose]()
  await database.write('ann', async (write) => write.change('pool', 'web'))
  t.equal(hints, 1)
})

/** How many commits of a round are waited for before the process is killed, in the midst of the next. */
const rounds = [1, 12]

t.test('SIGKILL in the middle of writes loses none that was acknowledged', async (t) => {
  const writer = join(import.meta.dirname, 'suite', 'endless-writer.ts')
  const acknowledged = new Map<string, number>()
  for (const [round, least] of rounds.entries()) {
    const name = `endless-${round}`
    const child = spawn(process.execPath, [writer, dataDir, name], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // A killed process leaves the folder of its socket behind.
      env: { ...process.env, NODE_OPTIONS: '', TMPDIR: dataDir },
    })
    const exited = once(child, 'exit')
    let asked = false
    // To the end: what it said before it was killed counts, too.
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.set(name, Number(line))
      if (Number(line) < least || asked) continue
      asked = true
      if (round === 0) {
        const message = `process ${child.pid}`
        await t.rejects(Database.open({ url: null, dataDir }), { code: 'conflict', message })
      }
      child.kill('SIGKILL')
    }
    await exited
  }
  await using database = await openReady()
  const pools = await database.read(listAllPools)
  for (const [name, committed] of acknowledged) {
    const count = pools.filter(({ value }) => value.name.startsWith(`${name}-`)).length
    t.ok(count >= committed, `${count} pools of ${committed} that were acknowledged to ${name}`)
  }
  await database.write('ann', (write) => putPool(write, pool('after', []), {}))
})

t.test('what was deleted leaves its room to what comes, once it is tidied up', async (t) => {
  await using database = await openReady()
  const come = () =>
    database.record((tx) =>
      tx.execute(sql`
        insert into lookups (domain, client_ip, created_at, addresses)
        select 'a' || n, '192.0.2.1', now(), '{192.0.2.1}' from generate_series(1, 3000) as n`),
    )
  const go = () => database.record((tx) => tx.execute(sql`delete from lookups`))
  const size = async () => {
    const { rows } = await database.read((tx) =>
      tx.execute<{ size: string }>(sql`select pg_total_relation_size('lookups') as size`),
    )
    return Number(rows[0]!.size)
  }
  const sizes: number[] = []
  for (let round = 0; round < 4; round++) {
    await come()
    sizes.push(await size())
    await go()
    await database.tidyUp()
  }
  const [first, , third, fourth] = sizes as [number, number, number, number]
  t.ok(first > 100_000, `${sizes}`)
  t.ok(third < first * 1.5, `${sizes}`)
  t.equal(fourth, third, `${sizes}`)
  await come()
  t.equal(await database.read((tx) => tx.$count(sql`lookups`)), 3000, 'and it goes on')
})

t.test('a database that panicked is started again', async (t) => {
  const reasons: string[] = []
  const database = await Database.open({
    url: null,
    dataDir,
    onUnavailable: (reason) => reasons.push(reason),
  })
  t.teardown(() => database.stop())
  await database.ready(patience())
  const log = join(dataDir, 'db', 'pg_wal')
  renameSync(log, `${log}.away`)
  // Sooner or later it must begin the next file of its log, and can't.
  const writeForEver = async () => {
    for (let count = 0; ; count++) {
      await database.write('ann', (write) => putPool(write, pool(`panic-${count}`, []), {}))
      await database.record((tx) => tx.execute(sql`select pg_switch_wal()`))
    }
  }
  await t.rejects(writeForEver(), { code: 'unavailable' })
  t.equal(database.up, false)
  t.match(reasons, [/pg_wal/])
  renameSync(`${log}.away`, log)
  await database.ready(patience())
  t.equal(database.up, true)
  t.ok(await database.read((tx) => getPool(tx, 'after')))
})

t.test('a thread that could not be started is started when it can be', async (t) => {
  const script = join(import.meta.dirname, 'embedded-without-threads.ts')
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-embedded-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const command = [process.execPath, script, folder]
  // Root may have as many threads as it likes; nobody else has those of this user.
  if (process.getuid?.() === 0) {
    chownSync(folder, 54_321, 54_321)
    command.unshift('setpriv', '--reuid=54321', '--clear-groups')
  }
  const env = { ...process.env, NODE_OPTIONS: '' }
  const { stdout } = await promisify(execFile)(command[0]!, command.slice(1), { env, timeout: patienceMs })
  t.match(stdout, /the embedded database in .* failed: .*EAGAIN/)
})

t.test('no temporary folder to write to', async (t) => {
  const { TMPDIR } = process.env
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  })
  process.env.TMPDIR = `/${'long/'.repeat(30)}`
  await using long = await openReady()
  t.equal(long.up, true)
  await long.stop()
  process.env.TMPDIR = '/proc'
  await using readOnly = await openReady()
  t.equal(readOnly.up, true)
})
