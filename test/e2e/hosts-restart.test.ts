import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startPostgres } from '../support/postgres.ts'
import { startUpstream } from '../support/upstream.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put } from './fixture.ts'
import { lb, memberStatus, startResolving, zone } from './host-fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('a start while resolving fails answers with what was good before', async (t) => {
  await using upstream = await startUpstream()
  upstream.says.set(`${lb} A`, { ttl: 60, data: ['192.0.2.1'] })
  const databaseUrl = await postgres.createDatabase()
  await using first = await startResolving(upstream, databaseUrl)
  await put(first, '/v1/zones/example.test', zone)
  await put(first, '/v1/pools/web', { members: { lb: { host: lb } } })
  await put(first, '/v1/services/example.test', { pools: ['web'], ttl: 5 })
  await askUntil(first.dns, 'example.test', ['192.0.2.1'])
  await eventually(async () => {
    const base = await readFile(join(first.dataDir, 'snapshot/base.json'), 'utf8').catch(() => '')
    return base.includes('"resolutions":[{"host":"lb.provider.example."') ? true : undefined
  })
  first.signal('SIGKILL')
  await first.exited
  for (const type of ['A', 'AAAA']) upstream.says.set(`${lb} ${type}`, 'silence')
  await using again = await startResolving(upstream, databaseUrl, { dataDir: first.dataDir })
  t.match(await ask(again.dns, 'example.test'), { rcode: 'NOERROR', answers: ['192.0.2.1'] })
  t.match((await memberStatus(again)).resolution, { state: 'stale', addresses: ['192.0.2.1'] })
  upstream.says.set(`${lb} A`, { ttl: 60, data: ['192.0.2.2'] })
  await askUntil(again.dns, 'example.test', ['192.0.2.2'])
})
