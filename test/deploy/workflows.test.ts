/**
 * The workflows as GitHub reads them, by its own language service: their shape, expressions, and contexts. It does not look at what the
 * actions take, which it would have to fetch; and whether they do what they should shows when GitHub runs them.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { dirname, join } from 'node:path'
import t from 'tap'
import { TextDocument } from 'vscode-languageserver-textdocument'
import { parse } from 'yaml'
import { notesOf, releases } from '../../deploy/package/changelog.ts'
import { node, repository } from '../support/daemon.ts'
import { chart, helm, withoutHelm } from '../support/kubernetes/tools.ts'

// It is written for bundlers, and imports JSON as they allow.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith('.json') ? { ...context, importAttributes: { type: 'json' } } : context),
})
const { validate } = await import('@actions/languageservice/validate')
const { registerLogger } = await import('@actions/languageservice/log')
/** An error of its own it only tells here. */
const ownErrors: string[] = []
const keep = (text: string) => ownErrors.push(text)
registerLogger({ error: keep, warn: keep, info: () => undefined, log: () => undefined })

const paths = globSync('.github/workflows/*.yaml', { cwd: repository }).sort()
const read = (path: string) => readFileSync(join(repository, path), 'utf8')
let checked = 0

/** What is wrong with a workflow, each with its line and column. */
async function problemsOf(text: string): Promise<string[]> {
  // It keeps what it has read, by the name.
  const name = `file:///${checked++}/.github/workflows/some.yaml`
  const found = await validate(TextDocument.create(name, 'yaml', 1, text))
  return [
    ...found.map(({ range, message }) => `${range.start.line + 1}:${range.start.character + 1}: ${message}`),
    ...ownErrors.splice(0),
  ]
}

t.test('GitHub finds nothing wrong with a workflow', async (t) => {
  t.ok(paths.includes('.github/workflows/release.yaml'))
  for (const path of paths) t.same(await problemsOf(read(path)), [], path)
})

t.test('a mistake in a workflow is found', async (t) => {
  const release = read('.github/workflows/release.yaml')
  const [checkout] = /actions\/checkout@\S+/.exec(release)!
  const mistakes: [string, string, RegExp][] = [
    ['runs-on: ubuntu', 'run-on: ubuntu', /^\d+:\d+: Unexpected value 'run-on'/],
    ['needs: check', 'needs: chek', /depends on unknown job 'chek'/],
    ['github.ref_name', 'guthub.ref_name', /Unrecognized named-value: 'guthub'/],
    ['steps.build.outputs', 'steps.bild.outputs', /Context access might be invalid: bild/],
    ['matrix.runner', 'matrix.runer', /Context access might be invalid: runer/],
    ['id-token: write', 'id-token: yes', /Unexpected value 'yes'/],
    [checkout!, 'actions/checkout', /Expected format \{owner\}\/\{repo\}/],
    ['  push:', '  pushed:', /Unexpected value 'pushed'/],
  ]
  for (const [right, wrong, said] of mistakes) {
    t.ok(release.includes(right), right)
    t.match((await problemsOf(release.replace(right, wrong))).join('\n'), said, wrong)
  }
})

