// Runs every test. Those of the data plane run with coverage, which must be whole; the rest runs without, for coverage takes half
// as much time again, and lets Node keep what it has compiled, which precise coverage forbids. It runs more files at a time than
// there are cores, for those that drive a whole server wait most of the time. All run, whatever fails.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const all = globSync('test/**/*.test.ts', { cwd }).sort()
const covered = all.filter((file) => /^test.(dataplane|conformance|differential)\b/.test(file))
const rest = all.filter((file) => !covered.includes(file))

const tap = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url))
// By the Node that runs this, which is the pinned one under npm.
const run = (title, args, env = {}) => {
  console.log(`\n${title}`)
  const { status } = spawnSync(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  })
  return status === 0
}
const outcomes = [
  run('The data plane', [tap, ...covered]) && run('', ['.ci/dataplane-coverage.mjs']),
  run('The rest', [tap, '--disable-coverage', `--jobs=${2 * availableParallelism()}`, ...rest], {
    NODE_COMPILE_CACHE: fileURLToPath(new URL('../node_modules/.cache/pooldns/compiled', import.meta.url)),
  }),
]
if (outcomes.includes(false)) process.exitCode = 1
