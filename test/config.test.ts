import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../src/config.ts'
import { readOtelSettings } from '../src/telemetry/otel/otel-settings.ts'

t.test('what is not set has its default', async (t) => {
  const config = readConfig([], {})
  t.match(config, {
    databaseUrl: null,
    cacheUrl: null,
    probeHistory: true,
    dataDir: './data',
    dnsListen: [
      { host: '0.0.0.0', port: 9999 },
      { host: '::', port: 9999 },
    ],
    httpListen: { host: '127.0.0.1', port: 3000 },
    udpBackend: 'auto',
    adminToken: null,
    publicTools: true,
    resolvers: [],
    logLevel: 'info',
    kubernetes: false,
    demo: false,
  })
  t.ok(config.workers >= 1)
  t.ok(Object.isFrozen(config))
})

t.test('variables, and flags above them', async (t) => {
  const environment = {
    DATABASE_URL: 'postgres://u:p@db/pooldns',
    POOLDNS_CACHE_URL: 'rediss://:p@cache:7000/2',
    POOLDNS_DATA_DIR: '/var/lib/pooldns',
    POOLDNS_DNS_LISTEN: '192.0.2.1:53,[2001:DB8::1]:53',
    POOLDNS_HTTP_LISTEN: '0.0.0.0:80',
    POOLDNS_WORKERS: '3',
    POOLDNS_RESOLVERS: '192.0.2.53:53, [2001:db8::53]:5353',
    POOLDNS_LOG_LEVEL: 'debug',
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
  }
  t.match(readConfig(['--workers', '5', '--log-level=warn', '--demo'], environment), {
    databaseUrl: 'postgres://u:p@db/pooldns',
    cacheUrl: 'rediss://:p@cache:7000/2',
    dataDir: '/var/lib/pooldns',
    dnsListen: [
      { host: '192.0.2.1', port: 53 },
      { host: '2001:db8::1', port: 53 },
    ],
    httpListen: { host: '0.0.0.0', port: 80 },
    workers: 5,
    publicTools: false,
    resolvers: ['192.0.2.53:53', '[2001:db8::53]:5353'],
    logLevel: 'warn',
    kubernetes: true,
    demo: true,
  })
  t.equal(readConfig([], { POOLDNS_HTTP_LISTEN: '[::1]:1' }).publicTools, true)
  t.equal(
    readConfig([], { POOLDNS_HTTP_LISTEN: '[::1]:1', POOLDNS_PUBLIC_TOOLS: 'false' }).publicTools,
    false,
  )
  t.equal(readConfig([], { DATABASE_URL: '' }).databaseUrl, null, 'an empty variable is none')
})

t.test('the most that a client without a cookie gets', async (t) => {
  for (const octets of [0, 128, 512, 1232])
    t.equal(readConfig([], { POOLDNS_MAX_NOCOOKIE_RESPONSE: String(octets) }).noCookieOctets, octets)
  t.equal(readConfig(['--max-nocookie-response', '512'], {}).noCookieOctets, 512)
})

t.test('the rate limit is put together of four settings, and may be off', async (t) => {
  const of = (environment: Record<string, string>) => readConfig([], environment).rateLimit
  t.match(of({}), { perSecond: 200, slip: 2, logOnly: false, exempt: [{ length: 8 }, { length: 128 }] })
  t.equal(of({ POOLDNS_RRL: 'off' }), null)
  t.match(
    of({ POOLDNS_RRL: 'log', POOLDNS_RRL_RATE: '50', POOLDNS_RRL_SLIP: '0', POOLDNS_RRL_EXEMPT: 'none' }),
    {
      perSecond: 50,
      slip: 0,
      logOnly: true,
      exempt: [],
    },
  )
  t.same(of({ POOLDNS_RRL_EXEMPT: '192.0.2.0/24, 2001:db8::/32' })?.exempt, [
    { address: Uint8Array.of(192, 0, 2, 0), length: 24 },
    { address: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), length: 32 },
  ])
  t.match(readConfig(['--rrl', 'off', '--identity', 'ns1'], {}), { rateLimit: null, identity: 'ns1' })
})

