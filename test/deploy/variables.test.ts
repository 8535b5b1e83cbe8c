/**
 * Each variable of the configuration has a place in each way to deploy the server, in the form that the way has for its kind: what is a secret
 * comes from where secrets are, what names a file has that file. A new variable that was forgotten somewhere fails here.
 */
import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { secretVariables, settingFlags } from '../../src/config.ts'
import { secrets, settings } from '../../src/config-settings.ts'
import { ofChart } from '../pages/chart-schema.ts'
import { repository } from '../support/daemon.ts'
import { podOf } from '../support/kubernetes/agreement.ts'
import { renderChart, withoutHelm } from '../support/kubernetes/tools.ts'
import { pageBlocks } from '../support/pages.ts'
import { missingPrograms } from '../support/program.ts'

const read = (path: string) => readFileSync(join(repository, path), 'utf8')
const variables = [...settingFlags(), ...secretVariables()]
const names = variables.map(({ variable }) => variable)
/** Those that hold a secret, or a URL that may have one. */
const secretNames = [...secrets].map((field) => settings[field].variable)
/** Those that name a file, a folder or a socket. */
const fileNames = variables
  .filter(({ accepted }) => /\bpaths?\b|unix:/.test(accepted))
  .map(({ variable }) => variable)
const plainNames = names.filter((name) => !secretNames.includes(name) && !fileNames.includes(name))
/** Of others than us: libpq's, and OpenTelemetry's. */
const secretsOfOthers = ['OTEL_EXPORTER_OTLP_HEADERS']
const filesOfOthers = ['PGSSLROOTCERT']

t.test('the kinds are told apart', async (t) => {
  t.match(secretNames, ['POOLDNS_ADMIN_TOKEN', 'DATABASE_URL'])
  for (const name of ['POOLDNS_KEY_FILE', 'POOLDNS_OPENID', 'POOLDNS_CERTIFICATE_DIR', 'POOLDNS_DNSTAP'])
    t.ok(fileNames.includes(name), name)
  t.ok(plainNames.length > 25)
})

/** Where each way says what it does with secrets and files. */
const ways: Readonly<Record<string, readonly string[]>> = {
  chart: ['deploy/helm/pooldns/{values.yaml,templates/*.*}', 'docs/deploy/kubernetes.md'],
  kustomize: ['deploy/kustomize/**/*.yaml'],
  compose: ['compose.yaml', 'deploy/pooldns.env.example', 'docs/deploy/compose.md', 'Containerfile'],
  systemd: ['deploy/systemd/*', 'docs/deploy/{systemd,debian}.md'],
  terraform: ['deploy/terraform/*.tf', 'docs/deploy/aws.md'],
}

for (const [way, patterns] of Object.entries(ways)) {
  t.test(`${way}: what is a secret, or names a file, has a place`, async (t) => {
    const text = patterns
      .flatMap((pattern) => globSync(pattern, { cwd: repository }))
      .map(read)
      .join('\n')
    const wanted = [...secretNames, ...fileNames, ...secretsOfOthers, ...filesOfOthers]
    t.same(
      wanted.filter((name) => !new RegExp(`\\b${name}(?:_FILE)?\\b`).test(text)),
      [],
    )
  })
}

t.test('the chart gives the server all of them', { skip: withoutHelm }, async (t) => {
  const setting = [...plainNames, ...fileNames].filter((name) => !ofChart.includes(name))
  const mounted = secretNames.filter((name) => !['DATABASE_URL', 'POOLDNS_ADMIN_TOKEN'].includes(name))
  const manifests = await renderChart({
    values: {
      settings: Object.fromEntries([...setting, 'OTEL_SERVICE_NAME'].map((name) => [name, 'a'])),
      secrets: {
        files: Object.fromEntries(mounted.map((name) => [`${name}_FILE`, name.toLowerCase()])),
        environment: { OTEL_EXPORTER_OTLP_HEADERS: 'headers' },
      },
      certificates: { existingSecret: 'certificates' },
      database: { authorities: { configMap: 'authorities' } },
      // Else it is what the server does by itself.
      dns: { port: 53 },
    },
  })
  const { env } = podOf(manifests.find(({ kind }) => kind === 'Deployment')!)!.spec.containers[0]
  const given = new Set(env.map(({ name }: { name: string }) => name.replace(/_FILE$/, '')))
  const wanted = [...names, ...secretsOfOthers, ...filesOfOthers, 'OTEL_SERVICE_NAME']
  t.same(
    wanted.filter((name) => !given.has(name.replace(/_FILE$/, ''))),
    [],
  )
})

