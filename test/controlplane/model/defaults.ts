/** What the model's values are when the document says nothing of them, for tests that only care for a field or two. */

import type {
  HttpMonitor,
  ProbeTiming,
  TextExpectation,
  TlsSettings,
} from '../../../src/controlplane/model/monitor.ts'
import type { AddressMember, Pool } from '../../../src/controlplane/model/pool.ts'
import type { Choice, Service } from '../../../src/controlplane/model/service.ts'

export const anyText: TextExpectation = { contains: null, matches: null, lacks: null, mismatches: null }

export const tlsDefaults: TlsSettings = {
  serverName: null,
  ca: null,
  clientCertificate: null,
  minDaysLeft: 0,
  endingFails: 'minority' as const,
  warnDaysLeft: 0,
}

export const timingDefaults: ProbeTiming = {
  intervalMs: 10_000,
  timeoutMs: 3_000,
  rise: 2,
  fall: 3,
  clear: 1,
  recheckMs: null,
  failBack: 'auto',
  failBackDelayMs: 0,
  flap: null,
}

export const httpDefaults: Omit<HttpMonitor, 'name'> = {
  type: 'http',
  method: 'GET',
  port: 80,
  path: '/',
  host: null,
  headers: [],
  body: null,
  expectCodes: [{ from: 200, to: 299 }],
  expectBody: anyText,
  followRedirects: 0,
  weight: null,
  tls: tlsDefaults,
  ...timingDefaults,
}

export const memberDefaults: Omit<AddressMember, 'name' | 'address' | 'host'> = {
  moreAddresses: [],
  weight: 100,
  weightFeed: null,
  shed: null,
  priority: 1,
  probeAddress: null,
  probePort: null,
}

export const poolDefaults: Omit<Pool, 'name' | 'members'> = {
  monitor: null,
  select: 'all',
  answers: null,
  minUp: 0,
  hosts: 'resolve',
  unknown: 'up',
  whenAllDown: null,
  fallback: null,
  tiers: [],
  hashPrefix: { ipv4: 24, ipv6: 56 },
  slowStartMs: 0,
  location: null,
  quorum: 'own',
  capacity: null,
}

export const serviceDefaults: Omit<Service, 'name' | 'choices'> = {
  ttlSeconds: 30,
  minTtlSeconds: null,
  steer: 'failover',
  geo: null,
  hashPrefix: { ipv4: 24, ipv6: 56 },
  hysteresis: 0.2,
  whenAllDown: 'serve-all',
  fallback: null,
}

export const poolChoice = (name: string, change: Partial<Choice> = {}): Choice => ({
  kind: 'pool',
  name,
  weight: 100,
  bias: 0,
  location: null,
  ...change,
})

export const serviceChoice = (name: string, change: Partial<Choice> = {}): Choice => ({
  ...poolChoice(name, change),
  kind: 'service',
})
