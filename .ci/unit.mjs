// Runs every test. Those of the data plane run with coverage, which must be whole; the rest runs without, for coverage takes half
// as much time again, and lets Node keep what it has compiled, which precise coverage forbids. It runs more files at a time than
// there are cores, for those that drive a whole server wait most of the time. All run, whatever fails.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { runFiles } from './run-files.mjs'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const all = globSync('test/**/*.test.ts', { cwd }).sort()
const covered = all.filter((file) => /^test.(dataplane|conformance|differential)\b/.test(file))
// Those that take longest begin first, so that none is left to run alone.
const drivesServer = (file) => /^test.(e2e|deploy)\b/.test(file)
const rest = all
  .filter((file) => !covered.includes(file))
  .sort((one, other) => Number(drivesServer(other)) - Number(drivesServer(one)))

const tap = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url))
// By the Node that runs this, which is the pinned one under npm.
const run = (args) => spawnSync(process.execPath, args, { cwd, stdio: 'inherit' }).status === 0

console.log('\nThe data plane')
const outcomes = [run([tap, ...covered]) && run(['.ci/dataplane-coverage.mjs'])]
console.log('\nThe rest')
const compiled = fileURLToPath(new URL('../node_modules/.cache/pooldns/compiled', import.meta.url))
outcomes.push(
  await runFiles(rest, {
    cwd,
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
    jobs: 2 * availableParallelism(),
    timeoutSeconds: Number(/^timeout: (\d+)$/m.exec(readFileSync(`${cwd}.taprc`, 'utf8'))[1]),
  }),
)
if (outcomes.includes(false)) process.exitCode = 1
