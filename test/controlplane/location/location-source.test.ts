import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  LocationSource,
  type LocationSourceOptions,
} from '../../../src/controlplane/location/location-source.ts'
import { mmdbFile } from '../../support/mmdb-writer.ts'

const countryAt = (prefix: string, code: string) => mmdbFile([[prefix, { country_code: code }]])

async function sourceIn(t: Test, files: readonly string[], options: Partial<LocationSourceOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'pooldns-location-'))
  const problems: string[] = []
  const events = new EventTarget()
  const source = new LocationSource({
    paths: files.map((name) => join(directory, name)),
    onChange: () => events.dispatchEvent(new Event('change')),
    onProblem: (problem) => {
      problems.push(problem)
      events.dispatchEvent(new Event('problem'))
    },
    settleMs: 20,
    ...options,
  })
  t.teardown(async () => {
    await source.stop()
    await rm(directory, { recursive: true, force: true })
  })
  const write = (name: string, bytes: Buffer) => writeFile(join(directory, name), bytes)
  /** The next event, once it comes. */
  const next = (event: 'change' | 'problem') => once(events, event)
  const countryOf = async (address: string) => (await source.placeOf(address)).country
  return { directory, source, problems, write, next, countryOf }
}

t.test('none given: the country table that is installed', async (t) => {
  const { source, countryOf } = await sourceIn(t, [])
  t.same(source.databases, [], 'nothing is read before it is needed')
  t.equal(await countryOf('130.59.31.80'), 'CH')
  t.match(source.databases, [{ databaseType: 'country ipvAll' }])
  t.ok(source.databases[0]!.ranges > 100_000)
  const { areas, image } = await source.areas({
    steer: 'geo',
    rules: {
      cidr: [],
      asn: [],
      subdivision: [],
      country: [],
      continent: [['EU', [1]]],
      default: [0],
    },
  })
  t.same(areas, [[0], [1]])
  t.ok(image.byteLength > 100_000, 'Europe is in many places')
})

t.test('who does not wait any longer is let go while files are read', async (t) => {
  let isLoaded = false
  const onLoaded = () => {
    isLoaded = true
  }
  const { source } = await sourceIn(t, [], { onLoaded })
  const over = AbortSignal.abort(new Error('enough'))
  await t.rejects(source.placeOf('130.59.31.80', over), { message: 'enough' })
  t.notOk(isLoaded)
})

t.test('a file that is replaced is read again', async (t) => {
  const { directory, source, problems, write, next, countryOf } = await sourceIn(t, ['a.mmdb'])
  await write('a.mmdb', countryAt('192.0.2.0/24', 'CH'))
  t.equal(await countryOf('192.0.2.1'), 'CH')

  const replace = async (bytes: Buffer) => {
    await write('a.mmdb.new', bytes)
    await rename(join(directory, 'a.mmdb.new'), join(directory, 'a.mmdb'))
  }
  t.test('when it is replaced by renaming', async (t) => {
    const change = next('change')
    await replace(countryAt('192.0.2.0/24', 'DE'))
    await change
    t.equal(await countryOf('192.0.2.1'), 'DE')
    t.same(problems, [])
  })
  t.test('when it is written in place', async (t) => {
    const change = next('change')
    await write('a.mmdb', countryAt('192.0.2.0/24', 'FR'))
    await change
    t.equal(await countryOf('192.0.2.1'), 'FR')
    t.match(source.databases, [{ path: join(directory, 'a.mmdb') }])
  })
  t.test('one that is damaged, or gone, leaves the table', async (t) => {
    // It may have been seen while it was written in place.
    problems.length = 0
    const damage = next('problem')
    await replace(countryAt('192.0.2.0/24', 'IT').subarray(0, 100))
    await damage
    t.match(problems, [/^.*a\.mmdb: it has no metadata/])
    t.equal(await countryOf('192.0.2.1'), 'FR')
    const loss = next('problem')
    await rm(join(directory, 'a.mmdb'))
    await loss
    t.match(problems[1], /a\.mmdb: ENOENT/)
    t.equal(await countryOf('192.0.2.1'), 'FR')
    t.equal(problems.length, 2, 'each said once')
  })
  t.test('and its return is seen', async (t) => {
    const change = next('change')
    await replace(countryAt('192.0.2.0/24', 'IT'))
    await change
    t.equal(await countryOf('192.0.2.1'), 'IT')
  })
})

t.test('a directory that nothing tells about is looked at', async (t) => {
  const { directory, problems, write, next, countryOf } = await sourceIn(t, ['later/a.mmdb'], {
    lookEveryMs: 20,
  })
  t.equal(await countryOf('192.0.2.1'), null, 'without a table')
  t.match(problems, [/later\/a\.mmdb: ENOENT/])
  const change = next('change')
  await mkdir(join(directory, 'later.new'))
  await write('later.new/a.mmdb', countryAt('192.0.2.0/24', 'CH'))
  await rename(join(directory, 'later.new'), join(directory, 'later'))
  await change
  t.equal(await countryOf('192.0.2.1'), 'CH')
  t.equal(problems.length, 1, 'said once')
})

t.test('a stop before the first use, during it, and after it', async (t) => {
  for (const use of ['none', 'under way', 'done']) {
    const { source, write } = await sourceIn(t, ['a.mmdb'])
    await write('a.mmdb', countryAt('192.0.2.0/24', 'CH'))
    const place = use === 'none' ? undefined : source.placeOf('192.0.2.1')
    place?.catch(() => undefined)
    if (use === 'done') await place
    await source.stop()
    await source.stop()
    await t.rejects(source.placeOf('192.0.2.1'), { message: /stopped/ }, use)
  }
})

t.test('countries of many, of a database that was given or is in use', async (t) => {
  const given = await sourceIn(t, ['a.mmdb'])
  await given.write('a.mmdb', countryAt('192.0.2.0/24', 'DE'))
  t.same(await given.source.countriesOf(['192.0.2.0', '198.51.100.0', '2001:db8::']), ['DE', null, null])
  const broken = await sourceIn(t, ['none.mmdb'])
  t.equal(await broken.source.countriesOf(['192.0.2.0']), null)
  const installed = await sourceIn(t, [])
  t.equal(
    await installed.source.countriesOf(['130.59.31.80']),
    null,
    'that which is installed is not read for this',
  )
  await installed.countryOf('130.59.31.80')
  t.same(await installed.source.countriesOf(['130.59.31.80']), ['CH'])
})
