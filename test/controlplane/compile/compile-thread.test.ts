import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CatalogZone } from '../../../src/controlplane/catalog/catalog.ts'
import { CompileThread } from '../../../src/controlplane/compile/compile-thread.ts'
import type { CompileJob, ZoneRows } from '../../../src/controlplane/compile/zone-images.ts'

const zoneOf = (apex: string): CatalogZone => ({
  apex,
  serial: 4_000_000_001,
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
})
const jobOf = (apex: string): CompileJob => ({
  zone: zoneOf(apex),
  services: [{ name: `www.${apex}`, slot: 3 }],
  edit: null,
})

async function* rows(...batches: ZoneRows[][]) {
  yield* batches
}
const a = (apex: string, data = '192.0.2.1'): ZoneRows[] => [
  { apex, text: JSON.stringify([['a', 'A', null, [data]]]) },
]

async function threadIn(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'pooldns-images-'))
  const threads: CompileThread[] = []
  t.teardown(async () => {
    for (const thread of threads) await thread.stop()
    await rm(directory, { recursive: true })
  })
  const start = (version = '1.0.0', graceMs = 1000) => {
    const thread = new CompileThread({ directory: join(directory, 'zones'), version, memory: null, graceMs })
    threads.push(thread)
    return thread
  }
  return { directory: join(directory, 'zones'), start }
}

t.test('what was compiled and written is what another thread loads', async (t) => {
  const { directory, start } = await threadIn(t)
  const first = start()
  t.same(await first.load(), { zones: [], damaged: [], signed: [] }, 'nothing yet')
  await mkdir(directory)
  await writeFile(join(directory, 'left-over.json'), '')
  const apexes = ['one.test', 'two.test', 'three.test']
  const step = { revision: 7, stamp: 's7', jobs: apexes.map(jobOf), gone: [] }
  const { images, bad } = await first.compile(step, rows(a('one.test'), a('two.test', 'nonsense')))
  t.match(bad, [{ apex: 'two.test', owner: 'a', type: 'A', message: /zone two.test, owner a, type A/ }])
  await first.persist()
  t.equal((await readdir(directory)).length, 3)

  const loaded = await start().load()
  t.same(loaded.damaged, [])
  const found = new Map(loaded.zones.map((zone) => [zone.zone.apex, zone]))
  for (const [apex, image] of images) {
    const { image: read, ...rest } = found.get(apex)!
    t.same(rest, {
      zone: zoneOf(apex),
      services: jobOf(apex).services,
      revision: 7,
      stamp: 's7',
      current: true,
      // It is compiled again once its row can be used.
      ...(apex === 'two.test' ? { bad: true } : {}),
    })
    t.ok(Buffer.from(read).equals(Buffer.from(image)), apex)
  }
  const other = await start('1.0.1').load()
  t.ok(
    other.zones.every(({ current }) => !current),
    'compiled by another version',
  )

  await first.compile(
    { revision: 8, stamp: 's8', jobs: [jobOf('two.test')], gone: ['one.test'] },
    rows(a('two.test')),
  )
  await first.persist()
  const after = await start().load()
  t.same(
    after.zones.map(({ zone, revision }) => `${zone.apex} ${revision}`).sort(),
    ['three.test 7', 'two.test 8'],
    'the file of a zone that went is deleted',
  )
})

