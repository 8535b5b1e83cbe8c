// Installs the packages of the lockfile when they are missing or are not the ones that it names, so that `npm start` and `npm test`
// work on a fresh clone. Runs on whatever Node the machine has, before the pinned one is there.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** Packages by their folder; null when there is no such file, or half a one. */
const read = (path) => {
  try {
    return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).packages
  } catch {
    return null
  }
}

// What npm has written down of what it installed. Dates tell nothing: a checkout gives every file a new one.
let installed = read('../node_modules/.package-lock.json')
const wanted = Object.entries(read('../package-lock.json') ?? {}).filter(([path]) => path !== '')
/** Those of other systems are not installed. */
const isForAll = ({ os, cpu, libc }) => os === undefined && cpu === undefined && libc === undefined
/** Names that something which is installed asks for. What only a package of another system asks for is not installed either. */
const neededBy = (packages) =>
  new Set(
    Object.values(packages ?? {}).flatMap(({ dependencies, optionalDependencies, peerDependencies }) =>
      Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }),
    ),
  )
const { '': root } = read('../package-lock.json') ?? {}
const isNeeded = (path) => {
  const name = path.replace(/^.*node_modules\//, '')
  return neededBy({ ...installed, root }).has(name)
}
const isThere = ([path, entry]) => {
  const found = installed[path]
  if (found === undefined) return entry.optional === true && (!isForAll(entry) || !isNeeded(path))
  return found.version === entry.version && found.integrity === entry.integrity
}

const cwd = new URL('..', import.meta.url)
if (installed === null || !wanted.every(isThere)) {
  // Warnings would be about a Node that is too old, which this fetches another one for.
  const { status } = spawnSync('npm ci --no-audit --no-fund --loglevel=error', {
    cwd,
    shell: true,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
  installed = read('../node_modules/.package-lock.json')
  if (!wanted.every(isThere))
    spawnSync('npm exec --no -- node .ci/install-optional.mjs', { cwd, shell: true, stdio: 'inherit' })
}

// Made by the Node that was installed, for this one may be too old. Where it fails, a first start makes them by itself.
const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const archive = `../dist/embedded-database-${dependencies['@electric-sql/pglite']}.tar.gz`
if (!existsSync(new URL(archive, import.meta.url))) {
  console.log('Making the files of an empty embedded database, once')
  spawnSync('npm exec --no -- node .ci/ready-made.mjs', { cwd, shell: true, stdio: 'inherit' })
}

// The same: where it fails, `/console` says what is missing, and all else works.
spawnSync('npm exec --no -- node .ci/console.mjs', { cwd, shell: true, stdio: 'inherit' })
