/** The program as every package has it: compiled, with the dependencies that it has when it runs, and its Node. */
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { architectures, filesBelow, type Packaged, put, repository, run } from './packaged.ts'

export interface StagedProgram {
  /** Holds `bin/node`, `dist`, `node_modules` and so on. */
  readonly folder: string
  /** The licence of Node and of what is built into it. */
  readonly nodeLicence: string
  /** A page for man(1). */
  readonly manPage: string
  /** Scripts for the shells, by their names. */
  readonly completions: Readonly<Record<'bash' | 'zsh' | 'fish', string>>
}

export function stageProgram({ arch, work }: Packaged): StagedProgram {
  const folder = join(work, 'program')
  mkdirSync(folder)
  for (const file of ['package.json', 'package-lock.json', 'LICENSE'])
    copyFileSync(join(repository, file), join(folder, file))
  installPackages(folder, arch)
  prune(join(folder, 'node_modules'))
  run(process.execPath, ['.ci/program.mjs', join(folder, 'dist')])
  run(process.execPath, ['.ci/console.mjs', join(folder, 'dist')])
  run(process.execPath, ['.ci/ready-made.mjs', join(folder, 'dist')])
  cpSync(join(repository, 'drizzle'), join(folder, 'drizzle'), { recursive: true })
  mkdirSync(join(folder, 'deploy'))
  copyFileSync(join(repository, 'deploy/demo.yaml'), join(folder, 'deploy/demo.yaml'))

  const node = join(work, 'node')
  mkdirSync(node)
  for (const file of ['package.json', 'package-lock.json'])
    copyFileSync(join(repository, 'deploy/package/node', file), join(node, file))
  installPackages(node, arch)
  const found = join(node, `node_modules/node-linux-${architectures[arch]}`)
  mkdirSync(join(folder, 'bin'))
  copyFileSync(join(found, 'bin/node'), join(folder, 'bin/node'))
  chmodSync(join(folder, 'bin/node'), 0o755)

  // Of this machine's Node and the sources: the one that was staged may be another architecture's.
  const said = (...args: string[]) => run(process.execPath, ['src/main.ts', ...args])
  return {
    folder,
    nodeLicence: join(found, 'LICENSE'),
    manPage: said('man'),
    completions: {
      bash: said('completion', 'bash'),
      zsh: said('completion', 'zsh'),
      fish: said('completion', 'fish'),
    },
  }
}

/** What the lockfile pins, without install scripts, for Linux with glibc on that architecture. */
function installPackages(folder: string, arch: Packaged['arch']): void {
  const how = [
    '--omit=dev',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--loglevel=error',
  ]
  // Whatever the environment of `npm run` says of the packages of this clone.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_package_/.test(name)))
  run('npm', ['ci', ...how, '--os=linux', `--cpu=${architectures[arch]}`, '--libc=glibc'], {
    cwd: folder,
    env,
  })
}

/** What no program reads: types and their maps, tests and pages of packages, what their authors' tools read, and npm's own notes. */
const unread = [
  /(^|\/)\./,
  /\.(ts|cts|mts|map)$/,
  /^(.*\/)?node_modules\/(@[^/]+\/)?[^/]+\/[^/]+\.html$/,
  /^(.*\/)?node_modules\/(@[^/]+\/)?[^/]+\/(test|tests|spec|bench|benchmarks?|docs|examples?|integration|player|scripts)\//,
  /^(@types|undici-types|openapi-types)\//,
  // Of koffi, for other C libraries.
  /\/musl_[^/]+\//,
]

/** Takes that away, and leaves nothing that can be run: it is all loaded by Node. */
function prune(modules: string): void {
  for (const path of filesBelow(modules)) {
    const inPackage = `node_modules/${path}`
    if (unread.some((pattern) => pattern.test(path) || pattern.test(inPackage))) rmSync(join(modules, path))
    else chmodSync(join(modules, path), 0o644)
  }
}

/** A command that runs the program wherever its folder is: `home` is that folder, in words of sh(1). */
export function putCommand(path: string, home: string): void {
  const script = `#!/bin/sh
# Runs pooldns by the Node that came with it. Commands and the service agree on where its data are.
: "\${POOLDNS_DATA_DIR:=/var/lib/pooldns}"
export POOLDNS_DATA_DIR
home=${home}
exec "$home/bin/node" "$home/dist/src/main.js" "$@"
`
  put(path, script, 0o755)
}

/** What is around a server, as pages of `docs/deploy/` have it in `deploy/`: rules and dashboards, and what anycast needs. */
export function putAround(folder: string): void {
  for (const name of ['anycast', 'grafana', 'prometheus'])
    cpSync(join(repository, 'deploy', name), join(folder, name), { recursive: true })
}
