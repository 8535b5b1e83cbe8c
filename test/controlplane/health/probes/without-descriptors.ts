/**
 * Takes all descriptors that its process may have, then probes a port in every way, looks a host up and sends a webhook; writes
 * what came of each as JSON on standard output. Gives the descriptors back, and does it again.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { attempt } from '../../../../src/controlplane/events/webhooks/attempt.ts'
import { anywhere } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { createProber } from '../../../../src/controlplane/health/probes/probe.ts'
import type { ProbeMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { lookupBy } from '../../../../src/controlplane/resolving/lookup.ts'
import { anyText, tlsDefaults } from '../../model/defaults.ts'
import { httpMonitorWith, targetOf, timing } from '../fixture.ts'

const port = Number(process.argv[2])
const certificates = process.argv[3]!
const never = new AbortController().signal
const tcp = { ...timing, name: 'tcp', type: 'tcp', port, send: null, expect: anyText, tls: null } as const
const question = { qname: 'a.test.', qtype: 'A', expectRcodes: ['NOERROR'], expectData: [] }
const dns = { ...timing, name: 'dns', type: 'dns', port, ...question } as const
const withCertificate = { ...tlsDefaults, clientCertificate: 'one' }
const monitors: Record<string, ProbeMonitor> = {
  http: httpMonitorWith(),
  https: httpMonitorWith({ type: 'https', tls: tlsDefaults }),
  tcp,
  tls: { ...tcp, tls: tlsDefaults },
  'tls with a client certificate': { ...tcp, tls: withCertificate },
  'dns over udp': { ...dns, transport: 'udp' },
  'dns over tcp': { ...dns, transport: 'tcp' },
  grpc: { ...timing, name: 'grpc', type: 'grpc', port, service: '', tls: null },
}

const said = async () => {
  // Another one each time, which has read no certificate yet.
  const probe = createProber({ policy: anywhere, certificates })
  const probes = Object.entries(monitors).map(async ([name, monitor]) => {
    const verdict = await probe(targetOf(port, monitor), never)
    return [name, verdict.ok ? 'ok' : `${verdict.failure}: ${verdict.reason}`] as const
  })
  const { a } = await lookupBy([`127.0.0.1:${port}`])('a.test', never)
  const post = (host: string) =>
    attempt({ url: `http://${host}:${port}/`, headers: {}, body: '{}', timeoutMs: 5_000 }, anywhere, never)
  return {
    probes: Object.fromEntries(await Promise.all(probes)),
    lookup: a,
    webhooks: [await post('127.0.0.1'), await post('localhost')],
  }
}

// Once before, so that everything that is loaded when it is first used is there.
await said()
const taken: number[] = []
for (;;) {
  try {
    taken.push(openSync('/dev/null', 'r'))
  } catch {
    break
  }
}
const without = await said()
for (const fd of taken) closeSync(fd)
writeSync(1, JSON.stringify({ without, taken: taken.length, after: await said() }))
process.exit(0)