t.test('compose passes on those of OpenTelemetry, and mounts what settings name', async (t) => {
  const { pooldns } = parse(read('compose.yaml'), { merge: true }).services
  const example = read('deploy/pooldns.env.example')
  const [, list] = /^## OpenTelemetry$([\s\S]*?)^## /m.exec(read('docs/deploy/monitoring.md'))!
  for (const name of Object.keys(pooldns.environment))
    if (name.startsWith('OTEL_')) t.ok(list!.includes(name.replace('OTEL_EXPORTER_OTLP', '')), name)
  for (const name of ['ENDPOINT', 'HEADERS']) t.ok(`OTEL_EXPORTER_OTLP_${name}` in pooldns.environment, name)
  const [block] = pageBlocks('docs/deploy/compose.md').filter(({ language }) => language === 'yaml')
  const { services } = parse(block!.text, { merge: true })
  const mounted = services.pooldns.volumes.map((volume: string) => volume.split(':')[1])
  const inVolume = (path: string) =>
    mounted.some((folder: string) => `${path}/`.startsWith(`${folder}/`)) ||
    path.startsWith('/var/lib/pooldns/')
  for (const name of fileNames) {
    const [, value] = new RegExp(`^#${name}=(?:unix:)?(.*)$`, 'm').exec(example) ?? []
    if (value === undefined)
      t.match(read('Containerfile') + block!.text, /POOLDNS_DATA_DIR=|certificates/, name)
    else t.ok(inVolume(value), `${name}: ${value}`)
  }
  t.ok(inVolume(services.pooldns.environment.PGSSLROOTCERT))
  t.same(services['pooldns-two'], services.pooldns, 'both have them')
})

t.test('the module for AWS takes all of them', { skip: missingPrograms('terraform') }, async (t) => {
  const decided = ['POOLDNS_DATA_DIR', 'POOLDNS_DNS_LISTEN', 'POOLDNS_HTTP_LISTEN', 'POOLDNS_KEY_FILE']
  const servers = read('deploy/terraform/servers.tf')
  for (const name of [...decided, 'DATABASE_URL', 'POOLDNS_ADMIN_TOKEN']) t.match(servers, name, name)
  const setting = [...plainNames, ...fileNames].filter((name) => !decided.includes(name))
  const secret = secretNames.filter((name) => !['DATABASE_URL', 'POOLDNS_ADMIN_TOKEN'].includes(name))
  const entry = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:one-AbCdEf'
  const given = {
    settings: Object.fromEntries([...setting, 'OTEL_SERVICE_NAME'].map((name) => [name, 'a'])),
    secret_settings: Object.fromEntries([...secret, ...secretsOfOthers].map((name) => [name, entry])),
  }
  t.equal(await taken(t, given), '"taken"\n')
})

/** What Terraform says to values of the module's variables. */
async function taken(t: Test, values: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = t.testdir({ 'values.tfvars.json': JSON.stringify(values) })
  for (const name of ['variables.tf', 'production.tfvars'])
    await cp(join(repository, 'deploy/terraform', name), join(folder, name))
  const files = ['production.tfvars', 'values.tfvars.json'].map((name) => `-var-file=${name}`)
  const asked = promisify(execFile)(
    'terraform',
    ['console', '-no-color', ...files, '-var', 'image=example.com/pooldns:0.1.0'],
    { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, CHECKPOINT_DISABLE: '1' } },
  )
  asked.child.stdin!.end('"taken"\n')
  return (await asked).stdout
}
