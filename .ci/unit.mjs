// Runs every test. Those of the data plane run with coverage, which must be whole; the rest runs without, and lets Node keep what it
// has compiled, which precise coverage forbids. Coverage is Node's own (NODE_V8_COVERAGE), which threads and processes of a test
// take over at little cost: what tap loads into each of them took two thirds of the time. It runs more files at a time than there
// are cores, for those that drive a whole server wait most of the time; small ones that start nothing share a process. All run, whatever
// fails. With --data-plane only those of the data plane do.
import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { dataPlaneIsCovered } from './dataplane-coverage.mjs'
import { runFiles } from './run-files.mjs'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const cache = fileURLToPath(new URL('../node_modules/.cache/pooldns/', import.meta.url))
const timeoutSeconds = Number(/^timeout: (\d+)$/m.exec(readFileSync(`${cwd}.taprc`, 'utf8'))[1])

const all = globSync('test/**/*.test.ts', { cwd }).sort()
// They measure: many rounds of code that other tests cover, and coverage counts in each round.
const measures = ['test/dataplane/answer/allocation.test.ts', 'test/dataplane/answer/distribution.test.ts']
const covered = all.filter(
  (file) => /^test.(dataplane|conformance|differential)\b/.test(file) && !measures.includes(file),
)
const dataPlaneOnly = process.argv.includes('--data-plane')
const isCovered = new Set(covered)
/** What uses one of these, by its text, starts a server or a program, or takes its time, and has a process of its own. */
const startsSomething =
  /support\/(?!dns-client|property|rr-reader|mmdb-writer|patience|notified|held-timers)|fixture|[Ff]leet|Worker\(|spawn|execFile|fork\(/
const isLight = (file) =>
  !/^test.(e2e|deploy|pages|fuzz|differential|simulation|chaos|supervisor|bench)\b/.test(file) &&
  !measures.includes(file) &&
  !startsSomething.test(readFileSync(`${cwd}${file}`, 'utf8'))
const filesInBatch = 12

/** Those of a folder come together, and those with coverage apart from those without. */
function batchesOf(files) {
  const batches = files.filter((file) => !isLight(file)).map((file) => [file])
  const light = files.filter(isLight)
  for (const some of [
    light.filter((file) => isCovered.has(file)),
    light.filter((file) => !isCovered.has(file)),
  ]) {
    for (let from = 0; from < some.length; from += filesInBatch)
      batches.push(some.slice(from, from + filesInBatch))
  }
  return batches
}
// Those that take longest begin first, so that none is left to run alone.
const drivesServer = ([file]) => /^test.(e2e|deploy)\b/.test(file)
const batches = batchesOf(dataPlaneOnly ? covered : all).sort(
  (one, other) => Number(drivesServer(other)) - Number(drivesServer(one)),
)

// What users get, which takes less CPU to start than the sources.
execFileSync(process.execPath, ['.ci/program.mjs'], { cwd, stdio: 'inherit' })

const coverage = `${cache}coverage`
rmSync(coverage, { recursive: true, force: true })
mkdirSync(coverage, { recursive: true })
const passed = await runFiles(batches, {
  cwd,
  env: ([file]) => ({
    ...process.env,
    POOLDNS_TEST_PROGRAM: `${cwd}dist/src/main.js`,
    ...(isCovered.has(file) ? { NODE_V8_COVERAGE: coverage } : { NODE_COMPILE_CACHE: `${cache}compiled` }),
  }),
  jobs: (dataPlaneOnly ? 2 : 3) * availableParallelism(),
  timeoutSeconds,
})
// Told in any case, also when a test failed.
const isWhole = await dataPlaneIsCovered(coverage)
if (!passed || !isWhole) process.exitCode = 1
