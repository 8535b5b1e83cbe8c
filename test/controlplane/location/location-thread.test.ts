import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { GeoLists } from '../../../src/controlplane/location/areas.ts'
import type { ServiceMap } from '../../../src/controlplane/location/location-thread.ts'
import { LocationThread } from '../../../src/controlplane/location/location-thread.ts'
import { LocationMap } from '../../../src/dataplane/image/location-map.ts'
import { mmdbFile } from '../../support/mmdb-writer.ts'

const rules: GeoLists = {
  cidr: [],
  asn: [],
  subdivision: [],
  country: [['CH', [1, 0]]],
  continent: [],
  default: [0],
}
const request = { steer: 'geo', rules } as const
const swiss = (prefix: string) => mmdbFile([[prefix, { country_code: 'CH' }]], { databaseType: 'Country' })

async function threadIn(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'pooldns-location-'))
  const thread = new LocationThread()
  t.teardown(async () => {
    await thread.stop()
    await rm(directory, { recursive: true, force: true })
  })
  const file = async (name: string, bytes: Buffer) => {
    const path = join(directory, name)
    await writeFile(path, bytes)
    return path
  }
  return { directory, thread, file }
}

/** The areas that IPv4 addresses are in. */
function areasAt({ image }: ServiceMap, ...addresses: readonly number[]): number[] {
  const map = new LocationMap(image)
  return addresses.map((address) => {
    map.findIpv4(address)
    return map.area
  })
}

t.test('loads databases and makes areas; the same request is answered by the same map', async (t) => {
  const { thread, file } = await threadIn(t)
  const country = await file('country.mmdb', swiss('192.0.2.0/24'))
  const asn = await file(
    'asn.mmdb',
    mmdbFile([['192.0.2.128/25', { autonomous_system_number: 559 }]], { databaseType: 'ASN' }),
  )
  t.same(await thread.load([country, asn]), {
    databases: [
      { path: country, databaseType: 'Country', builtAt: new Date(1_750_000_000_000), ranges: 4 },
      { path: asn, databaseType: 'ASN', builtAt: new Date(1_750_000_000_000), ranges: 4 },
    ],
    damaged: [],
    taken: true,
  })
  const [map, same] = await Promise.all([thread.areas(request), thread.areas(structuredClone(request))])
  t.equal(same, map, 'while it is made')
  t.equal(await thread.areas(structuredClone(request)), map, 'when it is made')
  t.same(map.areas, [[0], [1, 0]])
  t.same(areasAt(map, 0, 0xc00001ff, 0xc0000200, 0xc00002ff, 0xc0000300), [0, 0, 1, 1, 0])
  t.match(await thread.placeOf('192.0.2.200'), { country: 'CH', asn: 559 })

  const near = { bias: 0, location: { latitude: 47, longitude: 8 }, kind: 'pool', name: 'a', weight: 1 }
  const far = { ...near, location: { latitude: 0, longitude: 100 }, name: 'b' }
  const nearest = await thread.areas({ steer: 'nearest', choices: [far, near] })
  t.same(nearest.areas, [
    [0, 1],
    [1, 0],
  ])
  const renamed = { steer: 'nearest', choices: [{ ...far, name: 'c' }, near] } as const
  t.equal(await thread.areas(renamed), nearest, 'names make no difference')
})

t.test('a load empties the cache; one with a damaged file changes nothing', async (t) => {
  const { thread, file } = await threadIn(t)
  const path = await file('country.mmdb', swiss('192.0.2.0/24'))
  await thread.load([path])
  const map = await thread.areas(request)

  await file('country.mmdb', swiss('192.0.2.0/24').subarray(0, -30))
  const damaged = await thread.load([path])
  t.match(damaged, { taken: false, databases: [] })
  t.match(damaged.damaged, [/country\.mmdb: its data section ends inside a value/])
  t.equal(await thread.areas(request), map)
  t.match(await thread.placeOf('192.0.2.1'), { country: 'CH' })

  await file('country.mmdb', swiss('198.51.100.0/24'))
  t.match(await thread.load([path]), { taken: true })
  const after = await thread.areas(request)
  t.same(areasAt(after, 0xc0000200, 0xc6336400, 0xc6336500), [0, 1, 0])
})