t.test('what may be probed, and from which files, is read from lists', async (t) => {
  t.match(readConfig([], { POOLDNS_DATA_DIR: '/data' }), {
    probeAllow: [],
    certificateDir: '/data/certificates',
    guard: true,
    sample: true,
    dnstap: null,
    dnstapMessages: 'responses',
    dnstapEvery: 1,
    queryLogEvery: null,
    queryLogPrefix: { ipv4: 24, ipv6: 56 },
    queryLogKeepMs: 7 * 86_400_000,
    queryLogRows: 1_000_000,
    openTelemetry: null,
    canaries: [],
    smtpServer: null,
    mailFrom: null,
    locationDatabases: [],
    identityProvider: null,
  })
  t.match(readConfig(['--demo'], {}), { probeAllow: [{ length: 8 }, { length: 128 }] })
  t.same(readConfig(['--demo'], { POOLDNS_PROBE_ALLOW: 'none' }).probeAllow, [])
  const environment = {
    POOLDNS_PROBE_ALLOW: '10.0.0.0/8,::1/128',
    POOLDNS_PROBE_DENY: '10.9.0.0/16',
    POOLDNS_CERTIFICATE_DIR: '/certificates',
    POOLDNS_GUARD: 'off',
    POOLDNS_SAMPLE: 'off',
    POOLDNS_CANARIES: '192.0.2.1:443,[2001:db8::1]:53',
    POOLDNS_LOCATION_DATABASES: '/geo/city.mmdb, /geo/asn.mmdb',
    POOLDNS_SMTP_URL: 'smtp://pool%40a.test:p%3Aw@[2001:db8::1]:25',
    POOLDNS_MAIL_FROM: 'pooldns@a.test',
    POOLDNS_DNSTAP: 'tcp:[2001:db8::1]:6000',
    POOLDNS_DNSTAP_MESSAGES: 'both',
    POOLDNS_DNSTAP_SAMPLE: '1/100',
    POOLDNS_QUERY_LOG: '1/50',
    POOLDNS_QUERY_LOG_PREFIX: '32/128',
    POOLDNS_QUERY_LOG_KEEP: '1h',
    POOLDNS_QUERY_LOG_ROWS: '5000',
    POOLDNS_OTEL: 'on',
    OTEL_TRACES_EXPORTER: 'none',
  }
  t.match(readConfig([], environment), {
    probeAllow: [{ length: 8 }, { length: 128 }],
    probeDeny: [{ length: 16 }],
    certificateDir: '/certificates',
    guard: false,
    sample: false,
    canaries: [
      { host: '192.0.2.1', port: 443 },
      { host: '2001:db8::1', port: 53 },
    ],
    smtpServer: { host: '2001:db8::1', port: 25, secure: false, user: 'pool@a.test', password: 'p:w' },
    mailFrom: 'pooldns@a.test',
    dnstap: { host: '2001:db8::1', port: 6000 },
    dnstapMessages: 'both',
    dnstapEvery: 100,
    queryLogEvery: 50,
    queryLogPrefix: { ipv4: 32, ipv6: 128 },
    queryLogKeepMs: 3_600_000,
    queryLogRows: 5000,
    openTelemetry: readOtelSettings({ OTEL_TRACES_EXPORTER: 'none' }),
    locationDatabases: ['/geo/city.mmdb', '/geo/asn.mmdb'],
  })
  t.same(readConfig([], { POOLDNS_DNSTAP: 'unix:/run/tap.sock' }).dnstap, { path: '/run/tap.sock' })
  t.equal(readConfig([], { POOLDNS_QUERY_LOG: 'off' }).queryLogEvery, null)
  const smtp = (url: string) => readConfig([], { POOLDNS_SMTP_URL: url }).smtpServer
  t.match(smtp('SMTPS://mail.a.test'), { host: 'mail.a.test', port: 465, secure: true, user: null })
  t.match(smtp('smtp://mail.a.test/'), { port: 587, secure: false })
})

