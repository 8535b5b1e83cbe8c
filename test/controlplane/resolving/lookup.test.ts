import t from 'tap'
import { lookupBy } from '../../../src/controlplane/resolving/lookup.ts'
import { type Saying, startUpstream } from '../../support/upstream.ts'

const never = new AbortController().signal

t.test('what a resolver says is found, absent or failed', async (t) => {
  await using upstream = await startUpstream()
  const lookup = lookupBy([upstream.address])
  const host = 'lb.provider.example'
  const rows: [a: Saying, aaaa: Saying, expected: object][] = [
    [
      { ttl: 60, data: ['192.0.2.1', '192.0.2.2'] },
      { ttl: 90, data: ['2001:db8:0::1'] },
      {
        a: { kind: 'found', addresses: ['192.0.2.1', '192.0.2.2'], ttlSeconds: 60 },
        aaaa: { kind: 'found', addresses: ['2001:db8::1'], ttlSeconds: 90 },
      },
    ],
    [
      {
        rrs: [
          { type: 'CNAME', name: host, ttl: 7, data: 'node.provider.example' },
          { type: 'A', name: 'node.provider.example', ttl: 300, data: '192.0.2.3' },
        ],
      },
      'noerror',
      {
        a: { kind: 'found', addresses: ['192.0.2.3'], ttlSeconds: 7 },
        aaaa: { kind: 'absent', reason: 'no address' },
      },
    ],
    [
      { ttl: 60, data: ['0.0.0.0'] },
      { ttl: 60, data: ['::ffff:192.0.2.1', '::'] },
      { a: { kind: 'absent', reason: 'no usable address' }, aaaa: { kind: 'absent' } },
    ],
    [
      'nxdomain',
      'servfail',
      { a: { kind: 'absent', reason: 'NXDOMAIN' }, aaaa: { kind: 'failed', reason: 'SERVFAIL' } },
    ],
    ['refused', 'refused', { a: { kind: 'failed', reason: 'REFUSED' }, aaaa: { kind: 'failed' } }],
  ]
  for (const [a, aaaa, expected] of rows) {
    upstream.says.set(`${host} A`, a)
    upstream.says.set(`${host} AAAA`, aaaa)
    t.match(await lookup(`${host}.`, never), expected)
  }
})

t.test('the first resolver that answers counts', async (t) => {
  await using broken = await startUpstream()
  await using working = await startUpstream()
  working.says.set('lb.example A', { ttl: 60, data: ['192.0.2.1'] })
  for (const saying of ['servfail', 'refused', 'silence'] as const) {
    broken.says.set('lb.example A', saying)
    const answer = await lookupBy([broken.address, working.address])('lb.example.', never)
    t.match(answer.a, { kind: 'found', addresses: ['192.0.2.1'] }, saying)
  }
  broken.says.set('lb.example A', 'nxdomain')
  const gone = await lookupBy([broken.address, working.address])('lb.example.', never)
  t.match(gone.a, { kind: 'absent' }, 'which is an answer too')
})

t.test('silence ends as a timeout, and an abort ends it at once', async (t) => {
  await using upstream = await startUpstream()
  upstream.says.set('lb.example A', 'silence')
  upstream.says.set('lb.example AAAA', 'silence')
  const silent = await lookupBy([upstream.address])('lb.example.', never)
  t.same(silent, { a: { kind: 'failed', reason: 'timeout' }, aaaa: { kind: 'failed', reason: 'timeout' } })

  const abort = new AbortController()
  const asked = upstream.asked('lb.example A')
  const aborted = lookupBy([upstream.address])('lb.example.', abort.signal)
  await asked
  abort.abort()
  t.match(await aborted, { a: { kind: 'failed' }, aaaa: { kind: 'failed' } }, 'an abort ends it at once')

  await upstream.stop()
  t.match(await lookupBy([upstream.address])('lb.example.', never), {
    a: { kind: 'failed', reason: 'CONNREFUSED' },
  })
})
