/** The kustomizations, built by kubectl: what they make is what the chart makes of the same wishes, fits the schemas and holds together. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { repository } from '../../support/daemon.ts'
import { disagreements, podOf } from '../../support/kubernetes/agreement.ts'
import { schemaErrors } from '../../support/kubernetes/schema.ts'
import {
  buildKustomization,
  type Manifest,
  renderChart,
  withoutHelm,
  withoutKubectl,
} from '../../support/kubernetes/tools.ts'
import { pageBlocks } from '../../support/pages.ts'

const kustomize = join(repository, 'deploy/kustomize')
const around = [
  'Secret pooldns',
  'Secret pooldns-owner',
  'Secret client-certificates',
  'ConfigMap database-authorities',
]

const scratch = await mkdtemp(join(tmpdir(), 'pooldns-kustomize-'))
t.teardown(() => rm(scratch, { recursive: true, force: true }))
await cp(kustomize, join(scratch, 'kustomize'), { recursive: true })

/** The base with components, in a folder of its own. */
async function build(...components: string[]): Promise<Manifest[]> {
  const folder = await mkdtemp(join(scratch, 'kustomize/overlay-'))
  const paths = components.map((name) => `../components/${name}`)
  await writeFile(
    join(folder, 'kustomization.yaml'),
    JSON.stringify({ resources: ['../base'], components: paths }),
  )
  return await buildKustomization(folder)
}

const ways: Record<string, { components: string[]; values: Record<string, unknown> }> = {
  base: { components: [], values: {} },
  monitoring: {
    components: ['monitoring'],
    values: {
      serviceMonitor: { enabled: true },
      prometheusRule: { enabled: true },
      networkPolicy: {
        httpFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
      },
    },
  },
  'database-authorities': {
    components: ['database-authorities'],
    values: { database: { authorities: { configMap: 'database-authorities' } } },
  },
  'signed-zones': {
    components: ['signed-zones'],
    values: { secrets: { files: { POOLDNS_KEY_FILE: 'dnssec-key' } } },
  },
  'client-certificates': {
    components: ['client-certificates'],
    values: { certificates: { existingSecret: 'client-certificates' } },
  },
  'host-network': {
    components: ['host-network'],
    values: {
      kind: 'DaemonSet',
      hostNetwork: true,
      dns: { port: 53 },
      service: { enabled: false },
      topologySpread: { enabled: false },
      nodeSelector: { pooldns: 'yes' },
    },
  },
}

for (const [name, { components, values }] of Object.entries(ways)) {
  t.test(`${name}: fits, and holds together`, { skip: withoutKubectl }, async (t) => {
    const manifests = await build(...components)
    t.same(await schemaErrors(manifests), [])
    t.same(disagreements(manifests, around), [])
  })

  t.test(`${name}: as the chart has it`, { skip: withoutKubectl || withoutHelm }, async (t) => {
    const built = comparable(await build(...components))
    const rendered = comparable(
      await renderChart({
        values: { ...values, fullnameOverride: 'pooldns', image: { repository: 'pooldns' } },
      }),
    )
    t.same(Object.keys(built).sort(), Object.keys(rendered).sort())
    for (const [name, spec] of Object.entries(rendered)) t.same(built[name], spec, name)
  })
}

t.test('the example is an installation', { skip: withoutKubectl }, async (t) => {
  const manifests = await buildKustomization(join(scratch, 'kustomize/example'))
  t.same(await schemaErrors(manifests), [])
  t.same(disagreements(manifests), [], 'its Secrets come from the store')
  const { spec, metadata } = manifests.find(({ kind }) => kind === 'Deployment')!
  t.equal(metadata.namespace, 'name-service')
  t.equal(spec.replicas, 3)
  t.match(spec.template.spec.containers[0], {
    image: /^registry\.example\.com\/team\/pooldns:/,
    env: [{}, {}, { name: 'POOLDNS_HTTP_HOSTS', value: /^pooldns-http,pooldns-http\.name-service,/ }],
  })
})