t.test('a misspelt variable is an error that names the nearest one', async (t) => {
  for (const [name, nearest] of [
    ['POOLDNS_DNS_LISTN', 'POOLDNS_DNS_LISTEN'],
    ['POOLDNS_LOGLEVEL', 'POOLDNS_LOG_LEVEL'],
    ['POOLDNS_ADMIN_TOKEN_FIEL', 'POOLDNS_ADMIN_TOKEN_FILE'],
    ['POOLDNS_HTTP_LISTENS', 'POOLDNS_HTTP_LISTEN'],
  ] as const) {
    const message = `${name} is no variable; did you mean ${nearest}?`
    t.throws(() => readConfig([], { [name]: 'x' }), { name: 'UsageError', message })
  }
  const several = { POOLDNS_LOGLEVEL: 'x', POOLDNS_WORKERS: 'many', POOLDNS_RRL: 'y' }
  t.throws(() => readConfig([], several), {
    name: 'UsageError',
    message: /^POOLDNS_LOGLEVEL is no variable.*\nPOOLDNS_\w+: .*\nPOOLDNS_\w+: /,
  })
  // Kubernetes sets these for Services called pooldns and pooldns-dns.
  const ofKubernetes = {
    POOLDNS_SERVICE_HOST: '10.0.0.1',
    POOLDNS_SERVICE_PORT: '53',
    POOLDNS_SERVICE_PORT_DNS_TCP: '53',
    POOLDNS_PORT: 'udp://10.0.0.1:53',
    POOLDNS_PORT_53_UDP: 'udp://10.0.0.1:53',
    POOLDNS_PORT_53_UDP_PROTO: 'udp',
    POOLDNS_PORT_53_UDP_PORT: '53',
    POOLDNS_PORT_53_UDP_ADDR: '10.0.0.1',
    POOLDNS_DNS_SERVICE_HOST: '10.0.0.1',
    POOLDNS_DNS_PORT_53_TCP_ADDR: '10.0.0.1',
    POOLDNS_SYN_PORT: 'tcp://10.0.0.1:53',
  }
  t.ok(readConfig([], ofKubernetes))
  t.ok(
    readConfig([], { POOLDNS_SERVER: 'http://a', POOLDNS_TOKEN: 'b', POOLDNS_OWNER_PASSWORD: 'c' }),
    'of others',
  )
  t.ok(readConfig([], { POOLDNS_DNS_LISTN: '' }), 'one that is empty says nothing')
})

t.test('a file of variables goes behind the environment, and that behind flags', async (t) => {
  const folder = t.testdir({
    good: '# comment\n\nPOOLDNS_DNS_LISTEN=127.0.0.1:1\nPOOLDNS_WORKERS="3"\nexport POOLDNS_IDENTITY=ns1\n',
    secret: 'POOLDNS_ADMIN_TOKEN_FILE=/nowhere\n',
    misspelt: 'POOLDNS_WORKERS=3\nPOOLDNS_WORKES=3\n',
    none: 'hello\n',
    wrong: 'POOLDNS_WORKERS=many\n',
  })
  const good = ['--config', `${folder}/good`]
  const listen = { dnsListen: [{ host: '127.0.0.1', port: 1 }], dnsListenAsked: true }
  t.match(readConfig(good, { POOLDNS_IDENTITY: '' }), { ...listen, workers: 3, identity: 'ns1' })
  t.match(readConfig(good, { POOLDNS_WORKERS: '4' }), { ...listen, workers: 4 })
  t.match(readConfig([...good, '--workers', '5'], { POOLDNS_WORKERS: '4' }), { ...listen, workers: 5 })
  t.equal(readConfig([], {}).dnsListenAsked, false)
  const token = 'a-token-of-more-than-24-characters'
  t.equal(readConfig(['--config', `${folder}/secret`], { POOLDNS_ADMIN_TOKEN: token }).adminToken, token)
  for (const [file, message] of [
    ['misspelt', /^--config: .*misspelt:2: POOLDNS_WORKES is no variable; did you mean POOLDNS_WORKERS\?$/],
    ['none', /^--config: .*none:1: this is no NAME=value$/],
    ['wrong', /^POOLDNS_WORKERS: "many" is not accepted/],
    ['absent', /^--config: ENOENT/],
  ] as const)
    t.throws(() => readConfig(['--config', `${folder}/${file}`], {}), { name: 'UsageError', message }, file)
})

