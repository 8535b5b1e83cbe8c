import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { main, node, repository, spawnDaemon, startDaemonProcess } from '../support/daemon.ts'
import { processOf } from '../support/processes.ts'
import { findProgram } from '../support/program.ts'
import { ask } from './ask.ts'
import { put, soa } from './fixture.ts'

const run = promisify(execFile)
const pooldns = (args: readonly string[], env: Record<string, string> = {}) =>
  run(node, [main, ...args], { env: { ...process.env, ...env } }).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  )

t.test('words that are none end with 2', async (t) => {
  for (const args of [
    [],
    ['dance'],
    ['--dance'],
    ['serve', '--dance'],
    ['token'],
    ['token', 'create'],
    ['migrate', 'x'],
  ]) {
    const { code, stderr } = await pooldns(args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, /^pooldns: .+\nTry "pooldns .*--help"/)
  }
  t.match(await pooldns(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
  t.match(await pooldns(['--help']), { code: 0, stdout: /^ {2}serve +answer DNS$/m })
})

t.test('a Node that is too old is told in a line', async (t) => {
  const old = "data:text/javascript,Object.defineProperty(process,'version',{value:'v20.20.2'})"
  const outcome = await run(node, ['--import', old, main, '--version']).catch((error: unknown) => error)
  t.match(outcome, { code: 1, stderr: 'pooldns needs Node 24.5 or later, and this is v20.20.2\n' })
  const { engines } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'))
  t.equal(engines.node, '>=24.5')
})

t.test('a port that somebody else has ends the start with 1 and names it', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const address = `127.0.0.1:${(other.address() as { port: number }).port}`
  for (const variable of ['POOLDNS_DNS_LISTEN', 'POOLDNS_HTTP_LISTEN']) {
    await using daemon = await spawnDaemon({ env: { [variable]: address } })
    t.same(await daemon.exited, { code: 1, signal: null }, variable)
    t.match(
      daemon.stderr,
      `${variable}: ${address}: EADDRINUSE: another program has the address already: end it, or listen elsewhere by --`,
    )
    t.match(daemon.stderr, new RegExp(`${variable}, such as 127\\.0\\.0\\.1:\\d+\\n`))
  }
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-ports-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  await using daemon = await spawnDaemon({ dataDir, env: { POOLDNS_HTTP_LISTEN: address } })
  await daemon.exited
  await t.rejects(access(join(dataDir, 'db')), 'it is found before a database is made')
  const datagrams = createSocket('udp4').bind(0, '127.0.0.1')
  await once(datagrams, 'listening')
  t.teardown(() => datagrams.close())
  const taken = `127.0.0.1:${datagrams.address().port}`
  await using second = await spawnDaemon({ env: { POOLDNS_DNS_LISTEN: taken } })
  t.same(await second.exited, { code: 1, signal: null })
  t.match(second.stderr, `POOLDNS_DNS_LISTEN: ${taken}: EADDRINUSE`, 'by UDP alone')
})

t.test('port 53 without the right to it', { skip: withoutSetpriv() }, async (t) => {
  const through = ['setpriv', '--bounding-set=-net_bind_service']
  await using daemon = await spawnDaemon({ through, env: { POOLDNS_DNS_LISTEN: '127.0.0.1:53' } })
  t.same(await daemon.exited, { code: 1, signal: null })
  t.match(
    daemon.stderr,
    /POOLDNS_DNS_LISTEN: 127\.0\.0\.1:53: EACCES: ports below 1024 .*CAP_NET_BIND_SERVICE/,
  )
})

/** Who has no such right can't take it away, and needs not. */
function withoutSetpriv(): string | false {
  if (process.getuid?.() !== 0) return 'only root has the right'
  return findProgram('setpriv') === null ? 'not installed: setpriv' : false
}

t.test('a data directory that is not one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-file-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'file')
  await writeFile(file, '')
  await using daemon = await spawnDaemon({ dataDir: file })
  t.same(await daemon.exited, { code: 1, signal: null })
  t.match(daemon.stderr, /POOLDNS_DATA_DIR/)
})

t.test('two daemons on one data directory', async (t) => {
  await using first = await startDaemonProcess()
  await using second = await spawnDaemon({ dataDir: first.dataDir })
  t.same(await second.exited, { code: 1, signal: null })
  const holder = processOf(first, 'control')
  t.match(second.stderr, new RegExp(`${first.dataDir} is in use by process ${holder}\\b`))
})

t.test('what it keeps is for its user alone, and survives a restart', async (t) => {
  await using first = await startDaemonProcess({ firstStart: true })
  t.equal((await stat(join(first.dataDir, 'admin-token'))).mode & 0o777, 0o600)
  t.match(first.token, /^admin_[\w-]{32}$/, 'nor does it look like a flag')
  await put(first, '/v1/zones/example.test', { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] })
  first.signal('SIGINT')
  t.same(await first.exited, { code: 0, signal: null })
  await using second = await startDaemonProcess({ dataDir: first.dataDir })
  t.equal(second.token, first.token)
  t.same((await ask(second.dns, 'a.example.test')).answers, ['192.0.2.1'])
  second.signal('SIGKILL')
  await second.exited
  await using third = await startDaemonProcess({ dataDir: first.dataDir })
  t.same((await ask(third.dns, 'a.example.test')).answers, ['192.0.2.1'], 'also after a crash')
  await chmod(join(first.dataDir, 'admin-token'), 0o600)
})

