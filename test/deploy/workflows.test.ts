/**
 * The workflows as GitHub reads them, by its own language service: their shape, expressions, and contexts. It does not look at what the
 * actions take, which it would have to fetch; and whether they do what they should shows when GitHub runs them.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { TextDocument } from 'vscode-languageserver-textdocument'
import { parse } from 'yaml'
import { notesOf, releases } from '../../deploy/package/changelog.ts'
import { node, repository } from '../support/daemon.ts'

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
  const mistakes: [string, string, RegExp][] = [
    ['runs-on: ubuntu', 'run-on: ubuntu', /^\d+:\d+: Unexpected value 'run-on'/],
    ['needs: check', 'needs: chek', /depends on unknown job 'chek'/],
    ['github.ref_name', 'guthub.ref_name', /Unrecognized named-value: 'guthub'/],
    ['steps.build.outputs', 'steps.bild.outputs', /Context access might be invalid: bild/],
    ['matrix.runner', 'matrix.runer', /Context access might be invalid: runer/],
    ['id-token: write', 'id-token: yes', /Unexpected value 'yes'/],
    ['actions/checkout@v5', 'actions/checkout', /Expected format \{owner\}\/\{repo\}/],
    ['  push:', '  pushed:', /Unexpected value 'pushed'/],
  ]
  for (const [right, wrong, said] of mistakes) {
    t.ok(release.includes(right), right)
    t.match((await problemsOf(release.replace(right, wrong))).join('\n'), said, wrong)
  }
})

interface Workflow {
  readonly permissions?: unknown
  readonly jobs: Record<string, { readonly 'timeout-minutes'?: number; readonly steps: readonly Step[] }>
}
interface Step {
  readonly name?: string
  readonly uses?: string
  readonly run?: string
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
