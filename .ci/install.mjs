// Installs the packages of the lockfile when they are missing or older than it, so that `npm start` and `npm test` work
// on a fresh clone. Runs on whatever Node the machine has, before the pinned one is there.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'

const mtime = (path) => statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0

if (mtime('../node_modules/.package-lock.json') < mtime('../package-lock.json')) {
  const cwd = new URL('..', import.meta.url)
  const { status } = spawnSync('npm ci --no-audit --no-fund', { cwd, shell: true, stdio: 'inherit' })
  process.exit(status ?? 1)
}
