/** Zone files by the command line, as processes, and answered over DNS. */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import t from 'tap'
import { main, node, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { ask } from './ask.ts'

const top = `$ORIGIN example.test.
$TTL 300
@ SOA ns1 hostmaster 5 1h 10m 14d 60
@ NS ns1
ns1 A 192.0.2.53
`

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-zonefile-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

async function pooldns(args: readonly string[], env: Record<string, string> = {}, input?: string) {
  const child = spawn(node, [main, ...args], {
    env: { ...process.env, POOLDNS_DATA_DIR: join(folder, 'data'), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(input ?? '')
  const code = new Promise((resolve) => child.once('close', resolve))
  return { stdout: await text(child.stdout), stderr: await text(child.stderr), code: await code }
}

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

t.test('with the database itself', async (t) => {
  t.equal((await pooldns(['migrate'])).code, 0)
  const good = await file('good.zone', `${top}www A 192.0.2.1\n@ MX 10 gone\n`)
  t.match(await pooldns(['export-zone', 'example.test']), {
    code: 1,
    stdout: '',
    stderr: 'pooldns: zone example.test does not exist\n',
  })
  const done = await pooldns(['import-zone', good, '--zone', 'Example.Test.', '--progress'])
  t.match(done, { code: 0, stdout: /^zone example\.test is imported: 4 RRsets, serial \d+\n$/ })
  t.match(done.stderr, `${good}:7:1: warning: @ MX: the mail server gone has no address in this zone\n`)

  const bad = await file('bad.zone', `${top}www A x\nc CNAME a\nc TXT b\n$INCLUDE x\n`)
  t.same(await pooldns(['import-zone', bad, '--zone', 'example.test']), {
    code: 1,
    stdout: '',
    stderr:
      `${bad}:6:7: www A: address: "x" is not an IPv4 address\n` +
      `${bad}:7:1: c CNAME: the name also has TXT, and a CNAME stands alone (RFC 1034 section 3.6.2)\n` +
      `${bad}:9:1: $INCLUDE: "x": there is no such file\n`,
  })

  const copy = join(folder, 'copy.zone')
  t.same(await pooldns(['export-zone', 'example.test', '-o', copy]), { code: 0, stdout: '', stderr: '' })
  const exported = await readFile(copy, 'utf8')
  t.match(exported, /^www\t300\tIN\tA\t192\.0\.2\.1$/m)
  t.match(await pooldns(['import-zone', '-', '--zone', 'example.test'], {}, exported), {
    code: 0,
    stdout: /^zone example\.test is the same already/,
  })
  const piped = await promisify(execFile)(
    'sh',
    ['-c', `"${node}" "${main}" export-zone example.test | head -c 10`],
    {
      env: { ...process.env, POOLDNS_DATA_DIR: join(folder, 'data') },
    },
  )
  t.match(piped, { stdout: '$ORIGIN ex', stderr: '' })
})

t.test('by a running server, and served at once', async (t) => {
  await using daemon = await startDaemonProcess({ dataDir: join(folder, 'data') })
  const env = { POOLDNS_SERVER: daemon.http, POOLDNS_ADMIN_TOKEN: daemon.token }
  const beside = await pooldns(['export-zone', 'example.test'])
  t.match(beside, { code: 0, stdout: /\b192\.0\.2\.1$/m }, 'by the server that has its database open')
  t.same((await ask(daemon.dns, 'www.example.test')).answers, ['192.0.2.1'])

  const next = await file('next.zone', `${top}$GENERATE 1-3 h$ A 192.0.2.\${10}\nbig TXT "b"\n`)
  t.match(await pooldns(['import-zone', next, '--zone', 'example.test', '--dry-run'], env), {
    code: 0,
    stdout: /would change: 6 RRsets/,
  })
  t.match(await pooldns(['import-zone', next, '--zone', 'example.test'], env), {
    code: 0,
    stderr: /^[^\n]*next\.zone:\d+:1: warning: @ SOA: the serial is \d+, not \d+: [^\n]*\n$/,
    stdout: /^zone example\.test is imported: 6 RRsets, serial \d+\n$/,
  })
  t.same((await ask(daemon.dns, 'h2.example.test')).answers, ['192.0.2.12'])
  t.same((await ask(daemon.dns, 'www.example.test')).answers, [])

  const exported = await pooldns([
    'export-zone',
    'example.test',
    '--server',
    daemon.http,
    '--token',
    daemon.token,
  ])
  t.match(exported, { code: 0, stdout: /^h3\t300\tIN\tA\t192\.0\.2\.13$/m })
  t.match(await pooldns(['import-zone', '-', '--zone', 'example.test'], env, exported.stdout), {
    code: 0,
    stdout: /is the same already/,
  })
  await file('hosts.inc', '\nwww A 192.0.2.1\nftp A x\n')
  const including = await file('including.zone', `${top}$INCLUDE hosts.inc\n`)
  t.match(await pooldns(['import-zone', including, '--zone', 'example.test'], env), {
    code: 1,
    stdout: '',
    stderr: `${join(folder, 'hosts.inc')}:3:7: ftp A: address: "x" is not an IPv4 address\n`,
  })
  const bad = await pooldns(
    ['import-zone', '-', '--zone', 'example.test'],
    env,
    `${top}www A x\n@ SOA a b 1 2 3 4 5\n`,
  )
  t.same(bad, {
    code: 1,
    stdout: '',
    stderr:
      '-:6:7: www A: address: "x" is not an IPv4 address\n' +
      '-:7:1: @ SOA: a zone has one SOA, and there is one in line 3\n',
  })
  t.match(await pooldns(['export-zone', 'none.test'], env), {
    code: 1,
    stderr: /404 zone none\.test does not exist/,
  })
  t.match(await pooldns(['export-zone', 'a'], { ...env, POOLDNS_ADMIN_TOKEN: 'x' }), {
    code: 1,
    stderr: /401/,
  })
  t.match(
    await pooldns(['export-zone', 'a'], { ...env, POOLDNS_SERVER: `http://127.0.0.1:${await freePort()}` }),
    {
      code: 1,
      stderr: /127\.0\.0\.1:\d+: .*ECONNREFUSED/,
    },
  )

  const fixed = {
    soa: { mname: 'ns1.example.test.', rname: 'root.example.test.', serial: 77 },
    rrsets: [{ name: '@', type: 'NS', data: ['ns.example.net.'] }],
  }
  t.equal((await daemon.request('/v1/zones/fixed.test', { method: 'PUT', json: fixed })).status, 201)
  t.match((await ask(daemon.dns, 'fixed.test', 'SOA')).answers, [/"serial":77,/])
  const more = await daemon.request('/v1/zones/fixed.test/rrsets/a/TXT', {
    method: 'PUT',
    json: { data: ['x'] },
  })
  t.equal(more.status, 201)
  t.same((await ask(daemon.dns, 'a.fixed.test', 'TXT')).answers, ['x'])
  t.match((await ask(daemon.dns, 'fixed.test', 'SOA')).answers, [/"serial":77,/])
})