/** The example with what stands behind number signs in it, but for components that are left out. */
async function wholeExample(...without: string[]): Promise<Manifest[]> {
  const folder = await mkdtemp(join(scratch, 'kustomize/example-'))
  await cp(join(scratch, 'kustomize/example'), folder, { recursive: true })
  for (const name of ['kustomization.yaml', 'external-secrets.yaml']) {
    const text = await readFile(join(folder, name), 'utf8')
    const all = text
      .replaceAll(/^( *)# (?=- (?:\{|\.\.)|configMapGenerator:| {2}- )/gm, '$1')
      .split('\n')
      .filter((line) => !without.some((component) => line.endsWith(`components/${component}`)))
    t.notMatch(all.join('\n'), /# +-/)
    await writeFile(join(folder, name), all.join('\n'))
  }
  await writeFile(join(folder, 'openid.yaml'), 'issuer: https://login.example\n')
  return await buildKustomization(folder)
}

t.test('all that the example can add goes together', { skip: withoutKubectl }, async (t) => {
  for (const without of [[], ['host-network']]) {
    const manifests = await wholeExample(...without)
    t.same(await schemaErrors(manifests), [])
    t.same(disagreements(manifests, around), [])
    const [server] = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet')
    t.equal(server!.kind, without.length === 0 ? 'DaemonSet' : 'Deployment')
    const { spec } = podOf(server!)!
    const { env } = spec.containers[0]
    const given = Object.fromEntries(env.map(({ name, value }: Record<string, string>) => [name, value]))
    t.match(
      given,
      {
        POOLDNS_LOG_LEVEL: 'warn',
        POOLDNS_HTTP_HOSTS: /name-service/,
        POOLDNS_KEY_FILE: '/etc/pooldns/secrets/dnssec-key',
        POOLDNS_CERTIFICATE_DIR: '/etc/pooldns/certificates',
        POOLDNS_OPENID: '/etc/pooldns/files/openid.yaml',
        POOLDNS_OPENID_SECRET_FILE: '/etc/pooldns/secrets/openid-secret',
        POOLDNS_SMTP_URL_FILE: '/etc/pooldns/secrets/smtp-url',
        POOLDNS_CACHE_URL_FILE: '/etc/pooldns/secrets/cache-url',
        PGSSLROOTCERT: '/etc/pooldns/authorities/ca.pem',
      },
      server!.kind,
    )
    const { secret } = spec.volumes.find(({ name }: { name: string }) => name === 'secrets')
    const keys = secret.items.map(({ key }: { key: string }) => key)
    const made = manifests.find(
      ({ kind, metadata }) => kind === 'ExternalSecret' && metadata.name === 'pooldns',
    )!
    t.same(made.spec.data.map(({ secretKey }: { secretKey: string }) => secretKey).sort(), keys.sort())
  }
})

t.test('its restricted egress is that of the chart', { skip: withoutKubectl || withoutHelm }, async (t) => {
  const block = pageBlocks('docs/deploy/kubernetes.md').find(({ text }) =>
    /^ +restricted: true$/m.test(text),
  )!
  const policyOf = (manifests: readonly Manifest[]) =>
    manifests.find(({ kind }) => kind === 'NetworkPolicy')!.spec
  const rules = (manifests: readonly Manifest[]) =>
    policyOf(manifests)
      .egress.map((rule: unknown) => JSON.stringify(rule, Object.keys(flat(rule)).sort()))
      .sort()
  const built = await wholeExample()
  const rendered = await renderChart({ values: parse(block.text) })
  t.same(policyOf(built).policyTypes, policyOf(rendered).policyTypes)
  t.same(rules(built), rules(rendered))
})

/** The names of all fields within, for an order of them. */
function flat(value: unknown): Record<string, true> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.assign(
    {},
    ...Object.entries(value).map(([name, within]) => ({ [name]: true, ...flat(within) })),
  )
}

t.test('its version is that of the program', async (t) => {
  const { version } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'))
  for (const file of ['base', 'example'])
    t.match(await readFile(join(kustomize, file, 'kustomization.yaml'), 'utf8'), `newTag: ${version}\n`)
})

const slips: [string, (text: string) => string, RegExp][] = [
  ['base/deployment.yaml', (text) => text.replace('port: http }', 'port: web }'), /asks the port web/],
  ['base/deployment.yaml', (text) => text.replace('minReadySeconds', 'minReadySecond'), /minReadySecond/],
  ['base/deployment.yaml', (text) => text.replace('drop: [ALL]', 'drop: []'), /keeps capabilities/],
  [
    'base/services.yaml',
    (text) => text.replaceAll('component: server', 'component: dns'),
    /selects no server/,
  ],
  [
    'base/migrate.yaml',
    (text) => text.replace('secretName: pooldns-owner', 'secretName: owner'),
    /no Secret owner/,
  ],
]

t.test('a slip in a component is found', { skip: withoutKubectl }, async (t) => {
  const path = join(scratch, 'kustomize/components/signed-zones/key-file.yaml')
  const text = await readFile(path, 'utf8')
  const found = async (from: string, to: string) => {
    t.ok(text.includes(from))
    await writeFile(path, text.replace(from, to))
    const wrong = await build('signed-zones').then(
      (manifests) => disagreements(manifests, around).join(),
      String,
    )
    await writeFile(path, text)
    return wrong
  }
  t.match(await found('path: dnssec-key', 'path: dnssec.key'), /the volume secrets has no .*dnssec-key/)
  t.match(await found('secrets/dnssec-key', 'dnssec-key'), /dnssec-key lies in no volume/)
  t.match(await found('volumes/2/name', 'volumes/1/name'), /test.* failed/i)
})

t.test('a slip is found', { skip: withoutKubectl }, async (t) => {
  for (const [file, change, told] of slips) {
    const path = join(scratch, 'kustomize', file)
    const text = await readFile(path, 'utf8')
    t.not(change(text), text, 'the slip is one')
    await writeFile(path, change(text))
    const manifests = await build()
    await writeFile(path, text)
    const found = disagreements(manifests, around)
    t.match((found.length > 0 ? found : await schemaErrors(manifests)).join('\n'), told, `${file}: ${told}`)
  }
})

/** What they are to have in common, by kind and name: labels and names of the namespace differ by nature. */
function comparable(manifests: readonly Manifest[]): Record<string, unknown> {
  const kept = manifests.filter(({ kind }) => kind !== 'Pod')
  return Object.fromEntries(kept.map((each) => [`${each.kind} ${each.metadata.name}`, comparableSpec(each)]))
}

function comparableSpec(manifest: Manifest): unknown {
  const spec = structuredClone(manifest.spec)
  for (const { env } of podOf({ ...manifest, spec })?.spec.containers ?? []) {
    // Kustomize does not know the namespace.
    for (const variable of env)
      if (variable.name === 'POOLDNS_HTTP_HOSTS') variable.value = variable.value.split(',')[0]
    env.sort((one: { name: string }, other: { name: string }) => one.name.localeCompare(other.name))
  }
  delete spec?.ttlSecondsAfterFinished
  // The component's nodes are for servers.
  if (manifest.kind === 'Job') delete spec.template.spec.nodeSelector
  delete spec?.namespaceSelector
  return JSON.parse(
    JSON.stringify(spec ?? null, (field, value) => {
      const isLabels = ['labels', 'matchLabels', 'selector'].includes(field) && typeof value === 'object'
      if (!isLabels) return value
      const { 'app.kubernetes.io/name': _, 'app.kubernetes.io/instance': __, ...rest } = value
      return rest
    }),
  )
}