t.test('tokens by the command line', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-token-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const env = { POOLDNS_DATA_DIR: folder, XDG_CONFIG_HOME: folder }
  const zones = join(folder, 'zones')
  await mkdir(zones)
  await writeFile(join(zones, 'a.test'), '@ 1h SOA ns1 hostmaster 1 1h 10m 14d 60\n')
  t.match(
    await pooldns(['token', 'create', 'ci'], env),
    { code: 2, stdout: '', stderr: /has no database: go by a running server with --server URL/ },
    'not into a database that nobody uses',
  )
  const others = [
    ['import-zone', '-', '--zone', 'a.test'],
    ['import-zone', '-', '--zone', 'a.test', '--dry-run'],
  ]
  for (const args of [...others, ['import-zones', zones], ['export-zone', 'a.test'], ['token', 'list']])
    t.match(await pooldns(args, env), { code: 2, stdout: '', stderr: /has no database/ }, args.join(' '))
  t.same(await readdir(folder), ['zones'])
  t.match(await pooldns(['migrate'], env), {
    code: 0,
    stdout: `the schema is up to date: ${join(folder, 'db')}\n`,
  })
  const created = await pooldns(['token', 'create', 'ci', '--scope', 'read', '--json'], env)
  t.equal(created.code, 0, created.stderr)
  const { secret } = JSON.parse(created.stdout)
  t.match((await pooldns(['token', 'list'], env)).stdout, /^ci +read /m)
  t.equal((await pooldns(['token', 'create', 'ci'], env)).code, 1, 'a name is taken once')
  t.equal((await pooldns(['token', 'create', 'x', '--scope', 'all'], env)).code, 2)
  const agent = (await pooldns(['token', 'create', 'agent', '--scope', 'report'], env)).stdout.trim()
  {
    await using daemon = await startDaemonProcess({ dataDir: folder })
    const headers = { authorization: `Bearer ${secret}` }
    t.equal((await daemon.request('/v1/zones', { headers })).status, 200)
    const write = await daemon.request('/v1/zones/example.test', { method: 'PUT', headers, json: { soa } })
    t.equal(write.status, 403)
    const reporting = { method: 'PUT', headers: { authorization: `Bearer ${agent}` }, json: { state: 'up' } }
    t.equal(
      (await daemon.request('/v1/pools/web/members/none/report', reporting)).status,
      404,
      'it may report',
    )
    t.equal(
      (await daemon.request('/v1/zones', { headers: reporting.headers })).status,
      403,
      'and do nothing else',
    )

    const beside = await pooldns(['token', 'list'], env)
    t.match(beside, { code: 0, stdout: /^ci +read /m }, 'by the server that has its database open')
    t.match(await pooldns(['status'], env), { code: 0, stdout: new RegExp(`at ${daemon.http},`) })
    const locked = await pooldns(['export', '--database'], env)
    const advice = new RegExp(`in use by process \\d+ .*go by it at ${daemon.http}, without --database`)
    t.match(locked, { code: 1, stderr: advice })
    const by = { ...env, POOLDNS_SERVER: daemon.http, POOLDNS_ADMIN_TOKEN: daemon.token }
    const more = await pooldns(['token', 'create', 'cd', '--scope', 'read', '--scope', 'write'], by)
    t.match(more, { code: 0, stdout: /^pooldns_\S+\n$/ })
    headers.authorization = `Bearer ${more.stdout.trim()}`
    const zone = { soa, rrsets: [] }
    const written = await daemon.request('/v1/zones/a.test', { method: 'PUT', headers, json: zone })
    t.equal(written.status, 201)
    t.match(
      (await pooldns(['token', 'list'], by)).stdout,
      /\nagent +report .*\ncd +read write .*\nci +read .*\n$/,
    )
    t.match(JSON.parse((await pooldns(['token', 'list', '--json'], by)).stdout), [
      { name: 'agent' },
      { name: 'cd' },
      { name: 'ci' },
    ])
    const flags = ['--server', daemon.http, '--token', daemon.token]
    t.equal((await pooldns(['token', 'revoke', 'cd', ...flags], env)).code, 0)
    t.equal((await daemon.request('/v1/zones', { headers })).status, 401)
    t.match(await pooldns(['token', 'revoke', 'cd', ...flags], env), {
      code: 1,
      stderr: /token cd does not exist/,
    })
    const weak = { ...by, POOLDNS_ADMIN_TOKEN: secret }
    t.match(await pooldns(['token', 'list'], weak), { code: 1, stderr: /403 this needs the admin token/ })
  }
  t.equal((await pooldns(['token', 'revoke', 'ci'], env)).code, 0)
  t.equal((await pooldns(['token', 'revoke', 'ci'], env)).code, 1)
})

t.test('a second signal ends at once', async (t) => {
  await using daemon = await startDaemonProcess()
  // A request that doesn't end holds the orderly stop up.
  const { connect } = await import('node:net')
  const { port } = new URL(daemon.http)
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(
    'POST /v1/tools/lookup HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
  )
  daemon.signal('SIGTERM')
  await daemon.line(({ msg }) => msg === 'stopping')
  daemon.signal('SIGTERM')
  const exit = await daemon.exited
  t.ok(exit.code === 1 || exit.code === 0, `code ${exit.code}`)
  socket.destroy()
})
