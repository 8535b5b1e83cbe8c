/** The chart, rendered by Helm itself: against the schemas of Kubernetes, and whether what it makes holds together. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { repository } from '../../support/daemon.ts'
import { disagreements, podOf } from '../../support/kubernetes/agreement.ts'
import { schemaErrors } from '../../support/kubernetes/schema.ts'
import { chart, helm, image, release, renderChart, withoutHelm } from '../../support/kubernetes/tools.ts'
import { pageBlocks } from '../../support/pages.ts'

const run = promisify(execFile)
const around = [
  'Secret pooldns',
  'Secret pooldns-owner',
  'Secret registry',
  'Secret monitors',
  'ConfigMap amazon',
  'ConfigMap location',
]

/** Without a PostgreSQL. */
const alone = {
  replicas: 1,
  database: { embedded: true },
  secrets: { existingSecret: '' },
  data: { type: 'persistentVolumeClaim' },
}

/** Ways to install it, each with what must be in it. */
const ways: Record<string, { values: Record<string, unknown>; kinds: string }> = {
  'as it is': {
    values: {},
    kinds: 'Deployment Job NetworkPolicy Pod PodDisruptionBudget Service Service ServiceAccount',
  },
  'all that can be switched on': {
    values: {
      replicas: 3,
      imagePullSecrets: [{ name: 'registry' }],
      secrets: {
        externalSecret: { enabled: true },
        files: { POOLDNS_SMTP_URL_FILE: 'smtp-url', POOLDNS_KEY_FILE: 'dnssec-key' },
        environment: { OTEL_EXPORTER_OTLP_HEADERS: 'otel-headers' },
      },
      service: {
        split: true,
        loadBalancerClass: 'example.com/lb',
        loadBalancerIP: '192.0.2.53',
        loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/32'],
        annotations: { 'example.com/shared': 'yes' },
        ipFamilyPolicy: 'PreferDualStack',
      },
      settings: {
        POOLDNS_GUARD: 'off',
        POOLDNS_HTTP_HOSTS: 'dns.example',
        POOLDNS_METRICS: 'token',
        POOLDNS_OTEL: 'on',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel.example:4318',
      },
      certificates: { existingSecret: 'monitors' },
      database: { authorities: { configMap: 'amazon' } },
      serviceMonitor: { enabled: true, labels: { release: 'prometheus' }, tokenSecret: { name: 'metrics' } },
      prometheusRule: { enabled: true, labels: { release: 'prometheus' } },
      networkPolicy: {
        httpFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
        dnsFrom: [{ ipBlock: { cidr: '192.0.2.0/24' } }],
        egress: {
          restricted: true,
          database: { to: [{ podSelector: { matchLabels: { app: 'postgres' } } }], ports: [5432, 6432] },
          members: { to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [8080], udpPorts: [5060] },
          resolvers: { to: [{ ipBlock: { cidr: '2001:db8::53/128' } }] },
          webhooks: { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] },
          collector: { to: [{ namespaceSelector: { matchLabels: { name: 'logs' } } }] },
          rules: [{ to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }],
        },
      },
      commonLabels: { team: 'names' },
      podLabels: { tier: 'edge' },
      podAnnotations: { 'example.com/note': 'one' },
      nodeSelector: { 'kubernetes.io/arch': 'amd64' },
      tolerations: [{ key: 'edge', operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'system-cluster-critical',
      extraVolumes: [{ name: 'location', configMap: { name: 'location' } }],
      extraVolumeMounts: [{ name: 'location', mountPath: '/etc/pooldns/location' }],
    },
    kinds:
      'Deployment ExternalSecret ExternalSecret Job NetworkPolicy Pod PodDisruptionBudget PrometheusRule Service Service Service ServiceAccount ' +
      'ServiceMonitor',
  },
  'a port of each node': {
    values: { kind: 'DaemonSet', hostPort: { enabled: true }, service: { enabled: false } },
    kinds: 'DaemonSet Job NetworkPolicy Pod Service ServiceAccount',
  },
  'the network of each node': {
    values: {
      kind: 'DaemonSet',
      hostNetwork: true,
      dns: { port: 53 },
      service: { enabled: false },
      data: { type: 'hostPath' },
    },
    kinds: 'DaemonSet Job NetworkPolicy Pod Service ServiceAccount',
  },
  'one pod with an embedded database': {
    values: { ...alone, service: { type: 'NodePort', nodePort: 30053 } },
    kinds: 'Deployment NetworkPolicy PersistentVolumeClaim Pod Service Service ServiceAccount',
  },
  'IPv6 alone': {
    values: { dns: { addresses: ['::'] }, http: { address: '::' } },
    kinds: 'Deployment Job NetworkPolicy Pod PodDisruptionBudget Service Service ServiceAccount',
  },
}

for (const [name, { values, kinds }] of Object.entries(ways)) {
  t.test(name, { skip: withoutHelm }, async (t) => {
    const manifests = await renderChart({ values })
    t.equal(
      manifests
        .map(({ kind }) => kind)
        .sort()
        .join(' '),
      kinds,
    )
    t.same(await schemaErrors(manifests), [])
    t.same(disagreements(manifests, around), [])
  })
}

t.test('helm lint has nothing to say', { skip: withoutHelm }, async (t) => {
  const { stdout } = await run(helm!, [
    'lint',
    '--strict',
    '--set-json',
    `image=${JSON.stringify(image)}`,
    chart,
  ])
  t.match(stdout, /0 chart\(s\) failed/)
  t.notMatch(stdout, /\[(?:WARNING|ERROR)\]/)
})

t.test('what it says when it is installed names what is there', { skip: withoutHelm }, async (t) => {
  const home = t.testdir()
  const ways = [
    {},
    { service: { split: true } },
    { kind: 'DaemonSet', hostPort: { enabled: true }, service: { enabled: false } },
  ]
  for (const values of ways) {
    const given = Object.entries({ image, ...values }).flatMap(([name, value]) => [
      '--set-json',
      `${name}=${JSON.stringify(value)}`,
    ])
    const where = ['--namespace', release.namespace, '--dry-run=client']
    const { stdout } = await run(helm!, ['install', release.name, chart, ...where, ...given], {
      env: { PATH: process.env.PATH, HOME: home },
      maxBuffer: 16 << 20,
    })
    const [, notes] = /^NOTES:\n([\s\S]*)$/m.exec(stdout)!
    t.notMatch(notes, 'no value')
    for (const [, namespace] of notes!.matchAll(/ -n +(\S+)/g)) t.equal(namespace, release.namespace)
    const there = (await renderChart({ values })).map(
      ({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`,
    )
    const named = [
      ...notes!.matchAll(/(?:(?:status|port-forward) |get (?=service ))(\w+)[/ ](\S+)(?: (dns-\S+))?/g),
    ]
    t.ok(named.length >= 2)
    for (const [, kind, ...names] of named)
      for (const name of names)
        if (name !== undefined) t.ok(there.includes(`${kind}/${name}`), `${kind}/${name}`)
  }
})

t.test('its version is that of the program', async (t) => {
  const { appVersion, version } = parse(await readFile(join(chart, 'Chart.yaml'), 'utf8'))
  const program = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')).version
  t.same({ appVersion, version }, { appVersion: program, version: program })
})

t.test('a rolling update loses no query', { skip: withoutHelm }, async (t) => {
  const of = async (values: Record<string, unknown>) => {
    const manifests = await renderChart({ values })
    const server = manifests.find(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet')!
    const service = manifests.find(
      ({ metadata }) => metadata.name === 'dns-pooldns' && metadata.labels !== undefined,
    )
    return { server, pod: podOf(server)!.spec, service }
  }
  const { server, pod } = await of({ drainSeconds: 45 })
  t.same(server.spec.strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 }, 'the next one answers first')
  t.same(pod.containers[0].lifecycle.preStop.exec.command, ['sleep', '45'], 'it answers while it drains')
  t.equal(pod.terminationGracePeriodSeconds, 60)
  t.equal(pod.containers[0].readinessProbe.httpGet.path, '/ready')
  const alone = await of({ replicas: 1, data: { type: 'persistentVolumeClaim' } })
  t.same(alone.server.spec.strategy, { type: 'Recreate' }, 'two never have one volume')
  const port = await of({ hostPort: { enabled: true } })
  t.same(
    port.server.spec.strategy.rollingUpdate,
    { maxUnavailable: 1, maxSurge: 0 },
    'two never have one port',
  )
})

t.test('secrets go only where they are needed', { skip: withoutHelm }, async (t) => {
  const manifests = await renderChart()
  const secretsOf = (kind: string) =>
    podOf(manifests.find((each) => each.kind === kind)!)!.spec.volumes.flatMap(
      ({ secret }: { secret?: { secretName: string; items: { key: string }[] } }) =>
        secret === undefined ? [] : secret.items.map(({ key }) => `${secret.secretName}/${key}`),
    )
  t.same(secretsOf('Job'), ['pooldns-owner/database-url'])
  t.same(secretsOf('Deployment'), ['pooldns/database-url', 'pooldns/admin-token'])
  t.equal(manifests.filter(({ kind }) => kind === 'Secret').length, 0, 'the chart holds none')
  const files = { POOLDNS_SMTP_URL_FILE: 'smtp-url' }
  const environment = { OTEL_EXPORTER_OTLP_HEADERS: 'otel-headers' }
  const externalSecret = { enabled: true }
  const more = await renderChart({ values: { secrets: { files, environment, externalSecret } } })
  const { spec } = podOf(more.find(({ kind }) => kind === 'Deployment')!)!
  const { secret } = spec.volumes.find(({ name }: { name: string }) => name === 'secrets')
  t.match(secret.items.at(-1), { key: 'smtp-url', path: 'smtp-url' })
  t.match(spec.containers[0].env.at(-2), {
    name: 'POOLDNS_SMTP_URL_FILE',
    value: '/etc/pooldns/secrets/smtp-url',
  })
  t.match(spec.containers[0].env.at(-1), {
    name: 'OTEL_EXPORTER_OTLP_HEADERS',
    valueFrom: { secretKeyRef: { name: 'pooldns', key: 'otel-headers' } },
  })
  const made = more.find(({ kind, metadata }) => kind === 'ExternalSecret' && metadata.name === 'pooldns')!
  t.same(
    made.spec.data.map(({ secretKey }: { secretKey: string }) => secretKey),
    ['database-url', 'admin-token', 'otel-headers', 'smtp-url'],
  )
})

t.test(
  'the Secrets are made before the migration, and that is done before the servers',
  { skip: withoutHelm },
  async (t) => {
    const manifests = await renderChart({ values: { secrets: { externalSecret: { enabled: true } } } })
    const hooks = (kind: string) =>
      manifests
        .filter((each) => each.kind === kind)
        .map(({ metadata: { annotations = {} } }) => {
          t.equal(annotations['helm.sh/hook'], 'pre-install,pre-upgrade', kind)
          return Number(annotations['helm.sh/hook-weight'])
        })
    const [migration] = hooks('Job')
    const secrets = hooks('ExternalSecret')
    t.equal(secrets.length, 2)
    for (const weight of secrets) t.ok(weight < migration!)
  },
)

t.test('outwards it goes where values say, and nowhere else', { skip: withoutHelm }, async (t) => {
  const policyOf = async (egress: Record<string, unknown>) => {
    const manifests = await renderChart({ values: { networkPolicy: { egress } } })
    t.same(await schemaErrors(manifests), [])
    return manifests.find(({ kind }) => kind === 'NetworkPolicy')!.spec
  }
  const to = (cidr: string) => ({ to: [{ ipBlock: { cidr } }] })
  const tcp = (...ports: number[]) => ports.map((port) => ({ port, protocol: 'TCP' }))
  const udp = (...ports: number[]) => ports.map((port) => ({ port, protocol: 'UDP' }))
  const names = {
    ports: [...udp(53), ...tcp(53)],
    to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }],
  }
  const open = await policyOf({})
  t.same([open.policyTypes, open.egress], [['Ingress'], undefined], 'as it is, everywhere')
  const least = await policyOf({ restricted: true, database: to('192.0.2.1/32') })
  t.same(least.policyTypes, ['Ingress', 'Egress'])
  t.same(least.egress, [names, { ...to('192.0.2.1/32'), ports: tcp(5432) }])
  const more = await policyOf({
    restricted: true,
    resolvers: to('192.0.2.53/32'),
    database: { ...to('192.0.2.1/32'), ports: [6432] },
    members: { ...to('2001:db8::/64'), ports: [8080, 8443], udpPorts: [5060] },
    webhooks: to('203.0.113.0/24'),
    collector: { ...to('192.0.2.7/32'), ports: [4318] },
    rules: [{ ...to('192.0.2.9/32'), ports: tcp(25) }],
  })
  t.same(more.egress, [
    names,
    { ...to('192.0.2.53/32'), ports: [...udp(53), ...tcp(53)] },
    { ...to('192.0.2.1/32'), ports: tcp(6432) },
    { ...to('2001:db8::/64'), ports: [...tcp(8080, 8443), ...udp(5060)] },
    { ...to('203.0.113.0/24'), ports: tcp(443) },
    { ...to('192.0.2.7/32'), ports: tcp(4318) },
    { ...to('192.0.2.9/32'), ports: tcp(25) },
  ])
})

t.test('the authorities of the database go to all who connect to it', { skip: withoutHelm }, async (t) => {
  for (const [authorities, source] of [
    [
      { configMap: 'amazon', key: 'eu.pem' },
      { configMap: { name: 'amazon', items: [{ key: 'eu.pem', path: 'ca.pem' }] } },
    ],
    [{ secret: 'amazon' }, { secret: { secretName: 'amazon', items: [{ key: 'ca.pem', path: 'ca.pem' }] } }],
  ] as const) {
    const manifests = await renderChart({ values: { database: { authorities } } })
    t.same(await schemaErrors(manifests), [])
    t.same(disagreements(manifests, [...around, 'Secret amazon']), [])
    t.match(disagreements(manifests, around.slice(0, 2)).join('\n'), /no (?:ConfigMap|Secret) amazon/)
    for (const kind of ['Deployment', 'Job']) {
      const { spec } = podOf(manifests.find((each) => each.kind === kind)!)!
      const [{ env, volumeMounts }] = spec.containers
      const named = (list: { name: string }[], name: string) => list.find((each) => each.name === name)
      t.match(named(env, 'PGSSLROOTCERT'), { value: '/etc/pooldns/authorities/ca.pem' }, kind)
      t.match(named(volumeMounts, 'authorities'), { mountPath: '/etc/pooldns/authorities' })
      t.match(named(spec.volumes, 'authorities'), source)
    }
  }
})

t.test('values that do not go together are refused, with the reason', { skip: withoutHelm }, async (t) => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ image: {} }, /image\.repository must say where the image is/],
    [{ replicaCount: 3 }, /additional properties 'replicaCount' not allowed/],
    [{ settings: { POOLDNS_GARD: 'on' } }, /at '\/settings': additional properties 'POOLDNS_GARD'/],
    [{ settings: { POOLDNS_GUARD: true } }, /at '\/settings\/POOLDNS_GUARD': got boolean, want string/],
    [{ settings: { POOLDNS_DATA_DIR: '/data' } }, /additional properties 'POOLDNS_DATA_DIR'/],
    [{ image: { repository: 'a/b:1' } }, /at '\/image\/repository'/],
    [{ dns: { port: 70000 } }, /at '\/dns\/port': maximum/],
    [{ dns: { port: 3000 } }, /dns\.port and http\.port are the same/],
    [{ database: { embedded: true } }, /database\.embedded: an embedded database is of one pod alone/],
    [{ database: { embedded: true }, replicas: 1 }, /its data would be gone with the pod/],
    [{ data: { type: 'persistentVolumeClaim' } }, /a data directory is of one server alone/],
    [{ data: { type: 'hostPath' } }, /set kind=DaemonSet/],
    [{ secrets: { existingSecret: '' } }, /secrets\.existingSecret must name the Secret/],
    [{ migration: { existingSecret: '' } }, /migration\.existingSecret must name/],
    [{ secrets: { existingSecret: '', externalSecret: { enabled: true } } }, /needs a name/],
    [{ hostNetwork: true, hostPort: { enabled: true } }, /with hostNetwork it is dns\.port/],
    [{ networkPolicy: { egress: { restricted: true } } }, /the database would be out of reach/],
    [{ networkPolicy: { egress: { database: { ports: [] } } } }, /egress\/database\/ports': minItems/],
    [
      { networkPolicy: { egress: { members: { to: [{ podSelector: {} }], ports: [] } } } },
      /by which ports members are asked/,
    ],
    [{ database: { authorities: { configMap: 'a', secret: 'b' } } }, /not out of both/],
    [{ settings: { OTEL: 'on' } }, /additional properties 'OTEL'/],
    [
      { secrets: { environment: { POOLDNS_SMTP_URL: 'smtp-url' } } },
      /POOLDNS_SMTP_URL' does not match pattern '\^OTEL_/,
    ],
    [
      { settings: { POOLDNS_KEY_FILE: '/a' }, secrets: { files: { POOLDNS_KEY_FILE: 'dnssec-key' } } },
      /POOLDNS_KEY_FILE is both a setting and a secret/,
    ],
    [
      {
        settings: { POOLDNS_SMTP_URL: 'smtp://a' },
        secrets: { files: { POOLDNS_SMTP_URL_FILE: 'smtp-url' } },
      },
      /POOLDNS_SMTP_URL and POOLDNS_SMTP_URL_FILE are both set/,
    ],
    [
      {
        ...alone,
        secrets: { existingSecret: '', files: { POOLDNS_KEY_FILE: 'dnssec-key' } },
      },
      /must name the Secret with the keys of secrets\.files/,
    ],
  ]
  for (const [values, reason] of refused)
    await t.rejects(renderChart({ values }), { message: reason }, JSON.stringify(values))
  await t.rejects(renderChart({ kubeVersion: '1.24.0' }), { message: /kubeVersion/ })
})

t.test('HTTP is answered by the names of its service', { skip: withoutHelm }, async (t) => {
  const manifests = await renderChart({ values: { settings: { POOLDNS_HTTP_HOSTS: 'dns.example' } } })
  const server = manifests.find(({ kind }) => kind === 'Deployment')!
  const { value } = podOf(server)!.spec.containers[0].env.find(
    ({ name }: { name: string }) => name === 'POOLDNS_HTTP_HOSTS',
  )
  const service = `${release.name}-pooldns-http`
  t.ok(manifests.some(({ kind, metadata }) => kind === 'Service' && metadata.name === service))
  const hosts = [
    '',
    `.${release.namespace}`,
    `.${release.namespace}.svc`,
    `.${release.namespace}.svc.cluster.local`,
  ]
  t.equal(value, [...hosts.map((rest) => `${service}${rest}`), 'dns.example'].join())
})

t.test(
  'the alert on servers that are away finds them, whatever they are called',
  { skip: withoutHelm },
  async (t) => {
    const rules = await readFile(join(repository, 'deploy/prometheus/rules.yaml'), 'utf8')
    const [, pattern] = /up\{job=~"([^"]+)"\} == 0/.exec(rules)!
    for (const fullnameOverride of ['', 'ns']) {
      const manifests = await renderChart({ values: { fullnameOverride, serviceMonitor: { enabled: true } } })
      const { relabelings = [] } = manifests.find(({ kind }) => kind === 'ServiceMonitor')!.spec.endpoints[0]
      const service = manifests.find(({ metadata }) => metadata.name.endsWith('-http'))!.metadata.name
      const job = relabelings.find(({ targetLabel }: { targetLabel: string }) => targetLabel === 'job')
      t.match(job?.replacement ?? service, new RegExp(`^(?:${pattern})$`), 'as the Operator names it')
    }
  },
)

t.test('what docs/deploy/kubernetes.md gives the chart is taken', { skip: withoutHelm }, async (t) => {
  const blocks = pageBlocks('docs/deploy/kubernetes.md')
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-values-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const given: string[][] = blocks
    .flatMap(({ text }) => text.replaceAll('\\\n', ' ').split('\n'))
    .filter((line) => /^helm install /.test(line))
    .map((line) => [...line.matchAll(/--set (\S+)/g)].flatMap(([, value]) => ['--set', value!]))
  t.equal(given.length, 3)
  for (const { language, text, line } of blocks) {
    if (language !== 'yaml') continue
    await writeFile(join(folder, `${line}.yaml`), text)
    given.push(['--set', 'image.repository=a.example/b', '--values', join(folder, `${line}.yaml`)])
  }
  t.equal(given.length, 6)
  for (const args of given) await t.resolves(run(helm!, ['template', 'dns', chart, ...args]), args.join(' '))
})

t.test('the alerts are those of Prometheus, braces and all', { skip: withoutHelm }, async (t) => {
  const manifests = await renderChart({ values: { prometheusRule: { enabled: true } } })
  const rules = parse(await readFile(join(repository, 'deploy/prometheus/rules.yaml'), 'utf8'))
  t.same(manifests.find(({ kind }) => kind === 'PrometheusRule')!.spec, rules)
})
