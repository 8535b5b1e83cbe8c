/** BIRD announces the server's addresses while it answers: the configuration and the script of `deploy/anycast`, with a real BIRD. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startServer } from '../e2e/asked-server.ts'
import { repository } from '../support/daemon.ts'
import { missingPrograms, startProgram } from '../support/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'pooldns-anycast-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const configuration = readFileSync(join(repository, 'deploy/anycast/bird.conf'), 'utf8')

/** What `bird -p` has against a configuration; empty when nothing. */
function complaints(text: string): string {
  const path = join(folder, 'read.conf')
  writeFileSync(path, text)
  const { status, stderr, stdout } = spawnSync('bird', ['-p', '-c', path], { encoding: 'utf8' })
  return status === 0 ? '' : `${stdout}${stderr}`
}

t.test('BIRD reads the configuration', { skip: missingPrograms('bird') }, (t) => {
  t.equal(complaints(configuration), '')
  t.match(complaints(configuration.replace('import none', 'import nothing')), /read\.conf:\d+:\d+ /)
  t.match(complaints(configuration.replace('from upstream {', 'from upstreams {')), /read\.conf:\d+:\d+ /)
  t.end()
})

t.test('the unit names protocols that the configuration has', (t) => {
  const unit = readFileSync(join(repository, 'deploy/anycast/pooldns-anycast.service'), 'utf8')
  const [, protocols] = /^ExecStart=\S+ \S+ \S+ (.*)$/m.exec(unit)!
  for (const protocol of protocols!.split(' '))
    t.match(configuration, new RegExp(`^protocol static ${protocol} \\{`, 'm'))
  t.end()
})

const skip = missingPrograms('bird', 'birdc', 'dig')
t.test('the address is announced while the server answers', { skip }, async (t) => {
  // Its own users may write there, whoever it runs as.
  chmodSync(folder, 0o755)
  await using daemon = await startServer(undefined)
  const bird = () => startBird(t)
  let routing = await bird()
  const watching = startProgram(
    join(repository, 'deploy/anycast/pooldns-anycast'),
    ['127.0.0.1', 'example.test', 'anycast4', 'anycast6'],
    {
      env: {
        ...process.env,
        POOLDNS_ANYCAST_PORT: String(daemon.dns.port),
        POOLDNS_ANYCAST_BIRD: routing.socket,
      },
    },
  )
  t.teardown(() => watching.stop())
  await watching.said(/example\.test is answered: announced\n/)
  t.same(routing.announced(), ['192.0.2.53/32', '2001:db8:53::53/128'])

  process.kill(daemon.pid, 'SIGKILL')
  await watching.said(/example\.test is not answered: withdrawn\n/)
  t.same(routing.announced(), [])
  await daemon.exited

  await using next = await startServer(undefined, {
    env: { POOLDNS_DNS_LISTEN: `127.0.0.1:${daemon.dns.port}` },
  })
  await watching.said(/withdrawn\n[\s\S]*announced\n/)
  t.same(routing.announced(), ['192.0.2.53/32', '2001:db8:53::53/128'])

  await routing.stop()
  routing = await bird()
  await routing.until('192.0.2.53/32')

  // It hangs while the server does not answer: it is told when it hears again, and not before.
  routing.hang()
  await next.stop()
  await watching.said(/birdc disable anycast4: no reply within two seconds\n/)
  routing.goOn()
  await watching.said(/no reply within[\s\S]*withdrawn\n/)
  t.same(routing.announced(), [])
  await using last = await startServer(undefined, {
    env: { POOLDNS_DNS_LISTEN: `127.0.0.1:${daemon.dns.port}` },
  })
  await watching.said(/no reply within[\s\S]*withdrawn\n[\s\S]*announced\n/)
  t.same(routing.announced(), ['192.0.2.53/32', '2001:db8:53::53/128'])
  t.ok(last.pid > 0)

  await watching.stop()
  t.same(routing.announced(), [], 'ended in order')
})

/** One that tells nobody: without its neighbours. */
async function startBird(t: Test) {
  const path = join(folder, 'bird.conf')
  const socket = join(folder, 'bird.ctl')
  writeFileSync(
    path,
    `debug protocols { states, routes };\n${configuration.slice(0, configuration.indexOf('# A server that is silent'))}`.replace(
      'log syslog all;',
      'log stderr all;',
    ),
  )
  const bird = startProgram('bird', ['-f', '-c', path, '-s', socket, '-P', join(folder, 'bird.pid')])
  t.teardown(() => bird.stop())
  await bird.said(/Started/)
  const show = () => spawnSync('birdc', ['-s', socket, 'show', 'route', 'all'], { encoding: 'utf8' }).stdout
  return {
    socket,
    stop: () => bird.stop(),
    hang: () => process.kill(bird.pid, 'SIGSTOP'),
    goOn: () => process.kill(bird.pid, 'SIGCONT'),
    announced: () => Array.from(show().matchAll(/^(\S+\/\d+) +blackhole/gm), ([, prefix]) => prefix!).sort(),
    /** Resolves when it has a route there. */
    until: (prefix: string) =>
      bird.said(
        new RegExp(`added.*${prefix.replaceAll('.', '\\.')}|${prefix.replaceAll('.', '\\.')}.*added`),
      ),
  }
}
