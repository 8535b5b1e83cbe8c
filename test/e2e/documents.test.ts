/** Documents and revisions by the command line, as processes, and answered over DNS. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { main, node, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { ask } from './ask.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-documents-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

async function pooldns(args: readonly string[], env: Record<string, string> = {}, input = '') {
  const child = spawn(node, [main, ...args], {
    env: { ...process.env, XDG_CONFIG_HOME: folder, POOLDNS_DATA_DIR: join(folder, 'data'), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(input)
  const code = new Promise((resolve) => child.once('close', resolve))
  return { stdout: await text(child.stdout), stderr: await text(child.stderr), code: await code }
}

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

const pools = `pools:
  web:
    members:
      a: { address: 192.0.2.1 }
      b: { address: 192.0.2.2 }
`
const rest = `services:
  www.example.test: { ttl: 5, pools: [web] }
zones:
  example.test:
    soa: { mname: ns1.example.test., rname: hostmaster.example.test. }
    rrsets:
      - { name: "@", type: NS, data: [ns1.example.test.] }
`

t.test('what is wrong is told by file, line and column, all of it', async (t) => {
  const bad = await file(
    'bad.yaml',
    'pools:\n  web:\n    monitr: x\n    members:\n      a: { address: 192.0.2.300 }\n',
  )
  const twice = await file('twice.yaml', 'pools: {}\npools: {}\n')
  const other = await file('other.yaml', 'pools:\n  web: { select: weighted }\n')
  const web = await file('web.yaml', pools)
  const wrong = await pooldns(['check', '-f', bad, '-f', twice, '-f', '-'], {}, 'services: [')
  t.equal(wrong.code, 1)
  for (const line of [
    `${bad}:3:5: pools.web.monitr unknown field "monitr"`,
    `did you mean monitor?`,
    `${bad}:5:12: pools.web.members.a.address must be`,
    `${twice}:2:1: pools is there twice, first at ${twice}:1:1`,
    '<stdin>:1:12: ',
  ]) {
    t.ok(wrong.stderr.includes(line), `${line} in ${wrong.stderr}`)
  }
  const said = await pooldns(['check', '-f', web, '-f', other])
  t.match(said, { code: 1, stderr: `${other}:2:3: pools.web is said otherwise at ${web}:2:3` })
  const missing = await pooldns(['check', '-f', '-'], {}, rest)
  t.match(missing, {
    code: 1,
    stderr:
      /one problem:\n<stdin>:2:39: services\["www.example.test"\].pools\[0\] there is no pool web in these files\nWhat is not in these files may stand on the server, which is not asked here: "pooldns plan" asks it, and --partial/,
  })
  const zoneless = 'pools:\n  web: { members: {} }\nservices:\n  www.example.test: { pools: [web] }\n'
  t.match(await pooldns(['check', '-f', '-'], {}, zoneless), {
    code: 1,
    stderr:
      /<stdin>:4:3: services\["www.example.test"\] service www.example.test lies in no zone in these files\nWhat/,
  })
  t.match(await pooldns(['check', '--partial', '-f', '-'], {}, zoneless), { code: 0 })
  const circle =
    'pools:\n  web: { monitor: gone, members: {} }\nservices:\n  a.example.test: { pools: [{ service: a.example.test }] }\n'
  const round = await pooldns(['check', '--partial', '-f', '-'], {}, circle)
  t.match(round, { code: 1, stderr: /one problem:\n<stdin>:4:\d+: services\["a.example.test"\].pools / })
  t.notMatch(round.stderr, /pooldns plan/, 'which is wrong wherever it goes')
  t.match(await pooldns(['check', '--partial', '-f', '-'], {}, rest), {
    code: 0,
    stdout: /^good: 0 monitors, 0 pools, 1 service, 1 zone\n/,
  })
  const newer = await pooldns(['check', '-f', '-'], {}, 'version: 2\n')
  t.match(newer, {
    code: 1,
    stderr: /<stdin>:1:1: version is 2, which is newer than the format that is taken here, 1/,
  })
  t.match(await pooldns(['plan']), { code: 2, stderr: /which files: -f FILE/ })
  t.match(await pooldns(['plan', '-f', join(folder, 'none.yaml')]), { code: 2, stderr: /no such file/ })
})

t.test('planned, applied, shown, returned from; by a running server', async (t) => {
  await using daemon = await startDaemonProcess()
  const env = { POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN: daemon.token }
  const run = (...args: readonly string[]) => pooldns(args, env)
  await mkdir(join(folder, 'config'), { recursive: true })
  await file('config/pools.yaml', pools)
  await file('config/rest.yml', rest)
  const from = ['-f', join(folder, 'config')]
  const planned = await run('plan', ...from)
  t.match(planned, {
    code: 3,
    stdout:
      /\+ add pool web\n {4}members\.a: .*\n[\s\S]*3 to add, 0 to change, 0 to remove; 0 the same already/,
  })
  t.match(await run('apply', '--dry-run', ...from), { code: 3, stdout: planned.stdout })
  t.match(await run('apply', ...from, '-m', 'the first'), { code: 0, stdout: /applied as revision 1\n$/ })
  const addresses = async () => (await ask(daemon.dns, 'www.example.test', 'A')).answers
  t.same(await addresses(), ['192.0.2.1', '192.0.2.2'])
  t.match(await run('apply', ...from), { code: 0, stdout: 'nothing to do: everything is so already\n' })
  t.match(await run('plan', ...from, '--json'), { code: 0, stdout: /^\{"revision":1,"changed":false/ })

  await file('config/pools.yaml', pools.replace(/ {6}b.*\n/, ''))
  t.match(await run('plan', ...from), { code: 0, stdout: /left alone: member web\/b/ })
  const removing = await run('plan', ...from, '--prune', '--markdown')
  t.match(removing, { code: 3, stdout: /```diff\n! change pool web\n {4}members\.b: .* -> none\n```/ })
  t.match(await run('apply', ...from, '--prune'), { code: 1, stderr: /there is nobody to ask: say --yes/ })
  t.same(await addresses(), ['192.0.2.1', '192.0.2.2'])
  t.match(await run('apply', ...from, '--prune', '--yes'), { code: 0, stdout: /applied as revision 2/ })
  t.same(await addresses(), ['192.0.2.1'])

  const exported = await run('export')
  const slip = await run('export', '--owner', 'shopp')
  t.match(slip, {
    code: 0,
    stdout: /^version: 1\nowner: shopp\n$/,
    stderr: 'nothing belongs to owner shopp\n',
  })
  t.match(
    await pooldns(['plan', '-f', '-', '--prune'], env, exported.stdout),
    { code: 0 },
    'as it was exported',
  )
  t.match(await run('history'), { code: 0, stdout: /^revision .*\n2 .*apply.*\n1 .*apply +the first\n$/ })
  t.match(await run('show', '2'), { code: 0, stdout: /~ change pool web\n {4}members\.b: .* -> none/ })
  t.match(await run('diff', '0', '1'), { code: 0, stdout: /\+ add service www\.example\.test/ })
  const old = await file('old.yaml', exported.stdout)
  const other = await file(
    'new.yaml',
    exported.stdout.replace('ttl: 5', 'ttl: 7').replace(/^ {6}- name[\s\S]*/m, ''),
  )
  const reworded = await file('reworded.yaml', exported.stdout.replace('ttl: 5', 'ttl: 5000ms'))
  t.match(await run('diff', old), { code: 0, stdout: 'no difference\n' }, 'the server has it so')
  t.match(await run('diff', reworded), { code: 0, stdout: 'no difference\n' }, 'in other words')
  const differs =
    '- remove rrset example.test @ NS\n    data: ["ns1.example.test."] -> none\n~ change service www.example.test\n    ttl: 5s -> 7s\n'
  t.match(await run('diff', other), { code: 0, stdout: differs }, 'the server to the file')
  t.match(await pooldns(['diff', old, other]), { code: 0, stdout: differs }, 'without a server')
  t.match(await pooldns(['diff', other, old, '--json']), {
    code: 0,
    stdout: /"kind":"rrset".*"action":"add".*"before":"7s","after":"5s"/,
  })
  t.match(await run('diff', '1', old), { code: 2, stderr: /a revision is compared to another one/ })
  t.match(await run('diff', 'none.yaml'), { code: 2, stderr: /none\.yaml: .*no such file/ })
  t.match(await run('rollback', '1', '--dry-run'), { code: 3, stdout: /~ change pool web/ })
  t.match(await run('rollback', '2', '--dry-run'), { code: 0, stdout: /nothing to do/i })
  const long = await run('apply', '-m', 'x'.repeat(2000), ...from)
  t.match(long, { code: 2, stderr: /^pooldns: --message must/ })
  t.match(await run('rollback', '1'), { code: 1, stderr: /nobody to ask/ })
  t.match(await run('rollback', '1', '--yes'), { code: 0, stdout: /as it was at revision 1, by revision 3/ })
  t.same(await addresses(), ['192.0.2.1', '192.0.2.2'])
  t.match(await run('rollback', '99'), { code: 1, stderr: /there is no revision 99: the last one is 3/ })
  const refused = await pooldns(
    ['apply', '-f', '-'],
    env,
    'services:\n  x.example.test:\n    pools: [none]\n',
  )
  t.match(refused, {
    code: 1,
    stderr: /<stdin>:3:13: services\["x.example.test"\].pools\[0\] there is no pool none/,
  })
})

