/** Lines for a reader that reads when the test says so: a pipe of the system. */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Output } from '../../src/telemetry/output.ts'

const { O_RDWR, O_NONBLOCK } = constants

function openPipe(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-output-'))
  const path = join(folder, 'pipe')
  spawnSync('mkfifo', [path])
  const fd = openSync(path, O_RDWR | O_NONBLOCK)
  t.teardown(() => {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })
  const octets = Buffer.alloc(1 << 20)
  const read = () => {
    try {
      return octets.toString('latin1', 0, readSync(fd, octets))
    } catch {
      return ''
    }
  }
  return { fd, read }
}

const lineOf = (index: number) => `${String(index).padStart(5, '0')} ${'x'.repeat(993)}\n`

t.test('with room a line is written before the call returns', (t) => {
  const { fd, read } = openPipe(t)
  new Output(fd).write('one\n')
  t.equal(read(), 'one\n')
  t.end()
})

t.test('without room lines wait, in their order; those beyond the bound are lost, and counted', async (t) => {
  const { fd, read } = openPipe(t)
  const output = new Output(fd, 100_000)
  // More than a pipe holds, and what may wait.
  for (let index = 0; index < 500; index++) output.write(lineOf(index))
  let text = ''
  while (!/were lost/.test(text)) {
    text += read()
    await delay(1)
  }
  const lines = text.trimEnd().split('\n')
  const { level, lost, time } = JSON.parse(lines.pop()!)
  t.same(
    lines.map((line) => `${line}\n`),
    lines.map((_, index) => lineOf(index)),
  )
  t.equal(level, 'warn')
  t.match(time, /^\d{4}-.*Z$/)
  t.ok(lost > 0 && lines.length > 100, `${lost} lost of ${lines.length + lost}`)
  t.equal(lines.length + lost, 500)
  output.write('next\n')
  t.equal(read(), 'next\n')
})

t.test('an output that takes nothing costs its lines', (t) => {
  const fd = openSync('/dev/null', 'r')
  t.teardown(() => closeSync(fd))
  const output = new Output(fd)
  output.write('one\n')
  output.flush()
  t.end()
})
