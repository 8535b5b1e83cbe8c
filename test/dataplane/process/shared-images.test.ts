/** A process that answers and shares memory with whoever decides: it begins with what is written there, wherever that one is. */
import { closeSync, writeSync } from 'node:fs'
import t from 'tap'
import { isPlaced } from '../../../src/dataplane/image/image-memory.ts'
import { ServingSet, type ServingUpdate } from '../../../src/dataplane/image/serving-set.ts'
import { createMemory } from '../../../src/dataplane/listener/shared-memory.ts'
import { SyscallError } from '../../../src/dataplane/listener/syscalls.ts'
import { readRoot } from '../../../src/dataplane/process/journal.ts'
import { SharedImages } from '../../../src/dataplane/process/shared-images.ts'
import { query, readResponse, UdpClient } from '../../support/dns-client.ts'
import { largeZone, publish, type Shared, share, syscalls, writeJournal } from '../shared.ts'
import { servingUpdate } from '../zone-text.ts'
import { startAnswering } from './conversing.ts'

const refused = () => {
  throw new SyscallError('mmap', 12)
}
const sharing: Readonly<Record<string, (shared: Shared) => SharedImages>> = {
  mapped: ({ fd }) => new SharedImages(fd),
  copied: ({ fd }) => new SharedImages(fd, refused),
}
const update = (address: string, generation: number) => servingUpdate([largeZone(address)], [], generation)

async function ask(endpoint: { host: string; port: number }, name = 'host-7.large.test') {
  await using client = await UdpClient.open(endpoint)
  return readResponse(await client.insist(query(name, 'A'))).answer
}

for (const [how, open] of Object.entries(sharing)) {
  t.test(`it begins with what was published last, and goes on with what it is told: ${how}`, async (t) => {
    const shared = share(t)
    await publish(shared, update('192.0.2.1', 1))
    await publish(shared, update('192.0.2.2', 2))
    const { endpoint, decide } = startAnswering(t, { images: open(shared) })
    t.same(await ask(endpoint), ['host-7.large.test 60 A 192.0.2.2'])
    const decider = decide()
    decider.say({ kind: 'publish', update: await publish(shared, update('192.0.2.3', 3)) })
    await decider.next('serving')
    t.same(await ask(endpoint), ['host-7.large.test 60 A 192.0.2.3'])
    decider.say({
      kind: 'replace',
      update: servingUpdate([{ apex: 'two.test', lines: ['x 9 A 192.0.2.4'] }], [], 1),
    })
    t.match(await decider.next('serving'), { generation: 1 })
    t.same(await ask(endpoint), [])
    t.same(await ask(endpoint, 'x.two.test'), ['x.two.test 9 A 192.0.2.4'])
  })

  t.test(`a damaged image costs its slot, and that is told: ${how}`, async (t) => {
    const shared = share(t)
    const zones = [largeZone('192.0.2.1'), largeZone('192.0.2.2', 'other.test')]
    damage(shared, await publish(shared, servingUpdate(zones, [], 1)))
    const { endpoint, decide } = startAnswering(t, { images: open(shared) })
    const decider = decide()
    t.match(await decider.next('event'), {
      event: { what: 'unreadable', kind: 'zones', slot: 0, error: { message: /^the checksum of / } },
    })
    t.same(await ask(endpoint, 'host-7.other.test'), ['host-7.other.test 60 A 192.0.2.2'])
    t.same(await ask(endpoint), [])
    decider.say({ kind: 'replace', update: await publish(shared, update('192.0.2.9', 9)) })
    await decider.next('serving')
    t.same(await ask(endpoint), ['host-7.large.test 60 A 192.0.2.9'])
  })

  t.test(`with a damaged change it begins with what was before, and that is told: ${how}`, async (t) => {
    const shared = share(t)
    await publish(shared, update('192.0.2.1', 1))
    await publish(shared, update('192.0.2.2', 2))
    const { at, octets } = readRoot(shared.fd)!
    writeSync(shared.fd, Buffer.from([255]), 0, 1, at + octets - 1)
    const { endpoint, decide } = startAnswering(t, { images: open(shared) })
    t.match(await decide().next('event'), {
      event: { what: 'error', error: { message: 'the checksum of an entry is wrong' } },
    })
    t.same(await ask(endpoint), ['host-7.large.test 60 A 192.0.2.1'])
  })

  t.test(`without a beginning it waits for who decides: ${how}`, async (t) => {
    const shared = share(t)
    writeJournal(shared, update('192.0.2.1', 1))
    writeSync(shared.fd, Buffer.from([255]), 0, 1, readRoot(shared.fd)!.at + 100)
    const { endpoint, decide } = startAnswering(t, { images: open(shared) })
    const decider = decide()
    t.match(await decider.next('event'), {
      event: { what: 'error', error: { message: 'the checksum of an entry is wrong' } },
    })
    decider.say({ kind: 'replace', update: await publish(shared, update('192.0.2.9', 9)) })
    await decider.next('serving')
    t.same(await ask(endpoint), ['host-7.large.test 60 A 192.0.2.9'])
  })

  t.test(`an image that lies nowhere costs its slot: ${how}`, async (t) => {
    const shared = share(t)
    const { endpoint, decide } = startAnswering(t, { images: open(shared) })
    const decider = decide()
    decider.say({ kind: 'replace', update: await publish(shared, update('192.0.2.1', 1)) })
    await decider.next('serving')
    const nowhere = { at: 4096, octets: 2 ** 53, checksum: 0 }
    decider.say({ kind: 'publish', update: { generation: 2, zones: [[0, nowhere]] } })
    t.match(await decider.next('event'), { event: { what: 'unreadable', kind: 'zones', slot: 0 } })
    t.match(await decider.next('serving'), { generation: 2 })
    t.same(await ask(endpoint), ['host-7.large.test 60 A 192.0.2.1'])
  })
}