interface Workflow {
  readonly permissions?: unknown
  readonly jobs: Record<string, Job>
}
interface Job {
  readonly needs?: string | readonly string[]
  readonly permissions?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly 'timeout-minutes'?: number
  readonly steps: readonly Step[]
}
interface Step {
  readonly name?: string
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

t.test('a workflow has few rights, an end, and takes no text of others for a command', (t) => {
  for (const path of paths) {
    const { permissions, jobs } = parse(read(path)) as Workflow
    t.same(permissions, { contents: 'read' }, `${path}: what a job needs more it says itself`)
    for (const [job, { 'timeout-minutes': minutes, steps }] of Object.entries(jobs)) {
      t.ok(minutes !== undefined, `${path}: ${job}: timeout-minutes`)
      for (const { run = '' } of steps)
        t.notMatch(run, /\$\{\{(?!\s*matrix\.)/, `${path}: ${job}: by way of env instead`)
    }
  }
  t.end()
})

t.test('what runs in a workflow is a program of bash, and names scripts that there are', (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const path of paths) {
    for (const [job, { steps }] of Object.entries((parse(read(path)) as Workflow).jobs)) {
      for (const { run } of steps) {
        if (run === undefined) continue
        const { status, stderr } = spawnSync('bash', ['-n'], {
          input: run.replaceAll(/\$\{\{.*?\}\}/g, 'x'),
          encoding: 'utf8',
        })
        t.equal(status, 0, `${path}: ${job}: ${stderr}`)
        for (const [, script] of run.matchAll(/npm run ([\w:]+)/g))
          t.ok(scripts[script!], `${path}: ${script}`)
      }
    }
  }
  t.end()
})

t.test('what a workflow starts by compose is there', (t) => {
  const { services } = parse(read('compose.yaml'), { merge: true }) as {
    services: Record<string, { profiles?: string[]; ports?: string[] }>
  }
  const profiles = new Set(Object.values(services).flatMap(({ profiles = [] }) => profiles))
  const ports = Object.values(services).flatMap(({ ports = [] }) => ports)
  const scripts = paths.flatMap((path) =>
    Object.values((parse(read(path)) as Workflow).jobs).flatMap(({ steps }) =>
      steps.map(({ run = '' }) => run),
    ),
  )
  const composed = scripts.filter((run) => /docker compose .*\bup\b/.test(run))
  t.ok(composed.length > 0)
  for (const run of composed) {
    const named = [...run.matchAll(/--profile (\S+)/g)].map(([, profile]) => profile!)
    t.same([...named].sort(), [...profiles].sort(), 'each profile is started')
    for (const [, list] of run.matchAll(/^ *for name in ([a-z][a-z -]*);/gm))
      for (const name of list!.split(' ')) t.ok(name in services, name)
    for (const [, port] of run.matchAll(/127\.0\.0\.1:(\d+)/g))
      t.ok(
        ports.some((published) => published.startsWith(`127.0.0.1:${port}:`)),
        `${port}`,
      )
  }
  t.end()
})

t.test('actions are pinned to commits, each to one', (t) => {
  const pins = new Map<string, string>()
  for (const path of paths) {
    for (const [, used] of read(path).matchAll(/uses: (.*)$/gm)) {
      // The comment is for people, and for Renovate.
      const [, action, commit, version] = /^([\w/-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$/.exec(used!) ?? []
      t.ok(action, `${path}: ${used}`)
      if (pins.has(action!)) t.equal(`${commit} ${version}`, pins.get(action!), `${path}: ${action}`)
      pins.set(action!, `${commit} ${version}`)
    }
  }
  t.end()
})

/** What a step does by which rights; a job has those of its steps, and no others. */
const rightsOf: readonly [(step: Step) => boolean, readonly string[]][] = [
  [({ uses = '' }) => uses.includes('/checkout@'), ['contents: read']],
  [({ uses = '' }) => uses.includes('/attest-build-provenance@'), ['id-token: write', 'attestations: write']],
  [(step) => step.with?.['push-to-registry'] === true, ['packages: write']],
  [({ run = '' }) => /cosign sign /.test(run), ['id-token: write', 'packages: write']],
  [({ run = '' }) => /npm publish --provenance /.test(run), ['id-token: write']],
  [({ uses = '' }) => uses.includes('/build-push-action@'), ['packages: write']],
  [({ run = '' }) => /helm push |imagetools create /.test(run), ['packages: write']],
  [({ run = '' }) => /gh release create |git .*push /.test(run), ['contents: write']],
]

function faultsOfRelease(text: string): string[] {
  const { jobs } = parse(text) as Workflow
  const faults: string[] = []
  const before = (job: string): string[] =>
    [jobs[job]!.needs ?? []].flat().flatMap((each) => [each, ...before(each)])
  for (const [name, { permissions = { contents: 'read' }, env, needs, steps }] of Object.entries(jobs)) {
    const needed = new Set(
      steps.flatMap((step) => rightsOf.flatMap(([does, them]) => (does(step) ? them : []))),
    )
    if (needed.has('contents: write')) needed.delete('contents: read')
    const has = Object.entries(permissions).map(([right, level]) => `${right}: ${level}`)
    for (const right of needed) if (!has.includes(right)) faults.push(`${name} lacks ${right}`)
    for (const right of has)
      if (!needed.has(right) && right !== 'contents: read') faults.push(`${name} needs no ${right}`)
    if (name !== 'check' && !before(name).includes('check')) faults.push(`${name} does not wait for check`)
    if (name !== 'release' && !before('release').includes(name))
      faults.push(`release does not wait for ${name}`)
    const usesImage = /\$IMAGE\b|env\.IMAGE\b/.test(JSON.stringify(steps))
    if (
      usesImage &&
      !([needs].flat().includes('check') && /needs\.check\.outputs\.image/.test(env?.IMAGE ?? ''))
    )
      faults.push(`${name} has no name of the image`)
    for (const { uses = '', with: given } of steps) {
      if (uses.includes('/build-push-action@') && !(given?.sbom === true && given?.provenance === 'mode=max'))
        faults.push(`${name} tells nobody what is in the image, and of what it is made`)
      if (
        uses.includes('/checkout@') &&
        given?.['persist-credentials'] !== false &&
        !/git .*push /.test(JSON.stringify(steps))
      )
        faults.push(`${name} leaves its token where all that it runs finds it`)
    }
  }
  const scripts = Object.entries(jobs).map(([name, { steps }]) => [name, JSON.stringify(steps)] as const)
  const does = new Map(scripts)
  for (const [name, what] of [
    ['check', 'bash .ci/run'],
    ['check', 'release-notes.ts'],
    ['check', 'merge-base --is-ancestor HEAD origin/main'],
    ['npm', 'npm publish --provenance --access public --tag next'],
    ['image-name', 'cosign sign --yes --recursive'],
    ['image-name', 'attest-build-provenance'],
    ['chart', 'cosign sign --yes'],
    ['packages', 'diff packages/SHA256SUMS again/SHA256SUMS'],
    ['packages', 'attest-build-provenance'],
    ['release', '--verify-tag'],
  ] as const)
    if (!does.get(name)?.includes(what)) faults.push(`${name} lacks ${what}`)
  if (/ghcr\.io\/\$\{\{ *github\.repository/.test(text))
    faults.push('an owner may have capitals, and an image may not')
  return faults
}

t.test(
  'a release is tested first, signed, and says what it is made of, by the rights that this takes',
  (t) => {
    const release = read('.github/workflows/release.yaml')
    t.same(faultsOfRelease(release), [])
    const image = (of: string) => `IMAGE: $\{{ ${of} }}`
    const mistakes: [string | RegExp, string, string][] = [
      [/ {6}id-token: write\n(?= {4}steps)/, '', 'npm lacks id-token: write'],
      ['packages: write', 'packages: read', 'image lacks packages: write'],
      ['needs: check', 'needs: []', 'npm does not wait for check'],
      ['sbom: true', 'sbom: false', 'image tells nobody'],
      [image('needs.check.outputs.image'), image('github.repository'), 'image has no name'],
      ['cosign sign --yes --recursive', 'cosign verify', 'image-name lacks cosign sign'],
      ['persist-credentials: false', 'persist-credentials: true', 'check leaves its token'],
      [
        'timeout-minutes: 60',
        'timeout-minutes: 60\n    permissions: { contents: read, packages: write }',
        'check needs no packages',
      ],
    ]
    for (const [right, wrong, told] of mistakes) {
      const changed = release.replace(right, wrong)
      t.not(changed, release, 'the mistake is one')
      t.match(faultsOfRelease(changed).join('\n'), told, told)
    }
    t.end()
  },
)

/** What one step of the release says to bash. */
function scriptOf(job: string, step: RegExp): string {
  const { jobs } = parse(read('.github/workflows/release.yaml')) as Workflow
  return jobs[job]!.steps.find(({ name = '' }) => step.test(name))!.run!
}

t.test('an owner with capitals has an image', (t) => {
  const folder = t.testdir()
  const env = { GITHUB_REPOSITORY: 'Some-Owner/PoolDNS', GITHUB_OUTPUT: join(folder, 'output') }
  spawnSync('bash', ['-ec', scriptOf('check', /^The name of the image/)], { env: { ...process.env, ...env } })
  t.equal(readFileSync(env.GITHUB_OUTPUT, 'utf8'), 'image=ghcr.io/some-owner/pooldns\n')
  t.end()
})

t.test('the chart of a release has the image of the release', { skip: withoutHelm }, (t) => {
  const folder = t.testdir()
  cpSync(chart, join(folder, 'deploy/helm/pooldns'), { recursive: true })
  const env = {
    PATH: `${dirname(helm!)}:${process.env.PATH}`,
    TAG: 'v9.8.7',
    IMAGE: 'ghcr.io/some-owner/pooldns',
  }
  const options = { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env } } as const
  const packed = spawnSync('bash', ['-ec', scriptOf('chart', /^Pack it/)], options)
  t.equal(packed.status, 0, packed.stderr)
  const rendered = spawnSync(helm!, ['template', 'dns', 'charts/pooldns-9.8.7.tgz'], options)
  t.match(rendered.stdout, 'image: ghcr.io/some-owner/pooldns:9.8.7\n', rendered.stderr)
  t.end()
})

t.test('continuous integration has the programs without which tests skip themselves', (t) => {
  const has = ['ci/run', 'ci/weekly'].map((name) => read(`.${name}`)).join('\n')
  const asked = new Set(
    globSync('test/**/*.ts', { cwd: repository }).flatMap((path) =>
      [...read(path).matchAll(/missingPrograms\(([^)]*)\)/g)].flatMap(([, names]) =>
        [...names!.matchAll(/'([\w.-]+)'/g)].map(([, name]) => name!),
      ),
    ),
  )
  // With a package that is asked for by another program of it, with every Ubuntu, or put there for runners.
  const others = new Set(
    (
      'promtool amtool birdc delv knotd unbound-checkconf capsh ' +
      'bash curl dpkg-deb man npm nsenter openssl prlimit script setpriv sh systemd-analyze tar taskset'
    ).split(' '),
  )
  // Not there; what they check has other checks beside them.
  const skipped = new Set(['terraform', 'fish', 'zsh', 'groff', 'mandoc'])
  for (const program of asked)
    t.ok(others.has(program) || skipped.has(program) || has.includes(`${program}:`), program)
  t.end()
})

t.test('notes of a release come from the changelog', (t) => {
  const changelog =
    '# Changelog\n\n## [Unreleased]\n\n- new\n\n## [1.1.0] - 2026-01-02\n\n### Added\n\n- this\n\n## [1.0.0]\n'
  t.same(
    releases(changelog).map(({ version }) => version),
    ['Unreleased', '1.1.0', '1.0.0'],
  )
  t.equal(notesOf(changelog, '1.1.0'), '### Added\n\n- this')
  t.throws(() => notesOf(changelog, '1.0.0'), { message: /nothing below "## \[1\.0\.0\]"/ })
  t.throws(() => notesOf(changelog, '2.0.0'), { message: /no heading "## \[2\.0\.0\]"/ })
  t.match(notesOf(read('CHANGELOG.md'), 'Unreleased'), /^### Added/)
  const release = (tag: string) =>
    spawnSync(node, ['deploy/package/release-notes.ts', tag], { cwd: repository, encoding: 'utf8' })
  t.match(release('v99.0.0'), {
    status: 1,
    stdout: '',
    stderr: /the tag is v99\.0\.0, and package\.json says/,
  })
  t.match(release('nonsense'), { status: 1, stdout: '', stderr: /"nonsense" is no tag of a release/ })
  t.end()
})

t.test('Renovate is told what it can read', (t) => {
  t.match(JSON.parse(read('renovate.json')), { extends: ['config:recommended'], packageRules: Array })
  t.end()
})
