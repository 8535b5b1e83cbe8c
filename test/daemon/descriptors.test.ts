import { join } from 'node:path'
import t from 'tap'
import { descriptorLimit, shareDescriptors } from '../../src/daemon/descriptors.ts'
import { defaultStreamLimits } from '../../src/dataplane/listener/stream-limits.ts'

t.test('what is given away is never more than there is, and everybody has some', (t) => {
  for (const embedded of [true, false]) {
    for (const workers of [1, 2, 8]) {
      for (const limit of [512, 1024, 4096, 65_536, 1_048_576]) {
        const { dnsConnections, httpConnections, probes, lookups } = shareDescriptors(limit, {
          workers,
          embedded,
        })
        const given = dnsConnections + httpConnections + probes + 4 * lookups
        const kept = 100 + 12 * workers + (embedded ? 160 : 16)
        t.ok(given + kept <= limit, `${given} of ${limit}`)
        t.ok(Math.min(dnsConnections, httpConnections, probes, lookups) >= 4)
      }
    }
  }
  const all = { limit: Number.POSITIVE_INFINITY, httpConnections: 2048, probes: 512, lookups: 32 }
  const { connections: dnsConnections } = defaultStreamLimits
  const many = { workers: 2, embedded: true }
  t.same(shareDescriptors(Number.POSITIVE_INFINITY, many), { ...all, dnsConnections })
  t.same(shareDescriptors(64, many), {
    limit: 64,
    dnsConnections: 16,
    httpConnections: 16,
    probes: 8,
    lookups: 4,
  })
  t.end()
})

t.test('the limit is that of the process, by whoever tells it', (t) => {
  const limits = (files: string) =>
    `Limit                     Soft Limit           Hard Limit           Units\n` +
    `Max processes             95                   95                   processes\n` +
    `Max open files            ${files.padEnd(20)} 1048576              files\n`
  const path = t.testdir({ few: limits('1024'), all: limits('unlimited'), odd: 'nothing of the kind' })
  t.equal(descriptorLimit(join(path, 'few')), 1024)
  t.equal(descriptorLimit(join(path, 'all')), Number.POSITIVE_INFINITY)
  const own = descriptorLimit()
  t.ok(own > 64)
  // A shell, which has what we have.
  t.equal(descriptorLimit(join(path, 'odd')), own)
  t.equal(descriptorLimit(join(path, 'missing')), own)
  t.end()
})
