/**
 * The image, without a container engine: the Containerfile is read, and what its last stage is made of is put together in
 * a folder by its own COPY lines, built by its own RUN line, and started by its own ENTRYPOINT as an unprivileged user
 * who can't write there. Only `npm ci` is left out; instead, no module of the build may import what isn't a production
 * dependency.
 */
import { execFile } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, matchesGlob } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { type DaemonProcess, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { dropPrivileges, unprivileged } from '../support/unprivileged.ts'

const run = promisify(execFile)
// tap has every process that a test starts load its own modules, for coverage: not the one that builds, and
// not a user who may not write their files. It does so behind the back of `spawn`, so the way out is another program.
const withoutTap = ['env', '-u', 'NODE_OPTIONS']

interface Instruction {
  readonly word: string
  readonly rest: string
}

const stages = parseContainerfile(await readFile(join(repository, 'Containerfile'), 'utf8'))
const last = stages.at(-1)!
const { dependencies, optionalDependencies, engines } = JSON.parse(
  await readFile(join(repository, 'package.json'), 'utf8'),
)
/** The image has the optional ones as well. */
const shipped = { ...dependencies, ...optionalDependencies }

t.test('what the Containerfile says', async (t) => {
  const [base] = stages[0]!
  t.match(base, { word: 'ARG', rest: /^NODE_IMAGE=docker\.io\/library\/node:\d+-bookworm-slim$/ })
  t.match(engines.node, new RegExp(`^>=${/node:(\d+)/.exec(base!.rest)![1]}\\b`))
  for (const [from] of stages.slice(1)) t.match(from!.rest, /^\$\{NODE_IMAGE\}/)
  const only = (word: string) => last.filter((each) => each.word === word).map(({ rest }) => rest)
  t.same(only('USER'), [`${unprivileged}:${unprivileged}`])
  t.same(only('EXPOSE'), ['9999/udp 9999/tcp 3000/tcp'])
  t.same(only('STOPSIGNAL'), ['SIGTERM'])
  t.same(only('VOLUME'), ['/var/lib/pooldns'])
  t.same(only('CMD'), ['["serve"]'])
  t.match(only('ENV')[0], /NODE_ENV=production/)
  const installs = stages.flat().filter(({ rest }) => rest.startsWith('npm ci '))
  t.equal(installs.length, 2)
  for (const { rest } of installs) t.notMatch(rest, 'optional', 'the optional dependencies are there')
  t.match(only('LABEL')[0], /org\.opencontainers\.image\.licenses="Apache-2\.0"/)
})

t.test('all that it copies is there and not ignored', async (t) => {
  const rules = (await readFile(join(repository, '.dockerignore'), 'utf8')).split('\n')
  t.ok(rules.includes('*'), 'everything else is ignored')
  const allowed = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1))
  const copied = new Set(stages.flat().flatMap((each) => copyOf(each)?.fromContext ?? []))
  t.same([...copied].sort(), allowed.sort())
  for (const path of copied) await t.resolves(stat(join(repository, path)), path)
})

t.test('the image that it makes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-image-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  const app = join(folder, 'app')
  await build(join(folder, 'dist'))
  await assemble(app, join(folder, 'dist'))
  await t.test('imports what the image has', (t) => importsAreShipped(t, join(app, 'dist')))

  const dataDir = join(folder, 'data')
  await mkdir(dataDir, { mode: 0o700 })
  const through = await dropPrivileges()
  if (through.length > 0) await chown(dataDir, unprivileged, unprivileged)
  await run('chmod', ['-R', 'a-w', app])
  t.teardown(() => run('chmod', ['-R', 'u+w', app]))

  const entry = join(app, ...commandOf('ENTRYPOINT')[1]!.split('/').slice(2))
  // Its own backends need their fixed ports; its document, the workers and the migrations are found from `dist`.
  const env = { POOLDNS_HTTP_LISTEN: '0.0.0.0:0', NODE_ENV: 'production' }
  const daemon = await startDaemonProcess({
    demo: true,
    dataDir,
    entry,
    env,
    through: [...withoutTap, ...through],
  })
  t.teardown(() => daemon.stop())
  if (through.length > 0) t.match(await readFile(`/proc/${daemon.pid}/status`, 'utf8'), /^Uid:\s+1000\s/m)

  const resolver = new Resolver({ timeout: 60_000, tries: 3 })
  resolver.setServers([`127.0.0.1:${daemon.dns.port}`])
  t.same((await resolver.resolve4('www.example.test')).sort(), ['192.0.2.11', '192.0.2.12', '192.0.2.13'])

  await t.test('its health check', async (t) => {
    t.match(await healthCheck(app, daemon), { code: 0, stderr: '' })
    t.same(await daemon.stop(), { code: 0, signal: null })
    t.match(await healthCheck(app, daemon), { code: 1, stderr: /ECONNREFUSED/ })
  })
})