t.test('how long the audit log is kept', async (t) => {
  t.equal(readConfig([], {}).sync, true)
  t.equal(readConfig([], { POOLDNS_SYNC: 'off' }).sync, false)
  t.equal(readConfig([], {}).auditRetentionMs, 90 * 86_400_000)
  for (const [text, days] of Object.entries({ '24h': 1, '1d': 1, '400d': 400, '3650d': 3650 })) {
    t.equal(readConfig([], { POOLDNS_AUDIT_RETENTION: text }).auditRetentionMs, days * 86_400_000, text)
  }
})

t.test('who is answered by HTTP', async (t) => {
  const defaults = { httpHosts: [], trustedProxies: [], metricsAccess: 'open', publicToolsAnywhere: false }
  t.match(readConfig([], {}), defaults)
  const environment = {
    POOLDNS_HTTP_HOSTS: 'DNS.example., pooldns',
    POOLDNS_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8,::1',
    POOLDNS_METRICS: 'token',
    POOLDNS_PUBLIC_TOOLS: 'true',
  }
  t.match(readConfig([], environment), {
    httpHosts: ['dns.example', 'pooldns'],
    trustedProxies: [{ length: 32 }, { length: 8 }, { length: 128 }],
    metricsAccess: 'token',
    publicToolsAnywhere: true,
  })
})

