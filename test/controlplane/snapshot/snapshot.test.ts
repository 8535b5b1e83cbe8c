import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
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

t.test('what was written is read', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  t.equal(await files.read(), null, 'none yet')
  t.same(await files.readResolutions(), [])
  const now = new Date('2026-01-02T03:04:05Z')
  await files.writeBase(base, now)
  t.same(await files.read(), { ...base, writtenAt: now })
  t.same(await files.readResolutions(), base.resolutions)
})

t.test('a monitor that could not be read when it was written is not missed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  await files.writeBase({ ...base, monitors: [] }, new Date(0))
  t.match(await files.read(), { monitors: [], pools: [{ monitor: 'both' }] })
})

t.test('a base of the version before, which remembered answers by service', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  await files.writeBase(base, new Date(0))
  const path = join(folder, 'snapshot/base.json')
  const { status, ...document } = JSON.parse(await readFile(path, 'utf8'))
  const lastKnown = [['www.example.test', { pool: 'web', members: ['a'] }]]
  await writeFile(path, JSON.stringify({ ...document, status: { ...status, format: 2, lastKnown } }))
  const none = { pools: [], services: [] }
  t.same(await files.read(), {
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
  await writeFile(path, JSON.stringify(document))
  t.same((await files.read())?.handedOut, [])
})

t.test('a damaged base is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  await files.writeBase(base, new Date())
  const path = join(folder, 'snapshot/base.json')
  const good = await readFile(path, 'utf8')
  const damages: [string, RegExp][] = [
    [good.slice(0, 100), /base\.json can't be used/],
    [good.replace('"format":3', '"format":1'), /base\.json.*format is not 2 or 3/],
    [good.replace('192.0.2.1', '192.0.2.256'), /base\.json.*address/],
    [good.replace('"pools":["web"]', '"pools":["api"]'), /base\.json.*no pool api/],
  ]
  for (const [text, message] of damages) {
    await writeFile(path, text)
    await t.rejects(files.read(), { code: 'invalid', message }, String(message))
  }
  await writeFile(path, good)
  t.ok(await files.read())
})
