/** What docs/troubleshooting.md says that a start which fails says is what it says. */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { main, node } from '../support/daemon.ts'
import { page } from '../support/pages.ts'

/** The first cells of the table of starts, as they would be on the ports of this test. */
const told = [...page('docs/troubleshooting.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell]) => cell!)

t.test('starts that fail say what the page has', async (t) => {
  const udp = createSocket('udp4').bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.teardown(() => udp.close())
  const tcp = createServer().listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  t.teardown(() => tcp.close())
  const taken = {
    dns: `127.0.0.1:${udp.address().port}`,
    http: `127.0.0.1:${(tcp.address() as { port: number }).port}`,
  }
  for (const env of [
    { POOLDNS_DNS_LISTN: '127.0.0.1:53' },
    { POOLDNS_WORKERS: 'many' },
    { POOLDNS_DNS_LISTEN: taken.dns },
    { POOLDNS_HTTP_LISTEN: taken.http },
    { POOLDNS_DNS_LISTEN: '192.0.2.53:53' },
  ]) {
    const said = (await failedStart(env))
      .replace(/^pooldns: /, '')
      .replace(taken.dns, '192.0.2.53:53')
      .replace(taken.http, '127.0.0.1:3000')
    const [line] = said.split('\n')
    t.ok(
      told.some((cell) => line === cell || (cell.includes('…') && line!.startsWith(cell.split('…')[0]!))),
      `the page has ${line}`,
    )
  }
})

async function failedStart(env: Readonly<Record<string, string>>): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-start-'))
  try {
    const child = spawn(node, [main, 'serve'], {
      env: {
        PATH: process.env.PATH,
        POOLDNS_DATA_DIR: dataDir,
        POOLDNS_DNS_LISTEN: '127.0.0.1:0',
        POOLDNS_HTTP_LISTEN: '127.0.0.1:0',
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    return await text(child.stderr)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}
