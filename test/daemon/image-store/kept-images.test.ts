/** The compile thread keeps images where they have been placed: one copy for it, for this process, and for those who answer. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CompileThread } from '../../../src/controlplane/compile/compile-thread.ts'
import type { CompileJob } from '../../../src/controlplane/compile/zone-images.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { isPlaced, type PlacedImage } from '../../../src/dataplane/image/image-memory.ts'
import { writeLiving } from '../../../src/dataplane/process/living.ts'
import { type Shared, share, takenOctets } from '../../dataplane/shared.ts'

const apex = 'large.test'
const job = (edit: CompileJob['edit']): CompileJob => ({
  zone: {
    apex,
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
  edit,
})
const row = (owner: string, address: string) => [owner, 'A', 60, [address]]
const all = JSON.stringify(Array.from({ length: 1000 }, (_, index) => row(`host-${index}`, '192.0.2.1')))

interface Kept extends Shared {
  readonly compiler: CompileThread
  readonly directory: string
  /** Resolves when the thread has answered all that it was told. */
  adopted(): Promise<unknown>
}

async function keep(t: Test): Promise<Kept> {
  const shared = share(t)
  writeLiving(shared.fd, [1])
  const directory = await mkdtemp(join(tmpdir(), 'pooldns-kept-'))
  const compiler = new CompileThread({
    directory,
    version: '1',
    memory: shared.served.mapped,
    graceMs: 60_000,
  })
  t.teardown(async () => {
    await compiler.stop()
    await rm(directory, { recursive: true })
  })
  const adoptions: Promise<void>[] = []
  compiler.onLeft = (images) => shared.served.letGo(images)
  shared.served.keptBy((images) => adoptions.push(compiler.adopt(images)))
  return { ...shared, compiler, directory, adopted: () => Promise.all(adoptions.splice(0)) }
}

let generation = 0
async function serve({ compiler, served }: Kept, edit: CompileJob['edit']): Promise<PlacedImage> {
  const order = { revision: ++generation, stamp: null, jobs: [job(edit)], gone: [] }
  const { images, missing } = await compiler.compile(order, edit === null ? [[{ apex, text: all }]] : [])
  if (missing.length > 0) throw new Error('the thread has no image')
  const update = await served.place({ generation, zones: [[0, images[0]![1]]] })
  served.add(update)
  served.release(new Set([1]))
  const image = update.zones![0]![1]
  if (!isPlaced(image)) throw new Error('it was not placed')
  return image
}

const edit = (owner: string, address: string) => ({
  owners: [owner],
  text: JSON.stringify([row(owner, address)]),
})

t.test('edits are made of what was placed, hundreds of them in the same memory', async (t) => {
  const kept = await keep(t)
  await serve(kept, null)
  await kept.adopted()
  const taken: number[] = []
  let last: PlacedImage | null = null
  for (let number = 0; number < 600; number++) {
    last = await serve(kept, edit(`new-${number % 5}`, '192.0.2.7'))
    if (number % 3 !== 0) await kept.adopted()
    if (number % 200 === 199) taken.push(takenOctets(kept))
  }
  const image = new ZoneImage(kept.memory.bytes(last!))
  t.equal(image.nodeCount, 1006, 'all of the zone, and what was added')
  t.ok(kept.memory.isWhole(last!))
  t.ok(taken.at(-1)! <= taken[0]! + (1 << 20), taken.join())
  t.ok(taken.at(-1)! < 4 << 20, taken.join())
})

t.test('what is written to disk is what was placed, whatever comes meanwhile', async (t) => {
  const kept = await keep(t)
  await serve(kept, null)
  await kept.adopted()
  const written = kept.compiler.persist()
  for (let number = 0; number < 20; number++) await serve(kept, edit('host-1', `192.0.2.${number}`))
  await written
  await kept.compiler.persist()
  const { zones, damaged } = await kept.compiler.load()
  t.same(damaged, [])
  t.equal(new ZoneImage(zones[0]!.image).nodeCount, 1001)
  t.equal(zones[0]!.revision, generation)
})

t.test('of a zone that is gone nothing is kept', async (t) => {
  const kept = await keep(t)
  const image = await serve(kept, null)
  await kept.adopted()
  await kept.compiler.compile({ revision: ++generation, stamp: null, jobs: [], gone: [apex] }, [])
  kept.served.add(await kept.served.place({ generation, zones: [[0, null]] }))
  t.ok(kept.memory.isWhole(image), 'those who answer may read it')
  kept.served.release(new Set([1]))
  t.notOk(kept.memory.isWhole(image))
})

t.test('what the thread kept when it ended is kept by nobody', async (t) => {
  const kept = await keep(t)
  const image = await serve(kept, null)
  await kept.adopted()
  kept.served.add(await kept.served.place({ generation: ++generation, zones: [[0, null]] }))
  kept.served.release(new Set([1]))
  t.ok(kept.memory.isWhole(image), 'the thread may read it')
  await kept.compiler.stop()
  kept.served.release(new Set([1]))
  t.notOk(kept.memory.isWhole(image))
  await kept.compiler.adopt([image])
  t.pass('told when it has ended, nothing comes of it')
})