function damage({ fd }: Shared, { zones }: ServingUpdate): void {
  const image = zones![0]![1]
  if (!isPlaced(image)) throw new Error('it was not placed')
  writeSync(fd, Buffer.from([1]), 0, 1, image.at + image.octets - 1)
}

t.test('what is damaged is thrown where nobody asks to be told', async (t) => {
  const shared = share(t)
  damage(shared, await publish(shared, update('192.0.2.1', 1)))
  t.throws(() => new SharedImages(shared.fd).last(), { name: 'JournalError', message: /^the checksum of / })
})

t.test('with sockets that it can not answer by it ends', async (t) => {
  const shared = share(t)
  await publish(shared, update('192.0.2.1', 1))
  const { ended } = startAnswering(t, {
    images: new SharedImages(shared.fd),
    sockets: { tcp: [{ host: '127.0.0.1', port: 53, fd: 1_000_000, dual: false }], udp: [] },
  })
  t.equal(await ended, true)
})

t.test('nothing is written, or nothing is shared: it waits', async (t) => {
  t.equal(new SharedImages(null).last(), null)
  const fd = createMemory(syscalls)
  t.teardown(() => closeSync(fd))
  t.equal(new SharedImages(fd).last(), null)
  const { endpoint, decide } = startAnswering(t, { images: new SharedImages(null) })
  const decider = decide()
  decider.say({ kind: 'replace', update: update('192.0.2.1', 1) })
  await decider.next('serving')
  t.same(await ask(endpoint), ['host-7.large.test 60 A 192.0.2.1'])
  const unreadable: unknown[] = []
  const placed = { at: 4096, octets: 4096, checksum: 0 }
  const nothing = new SharedImages(null).servable(
    { generation: 1, zones: [[0, placed]] },
    new ServingSet(),
    (what) => unreadable.push(what.error),
  )
  t.same(nothing.zones, undefined)
  t.match(unreadable, [{ message: /does not share$/ }])
})

t.test('a slot whose next image can not be read keeps a copy of the one that it has', async (t) => {
  const shared = share(t)
  const images = new SharedImages(shared.fd)
  const first = await publish(shared, update('192.0.2.1', 1))
  const served = new ServingSet()
  served.add(first)
  const unreadable: unknown[] = []
  const broken = new SharedArrayBuffer(8192)
  const next = images.servable(
    { generation: 2, zones: [[0, broken]], plans: [[5, broken]] },
    served,
    ({ kind, slot }) => unreadable.push([kind, slot]),
  )
  t.same(unreadable, [
    ['zones', 0],
    ['plans', 5],
  ])
  t.same(next.plans, undefined)
  const [slot, kept] = next.zones![0]!
  t.equal(slot, 0)
  t.ok(kept instanceof SharedArrayBuffer)
  const image = first.zones![0]![1]
  t.same(new Uint8Array(kept as SharedArrayBuffer), isPlaced(image) && shared.memory.bytes(image))
})
