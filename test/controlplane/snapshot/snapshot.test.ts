import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type SnapshotBase, SnapshotFiles } from '../../../src/controlplane/snapshot/snapshot.ts'
import {
  httpDefaults,
  memberDefaults,
  poolChoice,
  poolDefaults,
  serviceChoice,
  serviceDefaults,
} from '../model/defaults.ts'

const base: SnapshotBase = {
  revision: 42,
  stamp: 'b5a0',
  feeds: [
    {
      name: 'air',
      columns: [{ name: 'so2', type: 'double', unit: '', description: '' }],
      retention: { ageMs: null, rows: 10_000_000 },
      cacheMs: 30_000,
      source: null,
    },
  ],
  monitors: [
    {
      ...httpDefaults,
      name: 'web',
      headers: [['authorization', 'Bearer x']],
    },
    { name: 'agent', type: 'push', ttlMs: 45_000 },
    { name: 'both', type: 'composite', monitors: ['web', 'agent'], require: 'any', invert: false },
  ],
  pools: [
    {
      name: 'web',
      ...poolDefaults,
      monitor: 'both',
      tiers: [{ priority: 2, minUp: 0.5 }],
      location: { latitude: 50.1, longitude: 8.7 },
      members: [
        { name: 'a', address: '192.0.2.1', host: null, ...memberDefaults, priority: 2 },
        { name: 'b', address: null, host: 'lb.example.', ...memberDefaults },
      ],
    },
  ],
  services: [
    {
      name: 'www.example.test',
      ...serviceDefaults,
      minTtlSeconds: 5,
      choices: [poolChoice('web')],
      whenAllDown: 'last-known',
    },
    {
      name: 'outer.example.test',
      ...serviceDefaults,
      steer: 'geo',
      choices: [poolChoice('web'), serviceChoice('www.example.test', { weight: 1 })],
      geo: {
        cidr: [['192.0.2.0/24', [1]]],
        asn: [[64_500, [0, 1]]],
        subdivision: [],
        country: [['CH', [1, 0]]],
        continent: [],
        default: [1],
        beyond: 'default',
      },
    },
  ],
  serviceOverrides: [
    {
      service: 'www.example.test',
      state: 'drain',
      until: new Date('2030-01-01T00:00:00Z'),
      reason: 'r',
      actor: 'admin',
      since: new Date(0),
    },
  ],
  overrides: [
    {
      pool: 'web',
      member: 'a',
      state: 'drain',
      until: new Date('2030-01-01T00:00:00Z'),
      reason: 'r',
      actor: 'admin',
      since: new Date(0),
    },
    {
      pool: 'web-*',
      member: 'fra-?',
      state: 'down',
      until: null,
      reason: '',
      actor: 'token:ops',
      since: new Date(1),
    },
  ],
  health: [
    { pool: 'web', member: 'a', state: 'down', since: new Date(5), reason: 'status 503' },
    {
      pool: 'web',
      member: 'b',
      state: 'up',
      since: new Date(6),
      reason: '1 of 2 addresses up',
      addresses: [
        { address: '192.0.2.2', state: 'up', since: new Date(6), reason: 'answered as expected' },
        { address: '2001:db8::2', state: 'down', since: new Date(7), reason: 'status 503' },
      ],
    },
  ],
  lastKnown: {
    ipv4: { pools: [['web', ['a']]], services: [['www.example.test', ['pool web']]] },
    ipv6: { pools: [['web', ['b']]], services: [['www.example.test', ['pool web']]] },
    any: { pools: [], services: [] },
  },
  resolutions: [
    {
      host: 'lb.example.',
      state: 'fresh',
      addresses: ['192.0.2.9', '2001:db8::9'],
      since: new Date(7),
      expiresAt: new Date(60_007),
      error: null,
    },
  ],
  births: new Map([
    ['member web/a', 7],
    ['service www.example.test', 2],
  ]),
  handedOut: [
    { pool: 'web', member: 'a', ttlSeconds: null, safeAt: new Date('2030-01-01T00:00:30Z') },
    { pool: 'web', member: 'b', ttlSeconds: 30, safeAt: null },
  ],
}

/** Where nothing is wrong with any file. */
const failTest = (message: string) => t.fail(message)