t.test('at first, the files that are good serve', async (t) => {
  const { thread, file, directory } = await threadIn(t)
  const good = await file('good.mmdb', swiss('192.0.2.0/24'))
  const missing = join(directory, 'missing.mmdb')
  const result = await thread.load([missing, good])
  t.match(result, { taken: true, databases: [{ path: good }] })
  t.match(result.damaged, [/missing\.mmdb: ENOENT/])
  t.match(await thread.placeOf('192.0.2.1'), { country: 'CH' })
})

t.test('what can not be made is said, and asked for again next time', async (t) => {
  const { thread } = await threadIn(t)
  const wrong = { steer: 'geo', rules: { ...rules, cidr: [['192.0.2.0', [0]]] } } as const
  await t.rejects(thread.areas(wrong), { message: /192\.0\.2\.0 is not a prefix/ })
  await t.rejects(thread.areas(wrong), { message: /192\.0\.2\.0 is not a prefix/ })
  t.same(areasAt(await thread.areas(request), 0, 0xc0000200), [0, 0], 'without a table')
})

t.test('the thread keeps no more maps than its bound', async (t) => {
  const { thread } = await threadIn(t)
  const numbered = (i: number) => ({ ...request, rules: { ...rules, default: [i] } })
  const [first, second] = await Promise.all([thread.areas(numbered(0)), thread.areas(numbered(1))])
  for (let i = 2; i < 33; i++) {
    await thread.areas(numbered(i))
    await thread.areas(numbered(0))
  }
  t.equal(await thread.areas(numbered(0)), first, 'used again and again')
  t.not(await thread.areas(numbered(1)), second, 'used long ago')
})

t.test('who gives up is let go, and who waits for the same is not', async (t) => {
  const { thread } = await threadIn(t)
  const given = new AbortController()
  const one = thread.areas(request, given.signal)
  const other = thread.areas(request)
  given.abort(new Error('given up'))
  await t.rejects(one, { message: 'given up' })
  t.same((await other).areas, [[0], [1, 0]])
})

t.test('a thread that died reads its databases again', async (t) => {
  const { thread, file } = await threadIn(t)
  const path = await file('country.mmdb', swiss('192.0.2.0/24'))
  const numbered = (i: number) => ({ ...request, rules: { ...rules, default: [i] } })
  const started = once(process, 'worker') as Promise<[Worker]>
  await thread.load([path])
  const [first] = await started
  const map = await thread.areas(numbered(2))

  const restarted = once(process, 'worker') as Promise<[Worker]>
  await first.terminate()
  t.equal(await thread.areas(numbered(2)), map, 'what was made stays')
  const [one, other] = await Promise.all([thread.areas(numbered(3)), thread.areas(numbered(4))])
  t.same(
    [one.areas, other.areas],
    [
      [[3], [1, 0]],
      [[4], [1, 0]],
    ],
  )
  for (const map of [one, other]) t.same(areasAt(map, 0xc00001ff, 0xc0000200, 0xc0000300), [0, 1, 0])

  const [second] = await restarted
  await second.terminate()
  await file('country.mmdb', Buffer.alloc(0))
  await t.rejects(thread.areas(numbered(5)), { message: /country\.mmdb: it has no metadata/ })
  await t.rejects(thread.placeOf('192.0.2.1'), { message: /country\.mmdb: it has no metadata/ })
  await file('country.mmdb', swiss('192.0.2.0/24'))
  t.match(await thread.placeOf('192.0.2.1'), { country: 'CH' })
})

t.test('a stop rejects what is under way and what comes after it', async (t) => {
  const { thread } = await threadIn(t)
  const started = await thread.areas(request)
  t.ok(started)
  const under = thread.areas({ ...request, rules: { ...rules, default: [7] } })
  const stopped = Promise.all([thread.stop(), thread.stop()])
  // It may have been quicker than the stop.
  await under.catch((error: Error) => t.match(error.message, /location thread/))
  await stopped
  await t.rejects(thread.areas({ ...request, rules: { ...rules, default: [8] } }), {
    message: 'the location thread is stopped',
  })
})