t.test('a plan tells which shares of the answers move, and they do', async (t) => {
  await using daemon = await startDaemonProcess()
  const env = { POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN: daemon.token }
  const weighted = (eu: number) => `pools:
  eu: { members: { a: { address: 192.0.2.1 } } }
  us: { members: { a: { address: 192.0.2.2 }, b: { address: 2001:db8::1 } } }
services:
  www.example.test: { ttl: 20, steer: weighted, pools: [{ pool: eu, weight: ${eu} }, { pool: us, weight: 50 }] }
${rest.slice(rest.indexOf('zones:'))}`
  t.match(await pooldns(['apply', '-f', '-'], env, weighted(50)), { code: 0 })
  const planned = await pooldns(['plan', '-f', '-'], env, weighted(10))
  t.match(planned, {
    code: 3,
    stdout: /\nanswers A for www\.example\.test: eu 50 % -> 16\.7 %, us 50 % -> 83\.3 %\n/,
  })
  t.notMatch(planned.stdout, /AAAA/, 'eu has none')
  t.match(await pooldns(['apply', '-f', '-'], env, weighted(10)), { code: 0 })
  let eu = 0
  for (let nth = 0; nth < 1_500; nth++) {
    if ((await ask(daemon.dns, 'www.example.test', 'A')).answers[0] === '192.0.2.1') eu++
  }
  // Six standard deviations.
  t.ok(Math.abs(eu / 1_500 - 1 / 6) < 0.058, `${eu} of 1,500 from eu`)
  const leaving = await pooldns(
    ['plan', '-f', '-', '--json', '--prune'],
    env,
    weighted(10).replace(', b: { address: 2001:db8::1 }', ''),
  )
  t.match(JSON.parse(leaving.stdout).effect.leaving, [{ pool: 'us', member: 'b', safeAfterSeconds: 20 }])
  const moved = await pooldns(['plan', '-f', '-'], env, weighted(10).replace('192.0.2.2 }', '192.0.2.3 }'))
  t.match(moved.stdout, /^us\/a at 192\.0\.2\.2 would be answered no more, and be in no cache 20 s later$/m)
})

