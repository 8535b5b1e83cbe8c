/** A server that a person starts at a terminal, which `script` makes one of. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { main, node } from '../support/daemon.ts'
import { placeEmbeddedDatabase } from '../support/embedded-database.ts'
import { isAlive } from '../support/processes.ts'
import { findProgram, missingPrograms, startProgram } from '../support/program.ts'
import { ask } from './ask.ts'
import { eventually } from './fixture.ts'

t.test('lines for people, and what to do next', { skip: missingPrograms('script', 'sh') }, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-terminal-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await placeEmbeddedDatabase(dataDir)
  const variables = {
    POOLDNS_DATA_DIR: dataDir,
    POOLDNS_DNS_LISTEN: '127.0.0.1:0',
    POOLDNS_HTTP_LISTEN: '127.0.0.1:0',
    NO_COLOR: '1',
  }
  const assigned = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  const serve = [node, main, 'serve'].join(' ')
  const command = `echo pid $$; exec env -u FORCE_COLOR ${assigned.join(' ')} ${serve}`
  const terminal = startProgram(findProgram('script')!, ['-qec', command, '/dev/null'])
  await terminal.said(/token .*\/admin-token\r\n/)
  const pid = Number(/^pid (\d+)/m.exec(terminal.output)![1])
  t.teardown(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  t.match(terminal.output, /^\[\d\d:\d\d:\d\d\] INFO: ready /m)
  t.notMatch(terminal.output, /^\{/m, 'no JSON')
  t.match(
    terminal.output,
    /^pooldns [\d.]+ answers\r\n {2}page {2}http:\/\/127\.0\.0\.1:\d+\/console\r\n {2}API {3}http:\/\/127\.0\.0\.1:\d+\/docs\r\n/m,
  )
  const [, port] = /dig @127\.0\.0\.1 -p (\d+) NAME/.exec(terminal.output)!
  const dns = { host: '127.0.0.1', port: Number(port) }
  t.match(await ask(dns, 'www.example.test'), { rcode: 'REFUSED' })

  // What it says goes nowhere any more.
  process.kill(terminal.pid, 'SIGKILL')
  await terminal.stop()
  t.match(await ask(dns, 'www.example.test'), { rcode: 'REFUSED' }, 'the terminal is gone, and nothing else')
  process.kill(pid, 'SIGTERM')
  await eventually(async () => (isAlive(pid) ? undefined : true))
})
