import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Rrset } from '../../../src/controlplane/model.ts'
import type { CatalogZone } from '../../../src/controlplane/publish/catalog.ts'
import { type SnapshotBase, SnapshotFiles } from '../../../src/controlplane/publish/snapshot.ts'

const zone = (apex: string): CatalogZone => ({
  apex,
  serial: 4_000_000_001,
  ttlSeconds: 300,
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

const rrsets: Rrset[] = [
  { owner: '@', type: 'NS', ttlSeconds: null, data: ['ns1.example.test.'] },
  { owner: 'txt', type: 'TXT', ttlSeconds: 60, data: ['"a \\"quoted\\" one"'] },
]

const base: SnapshotBase = {
  revision: 42,
  monitors: [
    {
      name: 'web',
      type: 'http',
      method: 'GET',
      port: 80,
      path: '/',
      host: null,
      expectCodes: [{ from: 200, to: 299 }],
      expectBody: null,
      followRedirects: 0,
      intervalMs: 10_000,
      timeoutMs: 3000,
      rise: 2,
      fall: 3,
    },
  ],
  pools: [
    {
      name: 'web',
      monitor: 'web',
      select: 'all',
      answers: null,
      minUp: 0,
      hosts: 'resolve',
      members: [
        { name: 'a', address: '192.0.2.1', host: null, weight: 100, probeAddress: null, probePort: null },
        { name: 'b', address: null, host: 'lb.example.', weight: 1, probeAddress: null, probePort: null },
      ],
    },
  ],
  services: [
    {
      name: 'www.example.test',
      ttlSeconds: 30,
      steer: 'failover',
      pools: ['web'],
      whenAllDown: 'last-known',
      fallback: null,
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
  ],
  health: [{ pool: 'web', member: 'a', state: 'down', since: new Date(5), reason: 'status 503' }],
  lastKnown: [['www.example.test', { pool: 'web', members: ['a'] }]],
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
}

async function* batches() {
  for (const rrset of rrsets) yield [rrset]
}

t.test('what was written is read', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  t.equal(await files.read(), null, 'none yet')
  for (const apex of ['example.test', 'other.test']) await files.writeZone(zone(apex), batches())
  const now = new Date('2026-01-02T03:04:05Z')
  await files.writeBase(base, ['example.test', 'other.test'], now)
  const zones = ['example.test', 'other.test'].map((apex) => ({ ...zone(apex), rrsets }))
  t.same(await files.read(), { ...base, zones, writtenAt: now })

  t.same(await files.readResolutions(), base.resolutions)

  await files.writeBase(base, ['example.test'], now)
  t.equal(
    (await readdir(join(folder, 'snapshot/zones'))).length,
    1,
    'the file of a zone that went is deleted',
  )
  t.equal((await files.read())?.zones.length, 1)
})

t.test('a damaged snapshot is refused by file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-snapshot-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = new SnapshotFiles(folder)
  await files.writeZone(zone('example.test'), batches())
  await files.writeBase(base, ['example.test'], new Date())
  const basePath = join(folder, 'snapshot/base.json')
  const good = await readFile(basePath, 'utf8')
  const [zoneFile] = await readdir(join(folder, 'snapshot/zones'))
  const zonePath = join(folder, 'snapshot/zones', zoneFile!)

  const damages: [string, string, RegExp][] = [
    [basePath, good.slice(0, 100), /base\.json can't be used/],
    [basePath, good.replace('"format":1', '"format":2'), /base\.json.*format is not 1/],
    [basePath, good.replace('192.0.2.1', '192.0.2.256'), /base\.json.*address/],
    [zonePath, '{"zones":{}}', /zone example\.test is not in it/],
    [zonePath, '{', /zones.*json can't be used/],
  ]
  for (const [path, text, message] of damages) {
    const before = await readFile(path, 'utf8')
    await writeFile(path, text)
    await t.rejects(files.read(), { code: 'invalid', message }, String(message))
    await writeFile(path, before)
  }
  t.ok(await files.read())
  await writeFile(basePath, good.replace(/,"resolutions":\[.*\]\}\}/, '}}'))
  t.same((await files.read())?.resolutions, [], 'a file of a version that knew no hosts')
})