t.test('what was written is read', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  t.equal(await files.read(failTest), null, 'none yet')
  t.same(await files.readResolutions(), [])
  const now = new Date('2026-01-02T03:04:05Z')
  await files.writeBase(base, now)
  t.same(await files.read(failTest), { ...base, writtenAt: now })
  t.same(await files.readResolutions(), base.resolutions)
  const empty = { ...base, feeds: [], monitors: [], pools: [], services: [] }
  await files.writeBase(empty, now)
  t.same(await files.read(failTest), { ...empty, writtenAt: now })
})

t.test('a monitor that could not be read when it was written is not missed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  await files.writeBase({ ...base, monitors: [] }, new Date(0))
  t.match(await files.read(failTest), { monitors: [], pools: [{ monitor: 'both' }] })
})

t.test('a base of the version before, which remembered answers by service', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  await files.writeBase(base, new Date(0))
  const path = join(folder, 'snapshot/base.json')
  const { status, ...document } = JSON.parse(await readFile(path, 'utf8'))
  const lastKnown = [['www.example.test', { pool: 'web', members: ['a'] }]]
  await writeFile(
    path,
    JSON.stringify({ ...document, status: { ...status, format: 2, crc32: undefined, lastKnown } }),
  )
  const none = { pools: [], services: [] }
  t.same(await files.read(failTest), {
    ...base,
    lastKnown: { ipv4: none, ipv6: none, any: none },
    writtenAt: new Date(0),
  })
})

t.test('a base of a version that did not know what was handed out', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  await files.writeBase(base, new Date())
  const path = join(folder, 'snapshot/base.json')
  const document = JSON.parse(await readFile(path, 'utf8'))
  delete document.status.handedOut
  delete document.status.crc32
  document.status.format = 3
  await writeFile(path, JSON.stringify(document))
  t.same((await files.read(failTest))?.handedOut, [])
})

t.test('a base that can not be used is told and put aside, and the one before is used', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  const path = join(folder, 'snapshot/base.json')
  await files.writeBase({ ...base, revision: 41 }, new Date(0))
  await files.writeBase(base, new Date(0))
  const good = await readFile(path, 'utf8')
  const before = await readFile(`${path}.before`, 'utf8')
  const old = (text: string) => text.replace(/"format":4,"crc32":"[0-9a-f]{8}"/, '"format":3')
  const damages: [string | null, RegExp][] = [
    ['', /base\.json can't be used: it is empty/],
    [good.slice(0, good.length / 2), /base\.json can't be used/],
    [good.slice(0, -2), /base\.json can't be used/],
    [good.replace('192.0.2.1', '192.0.2.3'), /base\.json.*checksum is wrong/],
    [good.replace(/"crc32":"[0-9a-f]{8}",/, ''), /base\.json.*checksum is wrong/],
    [good.replace('"format":4', '"format":5'), /base\.json.*newer version wrote it \(format 5/],
    [good.replace('"format":4', '"format":1'), /base\.json.*format is none of 2, 3, 4/],
    [old(good).replace('192.0.2.1', '192.0.2.256'), /base\.json.*address/],
    [old(good).replace('"pools":["web"]', '"pools":["api"]'), /base\.json.*no pool api/],
    ['null', /base\.json can't be used/],
    // A folder in its place.
    [null, /base\.json can't be used: EISDIR/],
  ]
  for (const [text, message] of damages) {
    await rm(path, { force: true })
    if (text === null) await mkdir(join(path, 'with something in it'), { recursive: true })
    else await writeFile(path, text)
    const told: string[] = []
    t.match(await files.read((reason) => told.push(reason)), { ...base, revision: 41 }, String(message))
    t.match(told, [message])
    t.equal(told.length, 1)
    t.equal(await readFile(`${path}.before`, 'utf8'), before)
    t.notOk((await readdir(join(folder, 'snapshot'))).includes('base.json'), 'it is put aside')
    t.same(await files.readResolutions(), base.resolutions)
  }
  // The next one does not make it the one before.
  await files.writeBase(base, new Date(0))
  t.equal((await files.read(failTest))?.revision, 42)
  t.equal(await readFile(`${path}.before`, 'utf8'), before)
  // As a process leaves it that ends between the two renames.
  await rename(path, `${path}.before`)
  t.equal((await files.read(failTest))?.revision, 42)
  await writeFile(path, '{')
  await writeFile(`${path}.before`, '')
  const told: string[] = []
  t.equal(await files.read((reason) => told.push(reason)), null)
  t.match(told, [/base\.json can't/, /base\.json\.before can't be used: it is empty/])
})
