/** The servers of a parent, as resolvers tell of them, and what each says of a DS: of servers that lag, are gone, or have two addresses. */
import type { Answer } from 'dns-packet'
import t, { type Test } from 'tap'
import {
  askParentServers,
  findParentServers,
  judgeParent,
} from '../../../src/controlplane/dnssec/parent-servers.ts'
import { dnskeyOf, dsOf, keyTag, makeKeyParts } from '../../../src/controlplane/dnssec/zone-key.ts'
import { freePort } from '../../support/free-port.ts'
import { patience } from '../../support/patience.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'

const apex = 'example.test'

function makeKey() {
  const parts = makeKeyParts(13)
  const dnskey = dnskeyOf({
    algorithm: 13,
    flags: 257,
    publicKey: Buffer.from(parts.publicKey).toString('base64'),
  })
  return { dnskey, tag: keyTag(dnskey), ds: dsOf(apex, dnskey) }
}

const [old, new_] = [makeKey(), makeKey()]
const wanted = { wanted: [new_.dnskey], unwanted: [old.dnskey], none: false }

function ds(keys: readonly { readonly ds: Uint8Array }[], ttl = 300): { rrs: Answer[] } {
  const rrs = keys.map(({ ds }) => ({
    type: 'DS' as const,
    name: apex,
    ttl,
    data: {
      keyTag: (ds[0]! << 8) | ds[1]!,
      algorithm: ds[2]!,
      digestType: ds[3]!,
      digest: Buffer.from(ds.subarray(4)),
    },
  }))
  return { rrs: rrs as unknown as Answer[] }
}

/** Two servers of the parent at one port, and a resolver that knows them by these addresses. */
async function parent(t: Test, first: readonly string[], second: readonly string[]) {
  const resolver = await startUpstream()
  // Free for both: what the system gives for one family, somebody may have for the other.
  const port = await freePort()
  const one = await startUpstream({ host: '127.0.0.1', port })
  const two = await startUpstream({ host: '::1', port })
  t.teardown(() => Promise.all([resolver, one, two].map((each) => each.stop())))
  resolver.says.set('test NS', { ttl: 60, data: ['ns1.test', 'ns2.test'] })
  for (const [name, addresses] of [
    ['ns1.test', first],
    ['ns2.test', second],
  ] as const) {
    for (const type of ['A', 'AAAA'] as const) {
      const data = addresses.filter((address) => address.includes(':') === (type === 'AAAA'))
      resolver.says.set(`${name} ${type}`, { ttl: 60, data })
    }
  }
  const look = async () => {
    const servers = await findParentServers(apex, [resolver.address], patience(), port)
    if (typeof servers === 'string') throw new Error(servers)
    return judgeParent(apex, await askParentServers(apex, servers, patience()), wanted)
  }
  return { resolver, one, two, port, look }
}

t.test('all servers, over both families, have to say it', async (t) => {
  const { one, two, port, look } = await parent(t, ['127.0.0.1'], ['::1'])
  const says = (server: Upstream, said: ReturnType<typeof ds>) => server.says.set(`${apex} DS`, said)
  says(one, ds([old]))
  says(two, ds([old], 7200))
  const at = [`ns1.test. at 127.0.0.1:${port}`, `ns2.test. at [0:0:0:0:0:0:0:1]:${port}`]
  t.match(await look(), {
    isDone: false,
    isSilent: false,
    ttlSeconds: 7200,
    says: at
      .flatMap((each) => [
        `${each} lacks the DS of key ${new_.tag}`,
        `${each} still has the DS of key ${old.tag}`,
      ])
      .join('; '),
  })
  says(one, ds([new_]))
  t.match(
    await look(),
    { isDone: false, isSilent: false, says: new RegExp(`^${at[1]!.replace(/[[\].]/g, '\\$&')} lacks`) },
    'one that lags',
  )
  says(two, ds([old, new_]))
  t.match(await look(), { isDone: false, says: `${at[1]} still has the DS of key ${old.tag}` })
  says(two, ds([new_]))
  t.match(await look(), { isDone: true, isSilent: false, ttlSeconds: 300 })
})

t.test('a server that is gone is named, and nothing is done meanwhile', async (t) => {
  const { one, two, look } = await parent(t, ['127.0.0.1'], ['::1'])
  for (const each of [one, two]) each.says.set(`${apex} DS`, ds([new_]))
  t.match(await look(), { isDone: true })
  two.says.set(`${apex} DS`, 'servfail')
  t.match(await look(), { isDone: false, isSilent: true, says: 'ns2.test.: SERVFAIL' })
  await two.stop()
  t.match(await look(), { isDone: false, isSilent: true, says: /^ns2\.test\.: .*ECONNREFUSED/ })
})

t.test('each address of a server counts that answers', async (t) => {
  const { one, two, look } = await parent(t, ['127.0.0.1', '::1'], ['127.0.0.1', '127.0.0.2'])
  one.says.set(`${apex} DS`, ds([new_]))
  two.says.set(`${apex} DS`, ds([old]))
  t.match(await look(), { isDone: false, says: /^ns1\.test\. at \[.*\]:\d+ lacks the DS/ })
  two.says.set(`${apex} DS`, ds([new_]))
  t.match(await look(), { isDone: true, isSilent: false }, 'one that this host has no way to is passed over')
  two.says.set(`${apex} DS`, { rrs: [] })
  t.match(await look(), { isDone: false, says: /^ns1\.test\. at \[.*\]:\d+ lacks the DS of key \d+$/ })
})

t.test('servers of the zone above are looked for upwards', async (t) => {
  const { resolver, port } = await parent(t, ['127.0.0.1'], ['::1'])
  const find = (apex: string, resolvers = [resolver.address]) =>
    findParentServers(apex, resolvers, patience(), port)
  const both = [
    { name: 'ns1.test.', addresses: [`127.0.0.1:${port}`] },
    { name: 'ns2.test.', addresses: [`[0:0:0:0:0:0:0:1]:${port}`] },
  ]
  t.same(await find('example.test'), both)
  t.same(await find('a.b.example.test'), both, 'past names that are no zone')
  t.match(await find('example.other'), /no resolver knows the servers of the zone above example\.other/)
  resolver.says.set('test NS', 'servfail')
  t.match(await find('example.test'), /: SERVFAIL$/)
  resolver.says.set('test NS', { ttl: 60, data: ['ns1.test', 'ns3.test'] })
  const [, gone] = (await find('example.test')) as { name: string; addresses: string[] }[]
  t.same(gone, { name: 'ns3.test.', addresses: [] })
  const said = await askParentServers(apex, [gone!], patience())
  t.match(judgeParent(apex, said, wanted), {
    isDone: false,
    isSilent: true,
    says: 'ns3.test.: it has no address',
  })
  t.match(judgeParent(apex, [], wanted), { isDone: false, isSilent: true })
  const second = await find('example.test', ['127.0.0.1:9', resolver.address])
  t.equal((second as unknown[]).length, 2, 'a resolver that is gone is passed over')
})

t.test('no DS is to be there at all', async (t) => {
  const none = { wanted: [], unwanted: [old.dnskey], none: true }
  const judge = (records: Uint8Array[]) =>
    judgeParent(apex, [{ name: 'a', records, ttlSeconds: records.length > 0 ? 5 : null }], none)
  t.match(judge([old.ds]), { isDone: false, says: 'a still has a DS' })
  t.match(judge([]), { isDone: true, ttlSeconds: null })
})
