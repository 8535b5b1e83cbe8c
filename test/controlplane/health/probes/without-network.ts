/** Probes addresses of both families in every way, from a network namespace without any; writes what came of each as JSON. */
import { writeSync } from 'node:fs'
import { anywhere } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { lacksFamily } from '../../../../src/controlplane/health/probes/own-addresses.ts'
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
  httpMonitorWith({ type: 'https', tls: tlsDefaults }),
  tcp,
  { ...tcp, tls: tlsDefaults },
  { ...dns, transport: 'udp' },
  { ...dns, transport: 'tcp' },
  { ...timing, name: 'grpc', type: 'grpc', port, service: '', tls: null },
]
const probers = {
  asked: createProber({ policy: anywhere, certificates: null, lacks: lacksFamily }),
  // As if it had addresses, so that it is the network that has no way.
  notLacking: createProber({ policy: anywhere, certificates: null, lacks: () => false }),
}
const said = Object.entries(probers).map(async ([name, probe]) => {
  const verdicts = ['192.0.2.1', '2001:db8::1'].flatMap((address) =>
    monitors.map(async (monitor) => {
      const verdict = await probe({ ...targetOf(port, monitor), address }, never)
      return verdict.ok ? 'ok' : `${verdict.failure}: ${verdict.reason}; lacks ${verdict.lacks ?? 'nothing'}`
    }),
  )
  return [name, await Promise.all(verdicts)] as const
})
writeSync(1, JSON.stringify(Object.fromEntries(await Promise.all(said))))
