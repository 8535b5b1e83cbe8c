import t from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { checkTargets } from '../../../src/controlplane/health/check-targets.ts'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import type { HttpMonitor, Monitor } from '../../../src/controlplane/model/monitor.ts'
import type { Resolution } from '../../../src/controlplane/model/observation.ts'
import type { Member, Pool } from '../../../src/controlplane/model/pool.ts'
import { httpMonitorWith } from '../health/fixture.ts'
import { anyText, memberDefaults, poolDefaults, timingDefaults, tlsDefaults } from '../model/defaults.ts'

const address: Member = {
  name: 'address',
  address: '192.0.2.1',
  host: null,
  ...memberDefaults,
}
const host: Member = { ...address, name: 'host', address: null, host: 'lb.example.' }

const resolution = (state: Resolution['state'], ...addresses: string[]): Resolution => ({
  host: 'lb.example.',
  state,
  addresses,
  since: new Date(0),
  expiresAt: null,
  error: null,
})

function catalogOf(
  members: readonly Member[],
  changes: Partial<Pool> = {},
  monitor: Partial<HttpMonitor> = {},
) {
  const pool: Pool = {
    name: 'web',
    ...poolDefaults,
    monitor: 'web',
    members,
    ...changes,
  }
  return new Catalog({
    revision: 1,
    monitors: new Map([['web', httpMonitorWith(monitor)]]),
    pools: new Map([['web', pool]]),
    services: new Map(),
    zones: new Map(),
    overrides: new Map(),
  })
}

const resolved = () => resolution('fresh', '192.0.2.8', '2001:db8::8')

t.test('where members are probed', async (t) => {
  const targets = checkTargets(
    catalogOf([
      address,
      { ...address, name: 'elsewhere', address: '192.0.2.2', probeAddress: '192.0.2.3', probePort: 81 },
      host,
      { ...host, name: 'hosted-elsewhere', probeAddress: '192.0.2.4' },
    ]),
    resolved,
  )
  t.match(targets, [
    {
      pool: 'web',
      member: 'address',
      quorum: 'own',
      method: { kind: 'probe', address: '192.0.2.1', port: 80 },
    },
    { member: 'elsewhere', method: { address: '192.0.2.3', port: 81 } },
    { member: 'host', method: { address: '192.0.2.8', endpoint: 'lb.example.', pending: false } },
    { member: 'hosted-elsewhere', method: { address: '192.0.2.4', endpoint: '192.0.2.4' } },
  ])
  t.same(checkTargets(catalogOf([host], { monitor: null }), resolved), [])
})

t.test('a host without addresses is not probed, wherever that would be', async (t) => {
  for (const state of ['pending', 'failed', 'absent'] as const) {
    const targets = checkTargets(catalogOf([host, { ...host, probeAddress: '192.0.2.4' }]), () =>
      resolution(state),
    )
    const pending = state === 'pending'
    t.match(targets, [{ method: { address: null, pending } }, { method: { address: null, pending } }])
  }
  const cname = catalogOf([host, { ...host, probeAddress: '192.0.2.4' }], { hosts: 'cname' })
  t.match(
    checkTargets(cname, () => resolution('failed')),
    [{ method: { address: null } }, { method: { address: '192.0.2.4' } }],
    'unless its answers need none',
  )
})

const monitorOf = ({ method }: CheckTarget) =>
  method.kind === 'probe' && method.monitor.type.startsWith('http')
    ? (method.monitor as HttpMonitor).host
    : undefined

t.test('a host is asked by its name where the monitor has none', async (t) => {
  const hostOf = (member: Member, monitor: Partial<HttpMonitor>) =>
    monitorOf(checkTargets(catalogOf([member], {}, monitor), resolved)[0]!)
  t.equal(hostOf(host, {}), 'lb.example')
  t.equal(hostOf(host, { port: 8080 }), 'lb.example:8080')
  t.equal(hostOf(host, { type: 'https', port: 443 }), 'lb.example')
  t.equal(hostOf({ ...host, probePort: 81 }, {}), 'lb.example:81')
  t.equal(hostOf(host, { host: 'www.example.test' }), 'www.example.test')
  t.equal(hostOf({ ...host, probeAddress: '192.0.2.4' }, {}), null)
  t.equal(hostOf(address, {}), null)
})

