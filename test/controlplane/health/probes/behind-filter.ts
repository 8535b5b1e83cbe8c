/** Probes an IPv6 address in every way from where a filter says no; writes what came of each as JSON. */
import { writeSync } from 'node:fs'
import { anywhere } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { createProber } from '../../../../src/controlplane/health/probes/probe.ts'
import type { ProbeMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { anyText, tlsDefaults } from '../../model/defaults.ts'
import { httpMonitorWith, targetOf, timing } from '../fixture.ts'

const port = 9
const never = new AbortController().signal
const tcp = { ...timing, name: 'tcp', type: 'tcp', port, send: null, expect: anyText, tls: null } as const
const question = { qname: 'a.test.', qtype: 'A', expectRcodes: ['NOERROR'], expectData: [] }
const dns = { ...timing, name: 'dns', type: 'dns', port, ...question } as const
const monitors: ProbeMonitor[] = [
  httpMonitorWith(),
  tcp,
  { ...tcp, tls: tlsDefaults },
  { ...dns, transport: 'udp' },
  { ...dns, transport: 'tcp' },
  { ...timing, name: 'grpc', type: 'grpc', port, service: '', tls: null },
]
const probe = createProber({ policy: anywhere, certificates: null, lacks: () => false })
const said: string[] = []
for (const monitor of monitors) {
  const verdict = await probe({ ...targetOf(port, monitor), address: process.argv[2]! }, never)
  said.push(verdict.ok ? 'ok' : `${verdict.failure}: ${verdict.reason}`)
}
writeSync(1, JSON.stringify(said))