t.test('straight on the database, and the server gone', async (t) => {
  const env = { POOLDNS_DATA_DIR: join(folder, 'own') }
  t.match(
    await pooldns(['apply', '--database', '-f', '-'], env, pools),
    { code: 2, stderr: /has no database/ },
    'none is made by mistake',
  )
  t.match(await pooldns(['migrate'], env), { code: 0 })
  t.match(await pooldns(['apply', '--database', '-f', '-'], env, pools), {
    code: 0,
    stdout: /applied as revision 1/,
  })
  t.match(await pooldns(['export', '--database'], env), { code: 0, stdout: /address: 192\.0\.2\.2/ })
  const fewer = pools.replace(/ {6}b.*\n/, '')
  t.match(
    await pooldns(['apply', '--database', '--prune', '--yes', '-f', '-', '-m', 'b is gone'], env, fewer),
    { code: 0 },
  )
  t.match(await pooldns(['history', '--database'], env), {
    code: 0,
    stdout: /^revision .*\n2 .* command line +apply +b is gone\n1 .* command line +apply *\n$/,
  })
  const gone2 = /~ change pool web\n {4}members\.b: .* -> none/
  t.match(await pooldns(['show', '2', '--database'], env), { code: 0, stdout: gone2 })
  t.match(await pooldns(['diff', '1', '--database'], env), { code: 0, stdout: gone2 })
  t.match(await pooldns(['diff', '-', '--database'], env, fewer), { code: 0, stdout: 'no difference\n' })
  t.match(await pooldns(['show', '3', '--database'], env), {
    code: 1,
    stderr: /nothing is known of a revision 3/,
  })
  t.match(await pooldns(['rollback', '7', '--database'], env), { code: 1, stderr: /there is no revision 7/ })
  const back = await pooldns(['rollback', '1', '--database', '--yes'], env)
  t.match(back, { code: 0, stdout: /as it was at revision 1, by revision 3\n$/ })
  t.match(await pooldns(['export', '--database'], env), { code: 0, stdout: /address: 192\.0\.2\.2/ })
  t.match(await pooldns(['history', '--database', '-n', '1'], env), {
    stdout: /\n3 .* command line +rollback +return to revision 1\n$/,
  })
  const gone = await pooldns(
    ['apply', '-f', '-'],
    { POOLDNS_SERVER: `http://127.0.0.1:${await freePort()}`, POOLDNS_TOKEN: 'x'.repeat(24) },
    pools,
  )
  t.match(gone, { code: 1, stderr: /127\.0\.0\.1:\d+: connect ECONNREFUSED/ })
})
