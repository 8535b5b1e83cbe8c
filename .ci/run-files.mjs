// Runs test files as they are, each by a Node of its own. tap can run them too (`npx tap FILE`), but what it loads into each process and
// thread, for coverage and for mocks, which no test here has, takes 0.4 s of CPU.
import { spawn } from 'node:child_process'

/** For tap, inside of the file, to say what did not come. */
const graceMs = 30_000

/**
 * Tells of each file in one line, and of one that fails all that it said. Those that come first are begun first.
 *
 * @param files their paths below `cwd`
 * @param env the environment of each, by its path
 * @returns whether all passed
 */
export async function runFiles(files, { cwd, env, jobs, timeoutSeconds }) {
  const waiting = [...files]
  const failed = []
  const skipped = new Set()
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const { passed, seconds, output } = await runFile(file, { cwd, env: env(file), timeoutSeconds })
      for (const [, name, why] of output.matchAll(/^ *ok \d+ - (.*) # SKIP(.*)/gm))
        skipped.add(`${file}: ${name}:${why}`)
      if (!passed) failed.push(file)
      console.log(`${passed ? 'ok' : 'not ok'} - ${file} (${seconds} s)${passed ? '' : `\n${output}`}`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  console.log(`\n${files.length - failed.length} of ${files.length} files passed`)
  if (skipped.size > 0) console.log(`\nSkipped:\n  ${[...skipped].join('\n  ')}`)
  if (failed.length > 0) console.log(`\nFailed:\n  ${failed.join('\n  ')}`)
  return failed.length === 0
}

function runFile(file, { cwd, env, timeoutSeconds }) {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [file], {
    cwd,
    env: { ...env, TAP_TIMEOUT: String(timeoutSeconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutSeconds * 1000 + graceMs)
  let output = ''
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
      resolve({ passed, output, seconds: ((performance.now() - startedAt) / 1000).toFixed(1) })
    })
  })
}