t.test('the hosts of a catalog', async (t) => {
  const second = { ...host, name: 'second' }
  t.same(
    catalogOf([address, host, second]).hosts,
    new Map([
      [
        'lb.example.',
        [
          { pool: 'web', member: 'host', host: 'lb.example.' },
          { pool: 'web', member: 'second', host: 'lb.example.' },
        ],
      ],
    ]),
  )
  t.same(catalogOf([host], { hosts: 'cname', monitor: null }).hosts, new Map(), 'nobody needs its addresses')
})

t.test('every type of monitor', async (t) => {
  const tls = { ...tlsDefaults }
  const text = { send: null, expect: anyText }
  const monitors: Monitor[] = [
    { ...timingDefaults, ...text, name: 'plain', type: 'tcp', port: 5432, tls: null },
    { ...timingDefaults, ...text, name: 'safe', type: 'tcp', port: 5433, tls },
    {
      ...timingDefaults,
      ...text,
      name: 'named',
      type: 'tcp',
      port: 5433,
      tls: { ...tls, serverName: 'db.test' },
    },
    { ...timingDefaults, name: 'grpc', type: 'grpc', port: 50_051, service: '', tls },
    {
      ...timingDefaults,
      name: 'dns',
      type: 'dns',
      port: 53,
      transport: 'udp',
      qname: 'example.test.',
      qtype: 'A',
      expectRcodes: ['NOERROR'],
      expectData: [],
    },
    { name: 'push', type: 'push', ttlMs: 30_000 },
    { name: 'static', type: 'static', state: 'down' },
    {
      name: 'both',
      type: 'composite',
      monitors: ['safe', 'push', 'gone', 'dns'],
      require: 'any',
      invert: false,
    },
    { name: 'outer', type: 'composite', monitors: ['both', 'plain'], require: 'all', invert: true },
  ]
  const planOf = (name: string, member: Member) => {
    const catalog = catalogOf([member], { monitor: name, quorum: 'majority' })
    const [target] = checkTargets(
      new Catalog({ ...catalog, monitors: new Map(monitors.map((one) => [one.name, one])) }),
      resolved,
    )
    t.equal(target!.quorum, 'majority')
    return target!.method
  }
  t.match(planOf('plain', address), { kind: 'probe', port: 5432, monitor: { tls: null } })
  t.match(planOf('plain', host), { address: '192.0.2.8', monitor: { tls: null } })
  t.match(planOf('safe', address), { monitor: { tls: { serverName: null } } })
  t.match(planOf('safe', host), { monitor: { tls: { serverName: 'lb.example' } } })
  t.match(planOf('named', host), { monitor: { tls: { serverName: 'db.test' } } })
  t.match(planOf('grpc', { ...host, probePort: 8443 }), {
    port: 8443,
    monitor: { type: 'grpc', tls: { serverName: 'lb.example' } },
  })
  t.match(planOf('dns', { ...host, probePort: 5353 }), { port: 5353, monitor: { qname: 'example.test.' } })
  t.same(planOf('push', host), { kind: 'push', ttlMs: 30_000 })
  t.same(planOf('static', address), { kind: 'static', state: 'down' })
  const outer = planOf('outer', { ...host, probePort: 9999 })
  t.match(outer, {
    kind: 'composite',
    monitor: { require: 'all', invert: true },
    parts: [
      {
        name: 'both',
        method: {
          kind: 'composite',
          parts: [
            { name: 'safe', method: { port: 5433, monitor: { tls: { serverName: 'lb.example' } } } },
            { name: 'push', method: { kind: 'push' } },
            { name: 'dns', method: { port: 53 } },
          ],
        },
      },
      { name: 'plain', method: { port: 5432 } },
    ],
  })
  t.equal(JSON.stringify(outer).includes('9999'), false, 'parts ask at ports of their own')
})