t.test('a file that can not be used is named and put aside, and the one before is used', async (t) => {
  const { directory, start } = await threadIn(t)
  const thread = start()
  const persisted = async (revision: number) => {
    const order = { revision, stamp: `s${revision}`, jobs: ['one.test', 'two.test'].map(jobOf), gone: [] }
    await thread.compile(order, rows())
    await thread.persist()
  }
  await persisted(1)
  await persisted(2)
  const file = (await readdir(directory)).find((name) => name.endsWith('.image'))!
  const path = join(directory, file)
  const good = await readFile(path)
  const damages: [Buffer | null, RegExp][] = [
    [Buffer.alloc(0), /no zone image of this version/],
    [good.subarray(0, 20), /cut short/],
    [good.subarray(0, good.length - 4), /checksum/],
    [Buffer.concat([good.subarray(0, good.length - 1), Buffer.of(good.at(-1)! ^ 1)]), /checksum/],
    [Buffer.concat([good.subarray(0, 7), Buffer.of(9), good.subarray(8)]), /no zone image of this version/],
    // A folder in its place.
    [null, /EISDIR/],
  ]
  for (const [octets, message] of damages) {
    await rm(path, { force: true })
    if (octets === null) await mkdir(join(path, 'with something in it'), { recursive: true })
    else await writeFile(path, octets)
    const { zones, damaged } = await start().load()
    const found = zones.map(({ revision, current }) => `${revision} ${current}`).sort()
    t.same(found, ['1 false', '2 true'], String(message))
    t.match(damaged, [message])
    t.match(damaged, [file])
    t.same((await start().load()).damaged, [], 'it is put aside')
  }
  await writeFile(path, good)
  await writeFile(`${path}.before`, '')
  t.match(await start().load(), { zones: [{ revision: 2 }, { revision: 2 }], damaged: [] })
  await rm(path)
  const { zones, damaged } = await start().load()
  t.equal(zones.length, 1)
  t.match(damaged, [/\.before can't be used/])
})

t.test('what is in the place of the folder is told, and the rest goes on', async (t) => {
  const { directory, start } = await threadIn(t)
  await rm(directory, { recursive: true, force: true })
  await writeFile(directory, '')
  t.match(await start().load(), { zones: [], damaged: [/can't be read: ENOTDIR/] })
})

t.test('images that could not be written are written by the next persist', async (t) => {
  const { directory, start } = await threadIn(t)
  const thread = start()
  await thread.compile({ revision: 1, stamp: 's1', jobs: [jobOf('one.test')], gone: [] }, rows())
  await writeFile(directory, 'no folder')
  await t.rejects(thread.persist(), { message: /EEXIST|ENOTDIR/ })
  await rm(directory)
  await thread.persist()
  t.equal((await readdir(directory)).length, 1)
})

t.test('a thread that dies is told of, and started again without images', async (t) => {
  const { start } = await threadIn(t)
  const thread = start()
  await thread.compile({ revision: 1, stamp: 's1', jobs: [jobOf('one.test')], gone: [] }, rows())
  t.equal(thread.epoch, 0)
  const broken = [{ apex: 'one.test', text: 'no JSON' }]
  await t.rejects(
    thread.compile({ revision: 1, stamp: 's1', jobs: [jobOf('one.test')], gone: [] }, rows(broken)),
    {
      message: /^the compile thread: .*JSON/,
    },
  )
  t.equal(thread.epoch, 1)
  const edit = { ...jobOf('one.test'), edit: { owners: [], text: '[]' } }
  const { missing } = await thread.compile({ revision: 1, stamp: 's1', jobs: [edit], gone: [] }, rows())
  t.same(missing, ['one.test'])
  await thread.stop()
  await t.rejects(thread.load(), { message: 'the compile thread is stopped' })
})

t.test('where there is nothing to do the thread is not asked', async (t) => {
  const { start } = await threadIn(t)
  const thread = start()
  // Whatever is said to it fails from now on.
  await thread.stop()
  const nothing = { revision: 1, stamp: 's1', jobs: [], gone: [] }
  t.same(await thread.compile(nothing, rows()), { images: [], bad: [], kept: [], missing: [], signed: [] })
  await t.rejects(thread.compile({ ...nothing, gone: ['one.test'] }, rows()), { message: /stopped/ })
})

t.test('rows that break off end the order; the next one is whole', async (t) => {
  const { start } = await threadIn(t)
  const thread = start()
  const step = { revision: 1, stamp: 's1', jobs: [jobOf('one.test')], gone: [] }
  async function* failing() {
    yield a('one.test')
    throw new Error('the database went away')
  }
  await t.rejects(thread.compile(step, failing()), { message: 'the database went away' })
  const { images } = await thread.compile(
    step,
    rows(a('one.test'), a('one.test'), a('one.test'), a('one.test')),
  )
  t.equal(images.length, 1)
})

/** What keeps a thread busy for seconds, while it hears nothing. */
const large = (apex: string): ZoneRows[] => {
  const row = (_: unknown, index: number) => [`host-${index}`, 'A', null, ['192.0.2.1']]
  return [{ apex, text: JSON.stringify(Array.from({ length: 300_000 }, row)) }]
}

t.test('a thread that compiles a large zone is stopped all the same', async (t) => {
  const { directory, start } = await threadIn(t)
  const thread = start('1.0.0', 0)
  await thread.load()
  const step = { revision: 1, stamp: 's1', jobs: ['small.test', 'large.test'].map(jobOf), gone: [] }
  const message = /^the compile thread: it was stopped before that was done$/
  let ending: Promise<unknown> | undefined
  async function* batches() {
    yield a('small.test')
    yield large('large.test')
    // Asked for again, so it has been sent.
    const persisting = t.rejects(thread.persist(), { message })
    ending = Promise.all([persisting, thread.stop(), thread.stop()])
  }
  await t.rejects(thread.compile(step, batches()), { message })
  await ending
  await t.rejects(readdir(directory), { code: 'ENOENT' }, 'what came behind was not begun')
  await t.rejects(thread.persist(), { message: 'the compile thread is stopped' })
})

t.test('who gives an order up is let go at once, and the next one is whole', async (t) => {
  const { start } = await threadIn(t)
  const thread = start()
  const step = { revision: 1, stamp: 's1', jobs: ['one.test', 'large.test'].map(jobOf), gone: [] }
  const controller = new AbortController()
  const { signal } = controller
  let answered = false
  let behind: Promise<void> | undefined
  async function* batches() {
    yield a('one.test')
    yield large('large.test')
    // Asked for again, so it has been sent.
    behind = thread.load().then(() => {
      answered = true
    })
    controller.abort(new Error('enough'))
    yield a('large.test')
    t.fail('no more rows are fetched')
  }
  await t.rejects(thread.compile(step, batches(), signal), { message: 'enough' })
  t.notOk(answered, 'the thread is not waited for')
  await t.rejects(thread.compile(step, rows(), signal), { message: 'enough' })
  await t.rejects(thread.persist(signal), { message: 'enough' })
  await behind
  const { images } = await thread.compile({ ...step, jobs: [jobOf('one.test')] }, rows(a('one.test')))
  t.equal(images.length, 1)
})

t.test('a stop ends writing at the next file; every file is whole', async (t) => {
  const { directory, start } = await threadIn(t)
  const thread = start('1.0.0', 60_000)
  const apexes = Array.from({ length: 500 }, (_, index) => `z${index}.test`)
  const jobs = apexes.map(jobOf)
  await thread.compile({ revision: 1, stamp: 's1', jobs, gone: [] }, rows())
  await thread.persist()
  await thread.compile({ revision: 2, stamp: 's2', jobs: jobs.slice(1), gone: ['z0.test'] }, rows())
  const persisting = t.rejects(thread.persist(), { message: /stopped before that was done/ })
  await Promise.all([thread.stop(), persisting])
  const { zones, damaged } = await start().load()
  t.same(damaged, [])
  t.same(zones.map(({ zone }) => zone.apex).sort(), apexes.toSorted())
  t.ok(
    zones.some(({ revision, stamp }) => revision === 1 && stamp === 's1'),
    'some are as they were',
  )
  t.same(
    (await readdir(directory)).filter((file) => !/\.image(?:\.before)?$/.test(file)),
    [],
  )
})
