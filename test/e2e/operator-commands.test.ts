/** What operators type at 3 am, as processes against a server that answers DNS. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { main, node, startDaemonProcess } from '../support/daemon.ts'
import { ask } from './ask.ts'
import { eventually, put, putService, startBackend } from './fixture.ts'

const daemon = await startDaemonProcess({ env: { POOLDNS_QUERY_LOG: '1/1' } })
t.teardown(() => daemon.stop())
const home = await mkdtemp(join(tmpdir(), 'pooldns-operator-'))
const env: NodeJS.ProcessEnv = {
  ...process.env,
  XDG_CONFIG_HOME: home,
  POOLDNS_SERVER: daemon.http,
  POOLDNS_TOKEN: daemon.token,
}

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function pooldns(args: readonly string[], others: NodeJS.ProcessEnv = {}, stdin = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(node, [main, ...args], { env: { ...env, ...others } }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
    child.stdin!.on('error', () => undefined).end(stdin)
  })
}

const www = 'www.example.test'
const good = await startBackend()
t.teardown(() => good[Symbol.asyncDispose]())
const failing = await startBackend()
t.teardown(() => failing[Symbol.asyncDispose]())
// A TTL that is not over before the reply has been read by which a command goes on.
await putService(daemon, [good, failing], { ttl: 5 })
const { items } = (await (await daemon.request('/v1/pools')).json()) as {
  items: { name: string; members: object }[]
}
const pool = items[0]!.name
const [first, second] = Object.keys(items[0]!.members) as [string, string]
await eventually(async () => ((await pooldns(['status'])).stdout.includes('2 up') ? true : undefined))

t.test('status says what is down, since when, why, and what is answered instead', async (t) => {
  const well = await pooldns(['status'])
  t.equal(well.code, 0, well.stderr)
  t.match(well.stdout, /^Services +1 up$/m)
  t.notMatch(well.stdout, /^Members$/m, 'members that are well are counted alone')
  failing.healthy = false
  const bad = await eventually(async () => {
    const { stdout } = await pooldns(['status'])
    return /^ +down +\S+\/\S+ /m.test(stdout) ? stdout : undefined
  })
  t.match(bad, /^Members +1 up, 1 down$/m)
  t.match(bad, new RegExp(`^ +down +${pool}/${second} +192\\.0\\.2\\.2 .*503`, 'm'))
  t.match(bad, new RegExp(`^ +degraded +${pool} `, 'm'))
  const json = JSON.parse((await pooldns(['status', '--json'])).stdout)
  t.match(json, {
    database: 'up',
    counts: { members: { up: 1, down: 1, unknown: 0, overridden: 0 }, pools: { degraded: 1 } },
    services: [{ name: www, pools: [pool] }],
    pools: [{ name: pool, state: 'degraded', since: String }],
    members: [{ pool, member: second, waitsForFailBack: false, status: { state: 'down', answered: false } }],
    nodes: [{ self: true, live: true }],
    more: { members: 0, services: 0 },
  })
  const watched = spawn(node, [main, 'status', '--watch', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => watched.kill('SIGKILL'))
  const lines = createInterface({ input: watched.stdout })[Symbol.asyncIterator]()
  for (const _ of [1, 2])
    t.match(JSON.parse(String((await lines.next()).value)), { counts: { members: { down: 1 } } })
  watched.kill('SIGINT')
  t.same(await once(watched, 'exit'), [0, null])
  failing.healthy = true
  await eventually(async () => ((await pooldns(['status'])).stdout.includes('2 up') ? true : undefined))
})

t.test('a drain that waits until no cache has the member, and its end', async (t) => {
  t.same((await ask(daemon.dns, www)).answers, ['192.0.2.1', '192.0.2.2'])
  const drained = await pooldns([
    'drain',
    `${pool}/${first}`,
    '--for',
    '1h',
    '--reason',
    'new disk',
    '--wait',
  ])
  t.equal(drained.code, 0, drained.stderr)
  t.match(drained.stdout, new RegExp(`^member ${pool}/${first}: drained until 20.*Z\\n$`))
  t.match(drained.stderr, /caches may have it for .* more\n.*no cache has it any more\n$/)
  t.same((await ask(daemon.dns, www)).answers, ['192.0.2.2'])
  const { stdout } = await pooldns(['status'])
  t.match(stdout, new RegExp(`^ +drain +${pool}/${first} .*in 5\\dm.* new disk +forgotten by caches$`, 'm'))
  t.match((await pooldns(['undrain', `${pool}/${first}`])).stdout, /taken back/)
  t.same((await ask(daemon.dns, www)).answers, ['192.0.2.1', '192.0.2.2'])
  t.match(await pooldns(['undrain', `${pool}/${first}`]), { code: 1, stderr: /404/ })

  const { stdout: told } = await pooldns(['history', '-n', '1'])
  const revision = /^(\d+) /m.exec(told)![1]!
  t.match(told, new RegExp(`^${revision} .* admin +command +drain ${pool}/${first}: taken back$`, 'm'))
  t.match(
    (await pooldns(['show', revision])).stdout,
    new RegExp(
      `by admin \\(command\\) .*\ndrain ${pool}/${first}: taken back\nnothing that a document says: an override, `,
    ),
  )
  const before = await pooldns(['show', String(Number(revision) - 1)])
  t.match(before.stdout, new RegExp(`\ndrain ${pool}/${first} until 20\\S+Z: new disk\n`))
  await put(daemon, `/v1/services/${www}/override`, { state: 'up' })
  const latest = await pooldns(['history', '-n', '1'])
  t.match(latest.stdout, new RegExp(`admin +api +up service ${www}\n$`), 'by another client')
  t.equal((await pooldns(['undrain', '--service', www])).code, 0)

  const down = await pooldns(['down', `${pool}/${second}`, '--json'])
  t.match(JSON.parse(down.stdout), { state: 'down', until: null, status: { matches: 1 } })
  t.same((await ask(daemon.dns, www)).answers, ['192.0.2.1'])
  t.equal((await pooldns(['undrain', `${pool}/${second}`])).code, 0)
  const seen = JSON.parse((await pooldns(['status', '--json'])).stdout)
  t.equal(seen.nodes[0].revision, seen.revision, 'a node knows what it serves before it has told the others')
  t.match((await pooldns(['up', `${pool}/*`])).stdout, /^the members web\/\*: said to be up .* \(2 members\)/)
  t.equal((await pooldns(['undrain', `${pool}/*`])).code, 0)
  const slip = await pooldns(['drain', `${pool}-eu/*`])
  t.match(slip, {
    code: 0,
    stdout: /\(0 members\)/,
    stderr: /there is none now; it counts for those to come/,
  })
  const waited = await pooldns(['drain', `${pool}-eu/*`, '--wait'])
  t.match(waited, { code: 1, stderr: /there is none now/ }, 'what was meant is still answered')
  t.equal((await pooldns(['undrain', `${pool}-eu/*`])).code, 0)
  t.match((await pooldns(['drain', '--service', www])).stdout, /^service www\.example\.test: drained/)
  t.equal((await pooldns(['undrain', '--service', www])).code, 0)
  t.match(await pooldns(['fail-back', `${pool}/${first}`]), {
    code: 1,
    stderr: /does not wait for a fail-back/,
  })
  for (const args of [
    ['drain', 'a/b/c'],
    ['drain', `${pool}/${first}`, '--for', 'soon'],
    ['fail-back', pool],
    ['drain', '--service', www, '--wait'],
  ])
    t.equal((await pooldns(args)).code, 2, args.join(' '))
})

t.test('events, and those to come', async (t) => {
  const last =
    /^\S+Z +override +www\.example\.test drain set by admin\n\S+Z +override +www\.example\.test drain deleted by admin\n$/
  // They are stored a moment behind.
  await eventually(async () => {
    const { stdout } = await pooldns(['events', '--kind', 'override', '--limit', '2'])
    return last.test(stdout) ? true : undefined
  })
  const following = spawn(node, [main, 'events', '-f', '--limit', '1', '--json', '--kind', 'override'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => following.kill('SIGKILL'))
  const lines = createInterface({ input: following.stdout })[Symbol.asyncIterator]()
  // It follows from the last one that it shows.
  t.match(JSON.parse(String((await lines.next()).value)), { what: 'deleted', service: www })
  t.equal((await pooldns(['down', `${pool}/${first}`])).code, 0)
  t.match(JSON.parse(String((await lines.next()).value)), {
    kind: 'override',
    pool,
    member: first,
    state: 'down',
  })
  following.kill('SIGINT')
  t.same(await once(following, 'exit'), [0, null])
  t.equal((await pooldns(['undrain', `${pool}/${first}`])).code, 0)
  t.equal((await pooldns(['events', '--limit', 'many'])).code, 2)
})

t.test('the query log, and what comes to it', async (t) => {
  const logged = (name: string) =>
    eventually(async () => {
      const { stdout } = await pooldns(['queries', '--name', name, '--json', '--limit', '1'])
      return stdout === '' ? undefined : JSON.parse(stdout)
    })
  await ask(daemon.dns, www)
  const found = await logged(www)
  t.match(found, { client: '127.0.0.0/24', transport: 'udp', name: www, type: 'A', rcode: 'NOERROR' })
  t.match(found.answered, [{ service: www, pool, member: /^m/ }])
  await ask(daemon.dns, 'nx.example.test')
  await logged('nx.example.test')
  const words = ['queries', '--limit', '1', '--rcode', 'nxdomain', '--follow']
  const following = spawn(node, [main, ...words], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => following.kill('SIGKILL'))
  const lines = createInterface({ input: following.stdout })[Symbol.asyncIterator]()
  const says = async (name: string) => {
    const line = new RegExp(
      `^\\S+Z {2}127\\.0\\.0\\.0/24 +udp {2}${name}\\.example\\.test A {2}NXDOMAIN, \\d+ octets$`,
    )
    t.match(String((await lines.next()).value), line)
  }
  // It follows from the last one that it shows.
  await says('nx')
  for (const name of ['nx', 'ny']) {
    await ask(daemon.dns, `${name}.example.test`)
    await says(name)
  }
  following.kill('SIGINT')
  t.same(await once(following, 'exit'), [0, null])
  const text = await pooldns(['queries', '--service', www, '--client', '127.0.0.9', '--since', '1h'])
  t.match(text.stdout, new RegExp(`${www} A {2}NOERROR, \\d+ octets from ${pool}/m`), text.stderr)
  for (const words of [
    ['--limit', '1001'],
    ['--since', 'yesterday'],
  ]) {
    const { code, stderr } = await pooldns(['queries', ...words])
    t.equal(code, 2)
    t.match(stderr, words[0]!)
  }
})

t.test('lists, one thing, and one thing in an editor', async (t) => {
  t.match((await pooldns(['zones'])).stdout, /^zone +serial\nexample\.test +\d+\n$/)
  t.match((await pooldns(['pools'])).stdout, new RegExp(`^healthy +${pool} +2 of 2 up `, 'm'))
  t.match((await pooldns(['services'])).stdout, /^up +www\.example\.test +from /m)
  t.match(JSON.parse((await pooldns(['services', '--json'])).stdout), { name: www, status: { state: 'up' } })
  await put(daemon, '/v1/feeds/halls', { columns: { heat: {}, people: { type: 'integer' } } })
  t.match((await pooldns(['feeds'])).stdout, /^feed +columns\nhalls +heat, people\n$/)
  t.match(
    (await pooldns(['get', 'member', `${pool}/${first}`])).stdout,
    /^address: 192\.0\.2\.1\n(?:.*\n)*status:\n/m,
  )
  t.notMatch((await pooldns(['get', 'pool', pool, '--bare'])).stdout, /status/)
  t.match(await pooldns(['get', 'pool', 'none']), { code: 1, stderr: /404/ })
  t.equal((await pooldns(['get', 'pond', 'x'])).code, 2)

  const editor = join(home, 'editor')
  const as = async (script: string) => {
    await writeFile(editor, `#!/bin/sh\n${script}\n`)
    await chmod(editor, 0o755)
    return pooldns(['edit', 'service', www], { VISUAL: '', EDITOR: editor })
  }
  t.match(await pooldns(['edit', 'service', www], { VISUAL: '', EDITOR: '' }), {
    code: 2,
    stderr: /there is no terminal to edit at: EDITOR names/,
  })
  const slip = await pooldns(['status'], { POOLDNS_SERVR: 'http://127.0.0.1:1' })
  t.match(slip, { code: 2, stderr: /POOLDNS_SERVR is no variable; did you mean POOLDNS_SERVER\?/ })
  t.match(await as('true'), { code: 0, stdout: 'nothing was changed\n' })
  const changed = await as('sed -i "s/^ttl: .*/ttl: 7s/" "$1"')
  t.match(changed, { code: 0, stdout: /is changed/ }, 'written')
  t.match(changed.stderr, /ttl.*7s/, 'what it would change is shown first')
  t.match(JSON.parse((await pooldns(['get', 'service', www, '--json'])).stdout), { ttl: '7s' })
  t.match(await as('exit 3'), { code: 1, stderr: /ended with 3: nothing is changed/ })
  const refused = await as('sed -i "s/^ttl: .*/ttl: never/" "$1"')
  t.match(refused, { code: 1, stderr: /ttl: / })
  const kept = /what you wrote is in (\S+)/.exec(refused.stderr)![1]!
  t.match(await readFile(kept, 'utf8'), /^ttl: never$/m)
  await rm(join(kept, '..'), { recursive: true })
  const broken = await as('echo "[" >> "$1"')
  t.match(broken, { code: 1, stderr: /service\.yaml:\d+:\d+: / })
  await rm(join(/is in (\S+)/.exec(broken.stderr)![1]!, '..'), { recursive: true })
  await put(daemon, '/v1/services/other.example.test', { pools: [pool] })

  await put(daemon, '/v1/pools/edited', {
    members: { a: { address: '192.0.2.8' }, b: { address: '192.0.2.9' } },
  })
  await writeFile(editor, '#!/bin/sh\nsed -i "/^  b:/,\\$d" "$1"\n')
  const fewer = await pooldns(['edit', 'pool', 'edited'], { VISUAL: '', EDITOR: editor })
  t.match(fewer, { code: 0, stderr: /- pool edited: members: b would go/ })
  t.same(Object.keys(JSON.parse((await pooldns(['get', 'pool', 'edited', '--json'])).stdout).members), ['a'])
})

t.test('login', async (t) => {
  const none = { POOLDNS_SERVER: '', POOLDNS_TOKEN: '', POOLDNS_DATA_DIR: '/nowhere' }
  const refused = await pooldns(['login', daemon.http], none, 'wrong-token\n')
  t.match(refused, { code: 1, stderr: /401/ })
  const silent = await pooldns(['login', daemon.http], none)
  t.match(silent, { code: 2, stderr: /no token came by standard input: .*pooldns login http\S+ < FILE/ })
  const done = await pooldns(['login', daemon.http], none, `${daemon.token}\n`)
  t.equal(done.code, 0, done.stderr)
  t.notOk((done.stdout + done.stderr).includes(daemon.token), 'it shows no token')
  const file = join(home, 'pooldns/login.json')
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.match(await pooldns(['status'], none), { code: 0, stdout: /Services/ })
  t.match(await pooldns(['token', 'list'], none), { code: 0 })
  t.match(await pooldns(['logout'], none), { code: 0, stdout: /is deleted/ })
  t.match(await pooldns(['status'], none), { code: 2, stderr: /needs a token/ })
})

t.teardown(() => rm(home, { recursive: true, force: true }))
