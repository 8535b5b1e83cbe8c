/** Folders of master files, by the command line: into its own database, and by a running server. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { main, node, startDaemonProcess } from '../support/daemon.ts'
import { ask } from './ask.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-import-zones-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const zones = join(folder, 'zones')

async function pooldns(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(node, [main, ...args], {
    env: { ...process.env, POOLDNS_DATA_DIR: join(folder, 'data'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const code = new Promise((resolve) => child.once('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr, code: await code }
}

// Ahead of the clock, so that nothing is said of it.
const top = '$TTL 300\n@ SOA ns1 hostmaster 3000000000 1h 10m 14d 60\n@ NS ns1\nns1 A 192.0.2.53\n'
const put = (name: string, content: string) => writeFile(join(zones, name), content)

await mkdir(join(zones, 'below'), { recursive: true })
await mkdir(join(folder, 'empty'))
await put('example.test.zone', `${top}www A 192.0.2.1\n`)
await put('db.example.net', `${top}www A 192.0.2.2\n`)
await put('example.org', `${top}www A 192.0.2.3\nwww A 192.0.2.3\n`)
await put('@.zone', `${top}test NS ns1.test\nns1.test A 192.0.2.4\n`)
await put('bad.test.zone', `${top}www A nowhere\nmail MX ten\n`)
await put('.hidden', 'no zone')
await put('include.test', `${top}$INCLUDE common.inc sub\n$INCLUDE below/more\n`)
await put('common.inc', 'www A 192.0.2.6\n')
await writeFile(join(zones, 'below/more'), 'more A 192.0.2.7\nmore A 192.0.2.7\n')

t.test('into a database', async (t) => {
  t.equal((await pooldns(['migrate'])).code, 0)
  const dry = await pooldns(['import-zones', zones, '--dry-run'])
  t.match(dry, { code: 1, stdout: '6 zones: 5 would change, 0 the same already, 1 refused\n' })
  const first = await pooldns(['import-zones', zones])
  t.match(first, { code: 1, stdout: '6 zones: 5 imported, 0 the same already, 1 refused\n' })
  t.same(
    first.stderr
      .split('\n')
      .filter((line) => line !== '')
      .sort(),
    [
      `${join(zones, 'bad.test.zone')}:5:7: www A: address: "nowhere" is not an IPv4 address`,
      `${join(zones, 'bad.test.zone')}:6:9: mail MX: preference: "ten" is not a number from 0 to 65535`,
      `${join(zones, 'below/more')}:2:1: warning: more A: the same RR stands there already, in line 1`,
      `${join(zones, 'example.org')}:6:1: warning: www A: the same RR stands there already, in line 5`,
    ],
  )
  await put('bad.test.zone', `${top}www A 192.0.2.5\n`)
  t.match(await pooldns(['import-zones', zones]), {
    code: 0,
    stdout: '6 zones: 1 imported, 5 the same already, 0 refused\n',
  })
  t.match((await pooldns(['export-zone', '.'])).stdout, /^\$ORIGIN \.\n/)
})

t.test('by a running server', async (t) => {
  await using daemon = await startDaemonProcess()
  const env = { POOLDNS_SERVER: daemon.http, POOLDNS_ADMIN_TOKEN: daemon.token }
  t.match(await pooldns(['import-zones', zones], env), {
    code: 0,
    stdout: '6 zones: 6 imported, 0 the same already, 0 refused\n',
  })
  for (const [name, address] of [
    ['www.example.test', '192.0.2.1'],
    ['www.example.net', '192.0.2.2'],
    ['www.bad.test', '192.0.2.5'],
    ['www.sub.include.test', '192.0.2.6'],
    ['more.include.test', '192.0.2.7'],
    ['ns1', '192.0.2.53'],
  ] as const) {
    t.same((await ask(daemon.dns, name)).answers, [address], name)
  }
  t.match((await pooldns(['export-zone', '.'], env)).stdout, /^\$ORIGIN \.\n/, 'the root by its alias')
})

t.test('a server that is busy is asked again, and refuses files one by one', async (t) => {
  const asked = new Map<string, number>()
  const server = createServer(async (request, response) => {
    for await (const _ of request);
    const apex = request.url!.split('/')[3]!
    const times = (asked.get(apex) ?? 0) + 1
    asked.set(apex, times)
    const refuse = (status: number, detail: string) =>
      response.writeHead(status, { 'retry-after': '0' }).end(JSON.stringify({ detail }))
    if (times < 3) refuse(503, 'too many imports')
    else if (apex === 'example.net') refuse(413, 'the body is too large')
    else response.end(JSON.stringify({ status: { changed: true, warnings: [], serial: 1 } }))
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const said = await pooldns(['import-zones', zones], {
    POOLDNS_SERVER: origin,
    POOLDNS_TOKEN: 'x'.repeat(24),
  })
  t.match(said, { code: 1, stdout: '6 zones: 5 imported, 0 the same already, 1 refused\n' })
  t.match(said.stderr, /db\.example\.net.*413 the body is too large/)
  t.same([...asked.values()], [3, 3, 3, 3, 3, 3])
})

t.test('what is no folder of zones', async (t) => {
  t.match(await pooldns(['import-zones']), { code: 2, stderr: /missing required argument 'dir'/ })
  t.match(await pooldns(['import-zones', join(folder, 'empty')]), { code: 2, stderr: /has no files/ })
  await put('example.test', top)
  t.match(await pooldns(['import-zones', zones]), {
    code: 2,
    stderr: /are both named for zone example\.test/,
  })
  await rm(join(zones, 'example.test'))
  await put('a..b', top)
  t.match(await pooldns(['import-zones', zones]), { code: 2, stderr: /a\.\.b is not named for a zone/ })
})
