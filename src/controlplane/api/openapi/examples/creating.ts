/** Requests that make a configuration, in an order in which nothing names what is not there yet. */
import type { Example } from './example.ts'

const apex = 'example.test'
const soa = { mname: `ns1.${apex}.`, rname: `hostmaster.${apex}.` }

const zones: readonly Example[] = [
  {
    of: 'putZone',
    summary: 'A zone with its name servers',
    parameters: { apex },
    body: {
      soa,
      rrsets: [
        { name: '@', type: 'NS', data: [`ns1.${apex}.`, `ns2.${apex}.`] },
        { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
        { name: 'ns2', type: 'A', data: ['198.51.100.53'] },
      ],
    },
    status: 201,
  },
  {
    of: 'importZone',
    summary: 'A zone as a master file',
    parameters: { apex: 'example.net' },
    body: `$ORIGIN example.net.
$TTL 3600
@    IN SOA ns1 hostmaster 1 7200 900 1209600 300
     IN NS  ns1
     IN MX  10 mail
ns1  IN A   192.0.2.53
mail IN A   192.0.2.25
`,
    status: 201,
  },
  {
    of: 'importDnssecKey',
    summary: 'The key that a zone was signed with elsewhere (that of RFC 6605)',
    parameters: { apex: 'example.net' },
    body: {
      key: 'example.net. 3600 IN DNSKEY 257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==\n',
      private:
        'Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=\n',
    },
    status: 200,
  },
  {
    of: 'putDnssec',
    summary: 'Sign a zone',
    parameters: { apex: 'example.net' },
    body: { enabled: true, algorithm: 13 },
    status: 200,
  },
  {
    of: 'putRRset',
    summary: 'Mail of a zone',
    parameters: { apex, owner: '@', type: 'MX' },
    body: { ttl: '1h', data: ['10 mail.example.net.', '20 backup.example.net.'] },
    status: 201,
  },
  {
    of: 'putRRset',
    name: 'text',
    summary: 'A text',
    parameters: { apex, owner: '_dmarc', type: 'TXT' },
    body: { data: ['"v=DMARC1; p=reject"'] },
    status: 201,
  },
]

const monitors: readonly Example[] = [
  {
    of: 'putMonitor',
    summary: 'A page that must say ok',
    parameters: { name: 'web' },
    body: {
      type: 'http',
      port: 8080,
      path: '/healthz',
      interval: '5s',
      timeout: '1s',
      expect: { codes: ['200-204'], body: 'ok' },
    },
    status: 201,
  },
  {
    of: 'putMonitor',
    name: 'https',
    summary: 'The same by TLS, with a name for it',
    parameters: { name: 'shop' },
    body: { type: 'https', path: '/', host: `shop.${apex}`, tls: { serverName: `shop.${apex}` } },
    status: 201,
  },
  {
    of: 'putMonitor',
    name: 'tcp',
    summary: 'A greeting',
    parameters: { name: 'smtp' },
    body: { type: 'tcp', port: 25, expect: { pattern: '^220 ' } },
    status: 201,
  },
  {
    of: 'putMonitor',
    name: 'dns',
    summary: 'An answer',
    parameters: { name: 'resolver' },
    body: { type: 'dns', query: { name: `www.${apex}`, type: 'A' } },
    status: 201,
  },
  {
    of: 'putMonitor',
    name: 'grpc',
    summary: 'The health of a gRPC service',
    parameters: { name: 'cart' },
    body: { type: 'grpc', port: 50051, service: 'shop.Cart' },
    status: 201,
  },
  {
    of: 'putMonitor',
    name: 'push',
    summary: 'Whatever agents of the members report',
    parameters: { name: 'agents' },
    body: { type: 'push', ttl: '45s' },
    status: 201,
  },
  {
    of: 'putMonitor',
    name: 'static',
    summary: 'Always up',
    parameters: { name: 'always' },
    body: { type: 'static', state: 'up' },
    status: 201,
  },
  {
    of: 'putMonitor',
    name: 'composite',
    summary: 'One of two others is enough',
    parameters: { name: 'web-or-shop' },
    body: { type: 'composite', monitors: ['web', 'shop'], require: 'any' },
    status: 201,
  },
]

const pools: readonly Example[] = [
  {
    of: 'putPool',
    summary: 'Two members, of which one is enough',
    parameters: { name: 'eu' },
    body: {
      monitor: 'always',
      minUp: { members: 1 },
      members: { fra1: { address: '192.0.2.1' }, fra2: { address: '192.0.2.2', weight: 50 } },
    },
    status: 201,
  },
  {
    of: 'putPool',
    name: 'location',
    summary: 'One that says where it is',
    parameters: { name: 'us' },
    body: {
      monitor: 'always',
      location: { latitude: 39.04, longitude: -77.49 },
      members: { iad1: { addresses: ['198.51.100.1', '2001:db8::1'] } },
    },
    status: 201,
  },
  {
    of: 'putPool',
    name: 'agents',
    summary: 'One whose members report for themselves',
    parameters: { name: 'workers' },
    body: { monitor: 'agents', select: 'weighted', members: { w1: { address: '203.0.113.1' } } },
    status: 201,
  },
  {
    of: 'putMember',
    summary: 'One more member',
    parameters: { name: 'eu', member: 'fra3' },
    body: { address: '192.0.2.3', weight: 100, priority: 2 },
    status: 201,
  },
]

const services: readonly Example[] = [
  {
    of: 'putService',
    summary: 'The first pool that is up',
    parameters: { name: `www.${apex}` },
    body: { ttl: 30, steer: 'failover', pools: ['eu', 'us'] },
    status: 201,
  },
  {
    of: 'putService',
    name: 'weighted',
    summary: 'A tenth of the answers from elsewhere',
    parameters: { name: `api.${apex}` },
    body: {
      ttl: { min: 5, max: 60 },
      steer: 'weighted',
      pools: [
        { pool: 'eu', weight: 90 },
        { pool: 'us', weight: 10 },
      ],
    },
    status: 201,
  },
  {
    of: 'putService',
    name: 'geo',
    summary: 'By the network that a client is in, and a service in the place of a pool',
    parameters: { name: `shop.${apex}` },
    body: {
      steer: 'geo',
      pools: ['us', { service: `www.${apex}` }],
      geo: { cidr: { '203.0.113.0/24': ['us'] }, default: [`www.${apex}`] },
    },
    status: 201,
  },
]

const feeds: readonly Example[] = [
  {
    of: 'putFeed',
    summary: 'Measurements that others send',
    parameters: { name: 'air_quality' },
    body: {
      columns: { so2: { unit: 'µg/m³' }, no2: { unit: 'µg/m³' }, visitors: { type: 'integer' } },
      retention: { rows: 1_000_000 },
    },
    status: 201,
  },
  {
    of: 'putFeed',
    name: 'prometheus',
    summary: 'Loads that the server reads from a Prometheus',
    parameters: { name: 'load' },
    body: {
      columns: { value: {} },
      source: {
        prometheus: 'http://127.0.0.1:9090',
        query: 'node_load1 / on (instance) count by (instance) (node_cpu_seconds_total{mode="idle"})',
        every: '1d',
        entity: '{instance}',
      },
    },
    status: 201,
  },
]

export const creating: readonly Example[] = [...feeds, ...zones, ...monitors, ...pools, ...services]
