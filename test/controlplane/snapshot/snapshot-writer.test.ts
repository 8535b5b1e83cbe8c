import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Catalog, type Mark } from '../../../src/controlplane/catalog/catalog.ts'
import { CompileThread } from '../../../src/controlplane/compile/compile-thread.ts'
import type { CompileJob, ZoneRows } from '../../../src/controlplane/compile/zone-images.ts'
import type { MemberHealth } from '../../../src/controlplane/model/observation.ts'
import { SnapshotFiles } from '../../../src/controlplane/snapshot/snapshot.ts'
import { SnapshotWriter } from '../../../src/controlplane/snapshot/snapshot-writer.ts'

const nothing = { pools: [], services: [] }

const job: CompileJob = {
  zone: {
    apex: 'example.test',
    serial: 1,
    ttlSeconds: 300,
    dnssec: null,
    soa: {
      mname: 'ns1.example.test.',
      rname: 'hostmaster.example.test.',
      fixedSerial: null,
      refreshSeconds: 3600,
      retrySeconds: 600,
      expireSeconds: 1_209_600,
      minimumSeconds: 60,
    },
  },
  services: [],
  edit: null,
}

function catalogOf(revision: number): Catalog {
  const none = new Map<string, never>()
  const zones = new Map([[job.zone.apex, job.zone]])
  const parts = { monitors: none, pools: none, services: none, overrides: none }
  return new Catalog({ revision, stamp: `s${revision}`, zones, ...parts })
}

async function* rows(length: number): AsyncGenerator<ZoneRows[]> {
  const row = (_: unknown, index: number) => [`host-${index}`, 'A', null, ['192.0.2.1']]
  yield [{ apex: job.zone.apex, text: JSON.stringify(Array.from({ length }, row)) }]
}

/** A compile thread with its files; `served` is what the writers are told. */
async function setUp(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-writer-'))
  const files = new SnapshotFiles(folder)
  const start = () =>
    new CompileThread({ directory: files.images, version: '1.0.0', memory: null, graceMs: 0 })
  const compiler = start()
  t.teardown(async () => {
    await compiler.stop()
    await rm(folder, { recursive: true })
  })
  const served = {
    revision: 1,
    compiled: { revision: 1, stamp: 's1' } as Mark | null,
    errors: [] as unknown[],
    up: true,
    health: [] as MemberHealth[],
  }
  const writer = (lastPassMs: number) => {
    const writer = new SnapshotWriter({
      database: {
        get up() {
          return served.up
        },
      },
      files,
      compiler,
      catalog: () => catalogOf(served.revision),
      compiled: () => served.compiled,
      observed: () => ({
        health: served.health,
        lastKnown: { ipv4: nothing, ipv6: nothing, any: nothing },
        resolutions: [],
        handedOut: [],
      }),
      onError: (error) => served.errors.push(error),
      lastPassMs,
    })
    writer.start()
    return writer
  }
  const stepTo = (revision: number) => ({ revision, stamp: `s${revision}`, jobs: [job], gone: [] })
  await compiler.compile(stepTo(1), rows(1))
  const loaded = async () => {
    await using thread = start()
    return await thread.load()
  }
  return { compiler, files, loaded, served, stepTo, writer }
}

t.test('a stop writes what is not on disk yet', async (t) => {
  const { files, loaded, served, writer } = await setUp(t)
  await writer(60_000).stop()
  t.same(served.errors, [])
  t.match(await files.read((reason) => t.fail(reason)), { revision: 1, stamp: 's1' })
  t.match(await loaded(), { zones: [{ revision: 1 }], damaged: [] })
})

t.test('a stop while a large zone is compiled leaves the snapshot as it was', async (t) => {
  const { compiler, files, loaded, served, stepTo, writer } = await setUp(t)
  await writer(60_000).stop()
  const last = writer(1)
  const giveUp = new AbortController()
  async function* large() {
    yield* rows(300_000)
    // Asked for more, so the thread has been sent these, and is busy for much longer than the pass may take.
    giveUp.abort(new Error('stopping'))
  }
  await t.rejects(compiler.compile(stepTo(2), large(), giveUp.signal), { message: 'stopping' })
  Object.assign(served, { revision: 2, compiled: { revision: 2, stamp: 's2' } })
  await last.stop()
  t.match(served.errors, [{ message: 'stopping: the pass was not done after 1 ms' }])
  await compiler.stop()
  t.match(await files.read((reason) => t.fail(reason)), { revision: 1, stamp: 's1' })
  t.match(await loaded(), { zones: [{ revision: 1, stamp: 's1' }], damaged: [] })
})

t.test('while the compile thread lacks images, nothing is written', async (t) => {
  const { compiler, files, loaded, served, stepTo, writer } = await setUp(t)
  await writer(60_000).stop()
  async function* broken(): AsyncGenerator<ZoneRows[]> {
    yield [{ apex: job.zone.apex, text: 'no JSON' }]
  }
  await t.rejects(compiler.compile(stepTo(2), broken()), { message: /^the compile thread: .*JSON/ })
  Object.assign(served, { revision: 2, compiled: null })
  await writer(60_000).stop()
  t.same(served.errors, [])
  t.match(await files.read((reason) => t.fail(reason)), { revision: 1 })
  t.match(await loaded(), { zones: [{ revision: 1 }] }, 'a pass would have swept its file')
})

t.test('settings that are ahead of an image are written with the revision of the images', async (t) => {
  const { files, served, writer } = await setUp(t)
  Object.assign(served, { revision: 5 })
  await writer(60_000).stop()
  t.same(served.errors, [])
  t.match(
    await files.read((reason) => t.fail(reason)),
    { revision: 1, stamp: 's1' },
    'what changed after it is read again',
  )
})

t.test('what is observed while the database is away is kept as well', async (t) => {
  const { files, served, writer } = await setUp(t)
  const reported = (reason: string): MemberHealth[] => [
    { pool: 'jobs', member: 'a', state: 'up', since: new Date(0), reason },
  ]
  const one = writer(60_000)
  one.mark()
  while (one.writtenAt === null) await setTimeout(20)
  const { writtenAt } = one
  Object.assign(served, { up: false, health: reported('just now') })
  await one.stop()
  t.match((await files.read((reason) => t.fail(reason)))?.health, reported('just now'))
  t.equal(one.writtenAt, writtenAt, 'but it is no word of the database')

  served.health = reported('from the snapshot')
  const two = writer(60_000)
  await two.stop()
  t.match(
    (await files.read((reason) => t.fail(reason)))?.health,
    reported('just now'),
    'what is served may be less than the snapshot',
  )
  t.same(served.errors, [])
})
