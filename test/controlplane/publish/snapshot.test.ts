import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type SnapshotBase, SnapshotFiles } from '../../../src/controlplane/publish/snapshot.ts'

const base: SnapshotBase = {
  revision: 42,
  stamp: 'b5a0',
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
    [good.replace('"format":2', '"format":1'), /base\.json.*format is not 2/],
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
