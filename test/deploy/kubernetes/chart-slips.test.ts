/** Slips that an editor of the chart could make, each of which is found. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { disagreements } from '../../support/kubernetes/agreement.ts'
import { schemaErrors } from '../../support/kubernetes/schema.ts'
import { chart, type Manifest, renderChart, withoutHelm } from '../../support/kubernetes/tools.ts'

const around = ['Secret pooldns', 'Secret pooldns-owner', 'ConfigMap amazon']

const slips: [string, (text: string) => string, RegExp][] = [
  [
    '_pod.tpl',
    (text) => text.replace('readOnlyRootFilesystem', 'readOnlyRootFileSystem'),
    /can write its root file system/,
  ],
  ['_pod.tpl', (text) => text.replace('capabilities:', 'capabilitys:'), /keeps capabilities/],
  [
    '_pod.tpl',
    (text) => text.replace('name: dns-tcp', 'name: dns'),
    /no container has the port dns-tcp over TCP/,
  ],
  ['_pod.tpl', (text) => text.replaceAll('protocol: UDP', 'protocol: TCP'), /port dns-udp over UDP/],
  [
    '_pod.tpl',
    (text) => text.replace('- name: tmp', '- name: temp'),
    /mounts the volume tmp, which is not there/,
  ],
  ['_pod.tpl', (text) => text.replace('port: http }', 'port: https }'), /startupProbe asks the port https/],
  [
    '_pod.tpl',
    (text) => text.replace('POOLDNS_WORKERS', 'POOLDNS_DATA_DIR'),
    /POOLDNS_DATA_DIR is set twice/,
  ],
  [
    '_pod.tpl',
    (text) => text.replace('mountPath: /tmp', 'mountPath: /var/lib/pooldns'),
    /mounts two volumes at/,
  ],
  ['_pod.tpl', (text) => text.replace('    - name: tmp', '    - name: data'), /two volumes are called data/],
  ['_pod.tpl', (text) => text.replace('POOLDNS_WORKERS', 'POOLDNS_WORKER'), /did you mean POOLDNS_WORKERS/],
  [
    '_pod.tpl',
    (text) => text.replace('drainSeconds) 15', 'drainSeconds) 5'),
    /is killed 25 s after its end begins/,
  ],
  ['_pod.tpl', (text) => text.replace('failureThreshold: 6', 'failureThreshold: six'), /must be integer/],
  [
    '_pod.tpl',
    (text) => text.replace('terminationGracePeriodSeconds', 'terminationGraceSeconds'),
    /terminationGraceSeconds/,
  ],
  ['_pod.tpl', (text) => text.replace('matchLabelKeys', 'matchLabelKey'), /matchLabelKey/],
  ['_pod.tpl', (text) => text.replace('enableServiceLinks: false', ''), /other services set variables/],
  ['_helpers.tpl', (text) => text.replace('runAsNonRoot: true', 'runAsNonRoot: false'), /may run as root/],
  ['services.yaml', (text) => text.replaceAll('serverLabels', 'selectorLabels'), /selects Job .*, too/],
  ['services.yaml', (text) => text.replaceAll('component: http', 'component: api'), /selects 0 services/],
  ['server.yaml', (text) => text.replace('apps/v1', 'apps/v1beta1'), /v1beta1 is no stable version/],
  [
    'network-policy.yaml',
    (text) => text.replace('port: http,', 'port: api,'),
    /no container has the port api/,
  ],
  [
    'network-policy.yaml',
    (text) =>
      text.replace('      ports:\n        {{- range .ports }}', '      port:\n        {{- range .ports }}'),
    /\bport\b/,
  ],
  [
    '_pod.tpl',
    (text) => text.replace('mountPath: /etc/pooldns/authorities', 'mountPath: /etc/authorities'),
    /\/etc\/pooldns\/authorities\/ca\.pem lies in no volume/,
  ],
  ['migration.yaml', (text) => text.replace('.Values.migration.existingSecret', '"none"'), /no Secret none/],
  [
    'service-account.yaml',
    (text) => text.replace('kind: ServiceAccount', 'kind: Role'),
    /gives rights|no such kind/,
  ],
  ['service-monitor.yaml', (text) => text.replace('interval:', 'intervall:'), /intervall/],
  [
    'service-monitor.yaml',
    (text) => text.replace('honorLabels: true', 'honorLabels: false'),
    /label service/,
  ],
  ['external-secrets.yaml', (text) => text.replace('remoteRef:', 'remoteReference:'), /remoteRef/],
]

t.test('a slip in the chart is found', { skip: withoutHelm }, async (t) => {
  const scratch = await mkdtemp(join(tmpdir(), 'pooldns-chart-'))
  t.teardown(() => rm(scratch, { recursive: true, force: true }))
  for (const [index, [file, change, told]] of slips.entries()) {
    const folder = join(scratch, String(index), 'pooldns')
    await cp(chart, folder, { recursive: true })
    await slip(t, join(folder, 'templates', file), change)
    const values = {
      serviceMonitor: { enabled: true },
      secrets: { externalSecret: { enabled: file.startsWith('ext') } },
      database: { authorities: { configMap: 'amazon' } },
      networkPolicy: { egress: { restricted: true, database: { to: [{ podSelector: {} }] } } },
    }
    t.match((await faults(await renderChart({ folder, values }))).join('\n'), told, `${file}: ${told}`)
  }
})

async function slip(t: Test, path: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(path, 'utf8')
  const changed = change(text)
  t.not(changed, text, 'the slip is one')
  await writeFile(path, changed)
}

/** The compiler, which takes longest, is asked only about what nobody else has found. */
async function faults(manifests: readonly Manifest[]): Promise<string[]> {
  const found = disagreements(manifests, around)
  return found.length > 0 ? found : await schemaErrors(manifests)
}
