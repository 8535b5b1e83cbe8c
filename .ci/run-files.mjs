// Runs test files as they are, each by a Node of its own or a few of them by one. tap can run them too (`npx tap FILE`), but what it loads
// into each process and thread, for coverage and for mocks, which no test here has, takes 0.4 s of CPU.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** For tap, inside of the file, to say what did not come. */
const graceMs = 30_000
/** In which /proc counts CPU time. */
const ticksPerSecond = 100
const batchEntry = fileURLToPath(new URL('batch.mjs', import.meta.url))

/**
 * Tells of each batch of files in one line, and of one that fails all that it said. Those that come first are begun first.
 *
 * @param batches paths below `cwd`; those of one batch share a process
 * @param env the environment of each batch
 * @returns whether all passed
 */
export async function runFiles(batches, { cwd, env, jobs, timeoutSeconds }) {
  const waiting = [...batches]
  const failed = []
  const skipped = new Set()
  const work = async (job) => {
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      const name = batch.join(' ')
      const { passed, seconds, cpuSeconds, output } = await runBatch(batch, {
        cwd,
        // As tap numbers those that run at a time: ports that they find free are of each alone (`test/support/free-port.ts`).
        env: { ...env(batch), TAP_JOB_ID: String(job) },
        timeoutSeconds,
      })
      for (const [, test, why] of output.matchAll(/^ *ok \d+ - (.*) # SKIP(.*)/gm))
        skipped.add(`${name}: ${test}:${why}`)
      if (!passed) failed.push(name)
      console.log(
        `${passed ? 'ok' : 'not ok'} - ${name} (${seconds} s, CPU ${cpuSeconds} s)${passed ? '' : `\n${output}`}`,
      )
    }
  }
  await Promise.all(Array.from({ length: jobs }, (_, job) => work(job)))
  const files = batches.flat().length
  console.log(`\n${files} files in ${batches.length} processes, of which ${failed.length} failed`)
  if (skipped.size > 0) console.log(`\nSkipped:\n  ${[...skipped].join('\n  ')}`)
  if (failed.length > 0) console.log(`\nFailed:\n  ${failed.join('\n  ')}`)
  return failed.length === 0
}

function runBatch(batch, { cwd, env, timeoutSeconds }) {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [batch.length === 1 ? batch[0] : batchEntry], {
    cwd,
    env: { ...env, TAP_TIMEOUT: String(timeoutSeconds), POOLDNS_TEST_BATCH: batch.join('\n') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutSeconds * 1000 + graceMs)
  let output = ''
  let cpuSeconds = ''
  // Before anything else ends, so that the difference is of this one.
  child.once('exit', () => {
    cpuSeconds = cpuSinceLastEnd()
  })
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      // A file whose tests were never reached ends well, too, and says nothing.
      const passed = code === 0 && /^1\.\.\d+/m.test(output)
      if (!passed) output += `\nended with ${signal ?? `code ${code}`}\n`
      resolve({ passed, output, cpuSeconds, seconds: ((performance.now() - startedAt) / 1000).toFixed(1) })
    })
  })
}

let cpuOfEnded = 0

/** CPU of the process that has just ended, with those that it started and waited for. `?` where there is no /proc. */
function cpuSinceLastEnd() {
  let fields
  try {
    fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1).split(' ')
  } catch {
    return '?'
  }
  const now = (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
  const since = now - cpuOfEnded
  cpuOfEnded = now
  return since.toFixed(1)
}