t.test('a bad value names the variable, the value and what is accepted', async (t) => {
  const rows: [Record<string, string>, RegExp][] = [
    [{ DATABASE_URL: 'mysql://x' }, /^DATABASE_URL: "mysql:\/\/x" is not accepted; it takes a URL postgres:/],
    [{ DATABASE_URL: 'mysql://u:hunter2@x' }, /secret/],
    [{ DATABASE_URL: 'postgres://u:p@h1,h2:x/db' }, /^DATABASE_URL: the port of host h2 is no number/],
    [{ DATABASE_URL: 'postgres://u:p@h1,,h3/db' }, /^DATABASE_URL: host 2 is empty$/],
    [
      { DATABASE_URL: 'postgres://h1,h2/db?target_session_attrs=standby' },
      /^DATABASE_URL: target_session_attrs: standby is of no use to one who writes: it takes any, read-write, primary$/,
    ],
    [{ POOLDNS_DNS_LISTEN: '127.0.0.1' }, /^POOLDNS_DNS_LISTEN: "127\.0\.0\.1"/],
    [{ POOLDNS_DNS_LISTEN: '127.0.0.1:1,' }, /POOLDNS_DNS_LISTEN/],
    [{ POOLDNS_DNS_LISTEN: 'localhost:53' }, /POOLDNS_DNS_LISTEN/],
    [{ POOLDNS_DNS_LISTEN: '256.0.0.1:53' }, /POOLDNS_DNS_LISTEN/],
    [{ POOLDNS_HTTP_LISTEN: '127.0.0.1:65536' }, /POOLDNS_HTTP_LISTEN/],
    [{ POOLDNS_WORKERS: '0' }, /POOLDNS_WORKERS: "0".*1 to 256/],
    [{ POOLDNS_WORKERS: 'many' }, /POOLDNS_WORKERS/],
    [{ POOLDNS_UDP_BACKEND: 'uring' }, /POOLDNS_UDP_BACKEND.*auto, batch or dgram/],
    [{ POOLDNS_PUBLIC_TOOLS: 'yes' }, /POOLDNS_PUBLIC_TOOLS.*true or false/],
    [{ POOLDNS_HTTP_HOSTS: 'dns.example:3000' }, /POOLDNS_HTTP_HOSTS.*host names/],
    [{ POOLDNS_HTTP_HOSTS: '*.example' }, /POOLDNS_HTTP_HOSTS/],
    [{ POOLDNS_HTTP_HOSTS: '192.0.2.1' }, /POOLDNS_HTTP_HOSTS/],
    [{ POOLDNS_TRUSTED_PROXIES: 'proxy.example' }, /POOLDNS_TRUSTED_PROXIES/],
    [{ POOLDNS_METRICS: 'off' }, /POOLDNS_METRICS.*open or token/],
    [{ POOLDNS_RESOLVERS: 'dns.example' }, /POOLDNS_RESOLVERS/],
    [{ POOLDNS_RRL: 'maybe' }, /POOLDNS_RRL: "maybe".*on, off or log/],
    [{ POOLDNS_RRL_RATE: '0' }, /POOLDNS_RRL_RATE.*1 to 1000000/],
    [
      { POOLDNS_MAX_NOCOOKIE_RESPONSE: '127' },
      /POOLDNS_MAX_NOCOOKIE_RESPONSE.*0 \(off\) or a number of octets from 128 to 1232/,
    ],
    [{ POOLDNS_MAX_NOCOOKIE_RESPONSE: '1233' }, /POOLDNS_MAX_NOCOOKIE_RESPONSE/],
    [{ POOLDNS_MAX_NOCOOKIE_RESPONSE: '0512' }, /POOLDNS_MAX_NOCOOKIE_RESPONSE/],
    [{ POOLDNS_RRL_SLIP: '11' }, /POOLDNS_RRL_SLIP.*0 to 10/],
    [{ POOLDNS_RRL_EXEMPT: '192.0.2.0' }, /POOLDNS_RRL_EXEMPT/],
    [{ POOLDNS_RRL_EXEMPT: '192.0.2.0/33' }, /POOLDNS_RRL_EXEMPT/],
    [{ POOLDNS_PROBE_ALLOW: 'loopback' }, /POOLDNS_PROBE_ALLOW: "loopback".*none/],
    [{ POOLDNS_PROBE_DENY: '10.0.0.0' }, /POOLDNS_PROBE_DENY/],
    [{ POOLDNS_DATA_DIR: '  ' }, /POOLDNS_DATA_DIR: " {2}" is not accepted/],
    [{ POOLDNS_KEY_FILE: '\t' }, /POOLDNS_KEY_FILE: "\\t" is not accepted/],
    [{ POOLDNS_IDENTITY: ' ' }, /POOLDNS_IDENTITY: " " is not accepted/],
    [{ POOLDNS_SYNC: 'yes' }, /POOLDNS_SYNC: "yes" is not accepted.*on or off/],
    [{ POOLDNS_AUDIT_RETENTION: '23h' }, /POOLDNS_AUDIT_RETENTION: "23h" is not accepted.*from 1d to 3650d/],
    [{ POOLDNS_AUDIT_RETENTION: '3651d' }, /POOLDNS_AUDIT_RETENTION/],
    [{ POOLDNS_AUDIT_RETENTION: '90' }, /POOLDNS_AUDIT_RETENTION/],
    [{ POOLDNS_AUDIT_RETENTION: 'ever' }, /POOLDNS_AUDIT_RETENTION/],
    [{ POOLDNS_GUARD: 'maybe' }, /POOLDNS_GUARD.*on or off/],
    [{ POOLDNS_SAMPLE: '100' }, /POOLDNS_SAMPLE.*on or off/],
    [{ POOLDNS_CANARIES: 'example.test:80' }, /POOLDNS_CANARIES/],
    [{ POOLDNS_CANARIES: Array(21).fill('192.0.2.1:1').join() }, /POOLDNS_CANARIES.*up to 20/],
    [{ POOLDNS_LOCATION_DATABASES: 'a,,b' }, /POOLDNS_LOCATION_DATABASES/],
    [{ POOLDNS_LOCATION_DATABASES: Array(17).fill('a').join() }, /POOLDNS_LOCATION_DATABASES.*up to 16/],
    [{ POOLDNS_DNSTAP: 'unix:tap.sock' }, /POOLDNS_DNSTAP: "unix:tap.sock".*unix:\/path/],
    [{ POOLDNS_DNSTAP: `unix:/${'a'.repeat(107)}` }, /POOLDNS_DNSTAP.*107 octets/],
    [{ POOLDNS_DNSTAP: 'unix:/run/' }, /POOLDNS_DNSTAP/],
    [{ POOLDNS_DNSTAP: 'tcp:127.0.0.1' }, /POOLDNS_DNSTAP/],
    [{ POOLDNS_DNSTAP: 'tcp:127.0.0.1:0' }, /POOLDNS_DNSTAP/],
    [{ POOLDNS_DNSTAP: '127.0.0.1:6000' }, /POOLDNS_DNSTAP/],
    [{ POOLDNS_DNSTAP_MESSAGES: 'all' }, /POOLDNS_DNSTAP_MESSAGES.*responses, queries or both/],
    [{ POOLDNS_DNSTAP_SAMPLE: '1/0' }, /POOLDNS_DNSTAP_SAMPLE.*1\/N/],
    [{ POOLDNS_DNSTAP_SAMPLE: '1/1000001' }, /POOLDNS_DNSTAP_SAMPLE/],
    [{ POOLDNS_DNSTAP_SAMPLE: '0.1' }, /POOLDNS_DNSTAP_SAMPLE/],
    [{ POOLDNS_OTEL: 'yes' }, /POOLDNS_OTEL.*on or off/],
    [{ POOLDNS_OTEL: 'on', OTEL_TRACES_SAMPLER: 'some' }, /OTEL_TRACES_SAMPLER: "some" is not accepted/],
    [{ POOLDNS_QUERY_LOG: 'on' }, /POOLDNS_QUERY_LOG.*1\/N/],
    [{ POOLDNS_QUERY_LOG_PREFIX: '33/56' }, /POOLDNS_QUERY_LOG_PREFIX.*24\/56/],
    [{ POOLDNS_QUERY_LOG_PREFIX: '24/129' }, /POOLDNS_QUERY_LOG_PREFIX/],
    [{ POOLDNS_QUERY_LOG_PREFIX: '24' }, /POOLDNS_QUERY_LOG_PREFIX/],
    [{ POOLDNS_QUERY_LOG_KEEP: '10m' }, /POOLDNS_QUERY_LOG_KEEP.*from 1h/],
    [{ POOLDNS_QUERY_LOG_KEEP: '3651d' }, /POOLDNS_QUERY_LOG_KEEP/],
    [{ POOLDNS_QUERY_LOG_ROWS: '10' }, /POOLDNS_QUERY_LOG_ROWS.*1000/],
    [{ POOLDNS_SMTP_URL: 'http://a.test' }, /POOLDNS_SMTP_URL.*smtp:\/\/ or smtps/],
    [{ POOLDNS_SMTP_URL: 'smtp://' }, /POOLDNS_SMTP_URL/],
    [{ POOLDNS_SMTP_URL: 'smtp://a.test/path' }, /POOLDNS_SMTP_URL/],
    [{ POOLDNS_SMTP_URL: 'smtp://a.test?pool=true' }, /POOLDNS_SMTP_URL/],
    [{ POOLDNS_SMTP_URL: 'smtp://u:%zz@a.test' }, /POOLDNS_SMTP_URL/],
    [{ POOLDNS_MAIL_FROM: 'Pool <pool@a.test>' }, /POOLDNS_MAIL_FROM.*an address such as/],
    [{ POOLDNS_IDENTITY: 'x'.repeat(65) }, /POOLDNS_IDENTITY/],
    [{ POOLDNS_CHAOS_VERSION: 'caf\u00e9' }, /POOLDNS_CHAOS_VERSION/],
    [{ POOLDNS_LOG_LEVEL: 'loud' }, /POOLDNS_LOG_LEVEL.*fatal, error/],
    [{ POOLDNS_ADMIN_TOKEN: 'has space and 24 characters' }, /^POOLDNS_ADMIN_TOKEN: \(not shown\)/],
    [{ POOLDNS_ADMIN_TOKEN: 'x'.repeat(23) }, /^POOLDNS_ADMIN_TOKEN: \(not shown\).*24 to 1024 printable/],
    [{ POOLDNS_ADMIN_TOKEN: 'x'.repeat(1025) }, /^POOLDNS_ADMIN_TOKEN/],
  ]
  for (const [environment, message] of rows) {
    t.throws(() => readConfig([], environment), { name: 'UsageError', message })
  }
  t.throws(() => readConfig(['--workers', 'x'], {}), { message: /^--workers: "x"/ })
  t.throws(() => readConfig(['--unknown', 'x'], {}), { name: 'UsageError', message: /--unknown/ })
  t.throws(() => readConfig([], { DATABASE_URL: 'mysql://u:hunter2@x' }), { message: /^(?!.*hunter2)/ })
  const several = 'postgres://u:p@h1:5432,[::1]:5433,h3/db?target_session_attrs=primary'
  t.equal(readConfig([], { DATABASE_URL: several }).databaseUrl, several)
})

