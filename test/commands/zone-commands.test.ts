/** What the commands refuse before they open anything; what they do is tested as processes, in `e2e`. */
import t from 'tap'
import { readApiServer } from '../../src/commands/api-server.ts'
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

t.test('import-zone', async (t) => {
  for (const [args, message] of wrongImports) {
    await t.rejects(importZoneCommand(args), { name: 'UsageError', message }, args.join(' '))
  }
})

t.test('export-zone', async (t) => {
  for (const args of [[], ['a', 'b'], ['a..b'], ['a', '--dance'], ['a', '--server', 'ftp://a']]) {
    await t.rejects(exportZoneCommand(args), { name: 'UsageError' }, args.join(' '))
  }
})

t.test('which server', async (t) => {
  t.equal(readApiServer({}, {}), null)
  t.equal(readApiServer({}, { POOLDNS_SERVER: '', POOLDNS_ADMIN_TOKEN: 'x' }), null)
  const environment = { POOLDNS_SERVER: 'http://[::1]:3000/', POOLDNS_ADMIN_TOKEN: 'x' }
  t.same(readApiServer({}, environment), { origin: 'http://[::1]:3000', token: 'x' })
  t.same(readApiServer({ server: 'https://dns.example', token: 'y' }, environment), {
    origin: 'https://dns.example',
    token: 'y',
  })
  t.throws(() => readApiServer({}, { POOLDNS_SERVER: 'x' }), {
    message: /^POOLDNS_SERVER: "x" is not accepted/,
  })
  t.throws(() => readApiServer({ server: 'http://a' }, {}), { message: /--server needs a token/ })
})
