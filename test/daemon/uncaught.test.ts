/** The policy on errors that nobody caught, in a process of its own. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const script = fileURLToPath(new URL('./containing-uncaught.ts', import.meta.url))
const run = (...words: readonly string[]) => {
  const { status, stdout } = spawnSync(process.execPath, [script, ...words], { encoding: 'utf8' })
  return {
    status,
    lines: stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  }
}

t.test('once DNS is served an error is told, and the process goes on', async (t) => {
  const { status, lines } = run('serving', 'timer', 'immediate', 'rejection', 'emitter', 'message', 'nothing')
  t.equal(status, 0)
  const kinds = ['timer', 'immediate', 'rejection', 'emitter', 'message']
  t.same(lines, [[...kinds.map((kind) => `Error: ${kind}`), 'undefined']])
})

t.test('before, it ends the start', async (t) => {
  for (const [kind, event] of [
    ['timer', 'uncaughtException'],
    ['rejection', 'unhandledRejection'],
  ] as const) {
    const { status, lines } = run('starting', kind)
    t.equal(status, 1)
    t.match(lines, [{ level: 'fatal', msg: event, err: { message: kind } }])
  }
})

t.test('a broken invariant ends the process at any time', async (t) => {
  const { status, lines } = run('serving', 'invariant', 'timer')
  t.equal(status, 1)
  t.match(lines, [{ level: 'fatal', err: { message: 'this can not be' } }])
})
