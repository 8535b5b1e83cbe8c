/** What the commands refuse before they open anything; what they do is tested as processes, in `e2e`. */
import { join } from 'node:path'
import t from 'tap'
import { ApiClient, namedServer } from '../../src/commands/api-client.ts'
import { exportZoneCommand } from '../../src/commands/export-zone.ts'
import { importZoneCommand } from '../../src/commands/import-zone.ts'

const wrongImports: readonly (readonly [args: string[], message: RegExp])[] = [
  [[], /takes a FILE/],
  [['x'], /needs --zone/],
  [['x', '--zone', 'a..b'], /empty label/],
  [['x', 'y', '--zone', 'a'], /"y" is one word too many/],
  [['x', '--zone', 'a', '--dance'], /dance/],
  [['x', '--zone'], /zone/],
  [['x', '--zone', 'a', '--server', 'nowhere'], /--server: "nowhere" is not accepted/],
]

t.test('import-zone refuses what is wrong before it opens anything', async (t) => {
  for (const [args, message] of wrongImports) {
    await t.rejects(importZoneCommand(args), { name: 'UsageError', message }, args.join(' '))
  }
})

t.test('export-zone refuses what is wrong before it opens anything', async (t) => {
  for (const args of [[], ['a', 'b'], ['a..b'], ['a', '--dance'], ['a', '--server', 'ftp://a']]) {
    await t.rejects(exportZoneCommand(args), { name: 'UsageError' }, args.join(' '))
  }
})

t.test('flags name the server before the environment does, and a server needs a token', async (t) => {
  t.equal(namedServer({}, {}), null)
  t.equal(namedServer({}, { POOLDNS_SERVER: '', POOLDNS_ADMIN_TOKEN: 'x' }), null)
  const environment = { POOLDNS_SERVER: 'http://[::1]:3000/', POOLDNS_ADMIN_TOKEN: 'x' }
  t.same(namedServer({}, environment), new ApiClient('http://[::1]:3000', 'x'))
  t.same(namedServer({ server: 'https://dns.example', token: 'y' }, environment), {
    origin: 'https://dns.example',
    token: 'y',
  })
  t.throws(() => namedServer({}, { POOLDNS_SERVER: 'x' }), {
    message: /^POOLDNS_SERVER: "x" is not accepted/,
  })
  const folder = t.testdir({ token: 'of a file\n' })
  const POOLDNS_TOKEN_FILE = join(folder, 'token')
  t.match(namedServer({}, { ...environment, POOLDNS_TOKEN_FILE }), { token: 'of a file' })
  t.match(namedServer({}, { ...environment, POOLDNS_TOKEN: 'z' }), { token: 'z' })
  t.throws(() => namedServer({}, { ...environment, POOLDNS_TOKEN_FILE: folder }), { name: 'UsageError' })
  t.throws(() => namedServer({ server: 'http://a' }, {}), { message: /--server needs a token/ })
})
