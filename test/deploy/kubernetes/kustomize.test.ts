/** The kustomizations, built by kubectl: what they make is what the chart makes of the same wishes, fits the schemas and holds together. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
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

const kustomize = join(repository, 'deploy/kustomize')
const around = ['Secret pooldns', 'Secret pooldns-owner', 'ConfigMap database-authorities']

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
