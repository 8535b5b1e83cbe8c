import { writeSync } from 'node:fs'
import t from 'tap'
import { memoryLayout } from '../../../src/dataplane/image/image-memory.ts'
import { entriesOf, ServingSet } from '../../../src/dataplane/image/serving-set.ts'
import {
  entryOf,
  formatRoot,
  JournalError,
  lengthOf,
  type Root,
  readJournal,
  readRoot,
  rootsAt,
} from '../../../src/dataplane/process/journal.ts'
import { generation } from '../listener/running-fleet.ts'
import { publish, share, writeJournal } from '../shared.ts'

function writeRoot(fd: number, index: 0 | 1, root: Root): void {
  writeSync(fd, formatRoot(root), 0, 32, rootsAt[index])
}

t.test('what was written is read, the oldest first', async (t) => {
  const shared = share(t)
  t.match(readJournal(shared.fd), [{ generation: 0 }], 'all, which is nothing yet')
  const first = await publish(shared, generation(1))
  const second = await publish(shared, { generation: 2, zones: [[1, null]] })
  const [begin, ...rest] = readJournal(shared.fd)
  t.equal(begin!.generation, 0)
  t.same(
    rest.map((update) => update.generation),
    [1, 2],
  )
  const [read, told] = [new ServingSet(), new ServingSet()]
  for (const update of rest) read.add(update)
  for (const update of [first, second]) told.add(update)
  const inOrder = (set: ServingSet) => entriesOf(set.changes()).sort((a, b) => a.slot - b.slot)
  t.same(inOrder(read), inOrder(told))
})

t.test('nothing is written at first, or when there was no room', async (t) => {
  const shared = share(t)
  writeRoot(shared.fd, 0, { number: 100, at: 0, octets: 0 })
  t.same(readJournal(shared.fd), [])
  for (const at of rootsAt) writeSync(shared.fd, Buffer.alloc(32), 0, 32, at)
  t.equal(readRoot(shared.fd), null)
  t.same(readJournal(shared.fd), [])
})

t.test('a root that was half written does not count: the one before holds', async (t) => {
  const { fd } = share(t)
  const root = { number: 8, at: 4096, octets: 100 }
  writeRoot(fd, 0, root)
  writeRoot(fd, 1, { ...root, number: 9 })
  t.equal(readRoot(fd)!.number, 9)
  writeSync(fd, Buffer.from([1]), 0, 1, rootsAt[1] + 20)
  t.equal(readRoot(fd)!.number, 8)
  writeRoot(fd, 1, { ...root, number: 7 })
  t.equal(readRoot(fd)!.number, 8)
})

t.test('a journal of another version is none', async (t) => {
  const { fd } = share(t)
  for (const at of rootsAt) {
    const root = formatRoot({ number: 9, at: 4096, octets: 100 })
    root.writeUInt32LE(root.readUInt32LE(0) + 1, 0)
    writeSync(fd, root, 0, 32, at)
  }
  t.same(readJournal(fd), [])
})

t.test('what is not what was written is refused', async (t) => {
  const shared = share(t)
  const { fd } = shared
  writeJournal(shared, generation(1))
  const root = readRoot(fd)!
  const index = (root.number % 2) as 0 | 1
  const damaged = (message: RegExp) => t.throws(() => readJournal(fd), { name: 'JournalError', message })
  for (const octets of [root.octets - 1, 7, root.octets + 9]) {
    writeRoot(fd, index, { ...root, octets })
    damaged(/cut short|checksum/)
  }
  for (const at of [0, Number.NaN, memoryLayout.octets]) {
    writeRoot(fd, index, { ...root, at })
    damaged(/octets at/)
  }
  writeRoot(fd, index, { ...root, octets: -1 })
  damaged(/octets at/)
  writeRoot(fd, index, root)
  t.equal(readJournal(fd).length, 1)
  writeSync(fd, Buffer.from([255]), 0, 1, root.at + 200)
  damaged(/^the checksum of an entry is wrong$/)
  t.ok(new JournalError('it') instanceof Error)
})

t.test('a change that is not what was written is left out, and told', async (t) => {
  const shared = share(t)
  const ends: number[] = []
  for (const number of [1, 2, 3]) {
    await publish(shared, generation(number))
    ends.push(readRoot(shared.fd)!.octets)
  }
  const { at } = readRoot(shared.fd)!
  const damaged = (place: number) => {
    writeSync(shared.fd, Buffer.from([255, 255]), 0, 2, at + place)
    const errors: string[] = []
    const left = readJournal(shared.fd, ({ message }) => errors.push(message))
    return { left: left.map((update) => update.generation), errors }
  }
  const checksum = 'the checksum of an entry is wrong'
  t.same(damaged(ends[1]! - 2), { left: [0, 1, 3], errors: [checksum] })
  const cut = 'an entry is cut short'
  t.same(damaged(ends[1]! + 2), { left: [0, 1], errors: [checksum, cut] }, 'its length')
})

t.test('an entry is as long as its pieces', async (t) => {
  const pieces = entryOf({ kind: 'publish', update: generation(3) })
  t.equal(Buffer.concat(pieces).length, lengthOf(pieces))
})