async function healthCheck(app: string, daemon: DaemonProcess): Promise<{ code: number; stderr: string }> {
  const [, file] = JSON.parse(
    /CMD (\[.*\])$/.exec(last.find(({ word }) => word === 'HEALTHCHECK')!.rest)![1]!,
  )
  const env = { PATH: process.env.PATH, POOLDNS_HTTP_LISTEN: String(daemon.ready.http) }
  try {
    const { stderr } = await run(node, [join(app, file.replace('/app/', ''))], { env })
    return { code: 0, stderr }
  } catch (error) {
    return error as { code: number; stderr: string }
  }
}

/** Stages of a Containerfile; the first holds what stands before the first FROM. */
function parseContainerfile(text: string): Instruction[][] {
  const stages: Instruction[][] = [[]]
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
  for (const line of lines.split('\n')) {
    const [, word, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? []
    if (word === undefined) {
      if (line !== '') throw new Error(`Containerfile: ${line}`)
      continue
    }
    if (word === 'FROM') stages.push([])
    stages.at(-1)!.push({ word, rest: rest! })
  }
  return stages
}

/** What a COPY takes from where. */
function copyOf({ word, rest }: Instruction) {
  if (word !== 'COPY') return undefined
  const words = rest.split(' ')
  const stage = /^--from=(\w+)$/.exec(words[0]!)?.[1]
  const paths = stage === undefined ? words : words.slice(1)
  const sources = paths.slice(0, -1)
  return { stage, sources, target: paths.at(-1)!, fromContext: stage === undefined ? sources : [] }
}

/** The array behind the last stage's ENTRYPOINT or CMD. */
function commandOf(word: string): string[] {
  return JSON.parse(last.find((each) => each.word === word)!.rest)
}

/** Without the files of an empty database that the image has: this is the test of a start that makes them. */
async function build(outDir: string): Promise<void> {
  const command = stages.flat().find(({ word, rest }) => word === 'RUN' && rest.includes('program.mjs'))!.rest
  const [program, ...args] = command.split(' ')
  if (program !== 'node') throw new Error(`not what this test can run: ${command}`)
  const [env, ...rest] = [...withoutTap, node, ...args, outDir]
  await run(env!, rest, { cwd: repository })
}

/** Does the COPY lines of the last stage. */
async function assemble(app: string, dist: string): Promise<void> {
  await mkdir(app)
  for (const copy of last.map(copyOf)) {
    if (copy === undefined) continue
    const { stage, sources, target } = copy
    if (stage === 'dependencies') await symlink(join(repository, 'node_modules'), join(app, target))
    else if (stage === 'build') await cp(dist, join(app, target), { recursive: true })
    // A program of the system, with a right that is kept beside it.
    else if (stage === 'rights') continue
    else
      for (const source of sources) await copyInto(app, source, sources.length === 1 ? target : null, target)
  }
}

async function copyInto(app: string, source: string, exact: string | null, folder: string): Promise<void> {
  const name = source.split('/').at(-1)!
  const target = exact !== null && !exact.endsWith('/') ? join(app, exact) : join(app, folder, name)
  await mkdir(dirname(target), { recursive: true })
  await cp(join(repository, source), target, { recursive: true })
}

async function importsAreShipped(t: Test, dist: string): Promise<void> {
  const files = (await readdir(dist, { recursive: true })).filter((file) => matchesGlob(file, '**/*.js'))
  t.ok(files.length > 50)
  const imported = new Set<string>()
  for (const file of files) {
    const source = await readFile(join(dist, file), 'utf8')
    for (const [, specifier] of source.matchAll(
      /^(?:import|export) (?:[\w$*{},\s]+? from )?['"]([^'"]+)['"]/gm,
    )) {
      if (specifier!.startsWith('.')) t.match(specifier, /\.js$/, `${file}: ${specifier}`)
      else if (!isBuiltin(specifier!)) imported.add(/^(?:@[^/]+\/)?[^/]+/.exec(specifier!)![0])
    }
  }
  t.ok(imported.size > 5)
  t.same(
    [...imported].filter((name) => !(name in shipped)),
    [],
  )
}