t.test('secrets come by variables and from files, and by no flag', async (t) => {
  const folder = t.testdir({
    token: 'a-token-of-24-characters\n',
    crlf: 'a-token-of-24-characters\r\n',
    url: 'postgres://u:p@db/pooldns\n',
    empty: '\n',
    short: 'short',
    long: 'x'.repeat(8193),
  })
  const file = (name: string) => join(folder, name)
  const token = 'a-token-of-24-characters'
  t.equal(readConfig([], { POOLDNS_ADMIN_TOKEN_FILE: file('token') }).adminToken, token)
  t.equal(readConfig([], { POOLDNS_ADMIN_TOKEN_FILE: file('crlf') }).adminToken, token)
  t.equal(readConfig([], { POOLDNS_ADMIN_TOKEN: token, POOLDNS_ADMIN_TOKEN_FILE: '' }).adminToken, token)
  t.equal(readConfig([], { DATABASE_URL_FILE: file('url') }).databaseUrl, 'postgres://u:p@db/pooldns')
  t.equal(readConfig(['--cache-url', 'redis://h/1'], {}).cacheUrl, 'redis://h/1')
  t.equal(readConfig(['--database-url', 'postgres://db/x'], {}).databaseUrl, 'postgres://db/x')
  writeFileSync(file('url'), 'mysql://u:hunter2@x')
  const rows: [args: string[], environment: Record<string, string>, message: RegExp][] = [
    [['--admin-token', token], {}, /^--admin-token would show a secret .*POOLDNS_ADMIN_TOKEN_FILE/],
    [['--database-url', 'postgres://u:p@db/x'], {}, /^--database-url would show .*DATABASE_URL_FILE/],
    [['--database-url', 'postgres://u:p@h1:1,h2:2/x'], {}, /^--database-url would show .*DATABASE_URL_FILE/],
    [['--database-url', 'postgres://db/x?user=u&password=p'], {}, /^--database-url would show/],
    [[], { POOLDNS_ADMIN_TOKEN: token, POOLDNS_ADMIN_TOKEN_FILE: file('token') }, /both set/],
    [[], { POOLDNS_ADMIN_TOKEN_FILE: file('none') }, /^POOLDNS_ADMIN_TOKEN_FILE: .*none can't be read/],
    [[], { POOLDNS_ADMIN_TOKEN_FILE: folder }, /^POOLDNS_ADMIN_TOKEN_FILE: .* can't be read/],
    [[], { POOLDNS_ADMIN_TOKEN_FILE: file('empty') }, /empty is empty/],
    [[], { POOLDNS_ADMIN_TOKEN_FILE: file('short') }, /^POOLDNS_ADMIN_TOKEN: \(not shown\)/],
    [[], { POOLDNS_ADMIN_TOKEN_FILE: file('long') }, /more than 8192 octets/],
    [[], { POOLDNS_ADMIN_TOKEN_FILE: '/dev/zero' }, /more than 8192 octets/],
    [['--cache-url', 'redis://:hunter2@h'], {}, /^--cache-url would show .*POOLDNS_CACHE_URL_FILE/],
    [
      [],
      { POOLDNS_CACHE_URL: 'http://u:hunter2@h' },
      /^POOLDNS_CACHE_URL: "http:\/\/u:\[secret\]@h" .*rediss/,
    ],
    [[], { POOLDNS_CACHE_URL: 'redis:/u:hunter2@h' }, /^POOLDNS_CACHE_URL: \(not shown\) .*rediss/],
    [[], { POOLDNS_CACHE_URL: 'redis://u:hunter2/x@h' }, /^POOLDNS_CACHE_URL: an @ stands behind/],
    [[], { POOLDNS_CACHE_URL_FILE: file('url') }, /^POOLDNS_CACHE_URL: "mysql:\/\/u:\[secret\]@x"/],
    [[], { DATABASE_URL_FILE: file('url') }, /^DATABASE_URL: "mysql:\/\/u:\[secret\]@x"/],
  ]
  for (const [args, environment, message] of rows) {
    t.throws(() => readConfig(args, environment), { name: 'UsageError', message })
  }
})
