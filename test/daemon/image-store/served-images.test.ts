/** What is written into the memory that processes share, and when it is given back. */
import { fstatSync, writeSync } from 'node:fs'
import t, { type Test } from 'tap'
import { ImageStore } from '../../../src/daemon/image-store/image-store.ts'
import { ServedImages } from '../../../src/daemon/image-store/served-images.ts'
import { isPlaced, type PlacedImage } from '../../../src/dataplane/image/image-memory.ts'
import type { ServingUpdate } from '../../../src/dataplane/image/serving-set.ts'
import { linux, type Syscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { readJournal } from '../../../src/dataplane/process/journal.ts'
import { writeLiving } from '../../../src/dataplane/process/living.ts'
import { SharedImages } from '../../../src/dataplane/process/shared-images.ts'
import { largeZone, publish, type Shared, share, syscalls, takenOctets } from '../../dataplane/shared.ts'
import { servingUpdate } from '../../dataplane/zone-text.ts'

const update = (address: string, generation: number, apex = 'large.test') =>
  servingUpdate([largeZone(address, apex)], [], generation)

function imageOf({ zones }: ServingUpdate): PlacedImage {
  const image = zones![0]![1]
  if (!isPlaced(image)) throw new Error('it was not placed')
  return image
}

/** The one of the next control plane. */
const next = ({ fd }: Shared) => new ServedImages(new ImageStore(fd, syscalls))

const all = (...numbers: readonly number[]) => new Set(numbers)

t.test('large images are placed, small ones and settings stay as they are', async (t) => {
  const shared = share(t)
  const whole = update('192.0.2.1', 1)
  const { zones, directory, generation } = await publish(shared, whole)
  t.ok(isPlaced(zones![0]![1]))
  t.equal(generation, 1)
  t.same(directory, whole.directory)
  const again = await publish(shared, { ...whole, generation: 2 })
  t.equal(again.zones![0]![1], zones![0]![1], 'what is published again is not placed again')
})

t.test('what is served no more is given back when all that live serve something else', async (t) => {
  const shared = share(t)
  writeLiving(shared.fd, [1, 2])
  const first = imageOf(await publish(shared, update('192.0.2.1', 1)))
  shared.served.release(all(1, 2))
  await publish(shared, update('192.0.2.2', 2))
  shared.served.release(all(1))
  t.equal(shared.memory.isWhole(first), true, 'one has not said so')
  shared.served.release(all(1, 2, 3))
  t.equal(shared.memory.isWhole(first), false)
  const third = imageOf(await publish(shared, update('192.0.2.3', 3)))
  t.equal(third.at, first.at, 'its place is used again')
})

t.test('thousands of edits take no more memory than some', async (t) => {
  const shared = share(t)
  writeLiving(shared.fd, [1])
  const taken: number[] = []
  for (let edit = 1; edit <= 2000; edit++) {
    await publish(shared, update(`192.0.2.${edit % 256}`, edit))
    shared.served.release(all(1))
    if (edit % 500 === 0) taken.push(takenOctets(shared))
  }
  t.ok(taken.at(-1)! <= taken[0]! + (1 << 20), taken.join())
  // The journal's place, and images.
  t.ok(taken.at(-1)! < 3 << 20, taken.join())
  t.match(new SharedImages(shared.fd).last(), { generation: 2000 })
})

t.test('what an earlier control plane wrote stays until all that live serve something else', async (t) => {
  const before = share(t)
  writeLiving(before.fd, [1])
  const old = imageOf(await publish(before, update('192.0.2.1', 1)))
  const store = new ImageStore(before.fd, syscalls)
  t.ok(store.inherited.some(({ at, octets }) => at <= old.at && old.at + old.octets <= at + octets))
  const served = new ServedImages(store)
  const next: Shared = { ...before, store, served }
  await publish(next, update('192.0.2.2', 1))
  served.release(all(1))
  t.equal(before.memory.isWhole(old), true, 'nothing of ours is written down')
  t.match(new SharedImages(before.fd).last(), { generation: 1 })
  served.journal()
  served.release(all())
  t.equal(before.memory.isWhole(old), true, 'one that lives has not said so')
  const { octets } = store
  served.release(all(1))
  t.equal(before.memory.isWhole(old), false)
  t.equal(store.octets, octets, 'that was not ours')
  t.match(new SharedImages(before.fd).last(), { generation: 1 })
})

t.test('the journal moves when there is no room, and stays what is served', async (t) => {
  const shared = share(t)
  const settings = (padding: number) =>
    ({
      generation: padding,
      settings: [
        [
          0,
          {
            nsid: Buffer.alloc(300_000, padding),
            chaos: [],
            cookieKeys: [],
            noCookieOctets: 0,
            rateLimit: null,
            sample: false,
          },
        ],
      ],
    }) as const
  for (let edit = 1; edit <= 12; edit++) {
    await publish(shared, settings(edit))
    shared.served.release(all())
    const last = new SharedImages(shared.fd).last()!
    t.equal(last.generation, edit)
    t.equal(last.settings![0]![1]!.nsid![299_999], edit)
  }
  t.ok(readJournal(shared.fd).length < 12)
  t.ok(takenOctets(shared) < 4 << 20)
})

/** An edit when the memory behaves as these calls do. */
async function editWith(
  t: Test,
  calls: Partial<Syscalls>,
  edit: (shared: Shared) => Promise<void>,
): Promise<void> {
  const { fd, memory } = share(t)
  const store = new ImageStore(fd, { ...syscalls, ...calls })
  const served = new ServedImages(store)
  served.journal()
  await edit({ fd, memory, store, served })
}

t.test('without room every process gets its own copy', async (t) => {
  await editWith(t, {}, async (shared) => {
    t.ok(shared.store.take(60 * 2 ** 30))
    t.equal(shared.store.take(60 * 2 ** 30), null)
    const { zones } = await publish(shared, update('192.0.2.1', 1))
    t.ok(isPlaced(zones![0]![1]))
  })
  const none = new ServedImages(null)
  const whole = update('192.0.2.1', 1)
  t.equal(await none.place(whole), whole)
  none.add(whole)
  none.journal()
  none.release(all())
  t.match(none.whole, { generation: 1 })
})

t.test('memory that the kernel refuses to tell of is not used', async (t) => {
  const { fd } = share(t)
  const refusing = { ...syscalls, lseek: () => -1, errno: () => 22 }
  t.throws(() => new ImageStore(fd, refusing), { message: /^lseek EINVAL/ })
  const whence = (_fd: number, at: number, which: number) => (which === linux.seekHole ? -1 : at)
  t.throws(() => new ImageStore(fd, { ...syscalls, lseek: whence, errno: () => 22 }), {
    message: /^lseek EINVAL/,
  })
})

t.test('images of more than a part are written whole', async (t) => {
  const shared = share(t)
  const image = new SharedArrayBuffer(5_000_004)
  const words = new Int32Array(image)
  for (let index = 0; index < words.length; index++) words[index] = index
  const placed = (await shared.store.place(image))!
  t.equal(shared.memory.isWhole(placed), true)
  t.same(Buffer.from(shared.memory.bytes(placed)).equals(Buffer.from(image)), true)
  t.ok(fstatSync(shared.fd).blocks > 0)
})

t.test('when it can not be written, nothing is said to be served', async (t) => {
  const { fd, memory } = share(t)
  const store = new (class extends ImageStore {
    full = false
    override write(at: number, pieces: readonly Uint8Array[]): void {
      if (this.full && at >= 4096) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      super.write(at, pieces)
    }
  })(fd, syscalls)
  const served = new ServedImages(store)
  served.journal()
  const shared = { fd, memory, store, served }
  await publish(shared, update('192.0.2.1', 1))
  t.match(new SharedImages(fd).last(), { generation: 1 })
  store.full = true
  const { zones } = await publish(shared, update('192.0.2.2', 2))
  t.ok(zones![0]![1] instanceof SharedArrayBuffer, 'it is copied')
  t.equal(new SharedImages(fd).last(), null)
  await publish(shared, update('192.0.2.3', 3))
  t.equal(new SharedImages(fd).last(), null)
  store.full = false
  await publish(shared, update('192.0.2.4', 4))
  t.match(new SharedImages(fd).last(), { generation: 4 })
})

t.test('the revision that was told last is known to the next who tells', (t) => {
  const shared = share(t)
  t.equal(shared.served.before, null)
  for (const revision of [1, 2, 3]) shared.served.mark({ revision, stamp: `stamp ${revision}` })
  t.match(next(shared).before, { revision: 3, stamp: 'stamp 3' })
  const second = next(shared)
  second.mark({ revision: 2, stamp: null })
  t.match(second.before, { revision: 3 }, 'what was there when it began')
  t.match(next(shared).before, { revision: 2, stamp: null }, 'also when it has gone back')
  // A writer that was killed has left half a mark; the one before holds.
  writeSync(shared.fd, Buffer.alloc(16, 7), 0, 16, 2048)
  t.match(next(shared).before, { revision: 3 })
  writeSync(shared.fd, Buffer.alloc(16, 255), 0, 16, 2560)
  t.equal(next(shared).before, null)
  t.throws(() => second.mark({ revision: 1, stamp: 'x'.repeat(600) }), { message: /^a mark of \d+ octets$/ })
  t.end()
})

t.test('what is left for the next control plane goes with the journal', async (t) => {
  const shared = share(t)
  writeLiving(shared.fd, [1])
  await publish(shared, update('192.0.2.1', 1))
  shared.served.leave('one')
  const { served } = shared
  const taken: number[] = []
  for (let times = 0; times < 500; times++) {
    served.leave(`two ${'x'.repeat(10_000 + times)}`)
    taken.push(takenOctets(shared))
  }
  t.ok(Math.max(...taken) - Math.min(...taken) < 100_000, 'what was left before is given back')
  served.leave('three')
  const second = next(shared)
  t.equal(second.leftBefore, 'three')
  t.equal(second.isRead, true)
  const [[slot, image]] = [...second.zonesOfJournal()] as [[number, SharedArrayBuffer]]
  t.equal(slot, 0)
  const placed = imageOf({ ...served.whole })
  t.ok(Buffer.from(image).equals(Buffer.from(shared.memory.bytes(placed))))
  second.leave('nothing yet')
  t.equal(next(shared).leftBefore, 'three', 'until there is another journal')
  second.journal()
  t.equal(next(shared).leftBefore, null, 'which has other slots')
  second.leave('four')
  t.equal(next(shared).leftBefore, 'four')
  // Half a root: the one before holds, whose text may be gone.
  for (const at of [3072, 3584]) {
    writeSync(shared.fd, Buffer.alloc(16, 7), 0, 16, at)
    t.not(next(shared).leftBefore, 'three')
  }
  t.equal(next(shared).leftBefore, null)
  t.equal(new ServedImages(null).leftBefore, null)
})

t.test('where there is no memory for what is left, nothing is', async (t) => {
  const { fd } = share(t)
  const store = new (class extends ImageStore {
    full = false
    override write(at: number, pieces: readonly Uint8Array[]): void {
      if (this.full && at >= 4096) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      super.write(at, pieces)
    }
  })(fd, syscalls)
  const served = new ServedImages(store)
  served.journal()
  served.leave('one')
  store.full = true
  served.leave('two')
  t.equal(new ServedImages(new ImageStore(fd, syscalls)).leftBefore, null)
  store.full = false
  served.leave('three')
  t.equal(new ServedImages(new ImageStore(fd, syscalls)).leftBefore, 'three')
})
