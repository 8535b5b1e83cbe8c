import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { findProgram } from '../support/program.ts'
import { put, soa } from './fixture.ts'

const run = promisify(execFile)
const dig = findProgram('dig')

t.test(
  "dig sees NSID, cookie and client subnet; nodes on one database accept each other's cookies",
  {
    skip: dig === null ? 'dig is not installed' : false,
  },
  async (t) => {
    await using postgres = await startPostgres()
    const env = {
      DATABASE_URL: await postgres.createDatabase(),
      POOLDNS_IDENTITY: 'node-1',
      POOLDNS_RRL_EXEMPT: 'none',
      POOLDNS_RRL_RATE: '1',
      POOLDNS_RRL_SLIP: '0',
    }
    await using one = await startDaemonProcess({ env })
    await using two = await startDaemonProcess({ env: { ...env, POOLDNS_IDENTITY: 'node-2' } })
    await put(one, '/v1/zones/example.test', { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] })
    const ask = async (node: typeof one, ...words: string[]) => {
      const { stdout } = await run(dig!, [
        `@${node.dns.host}`,
        '-p',
        String(node.dns.port),
        '+tries=1',
        // An answer that is dropped never comes, and one of a busy machine may take long.
        '+time=60',
        ...words,
      ])
      return stdout
    }
    const reply = await ask(one, '+cookie', '+nsid', '+subnet=198.51.100.0/24', 'a.example.test')
    t.match(reply, /NSID: .*node-1/)
    t.match(reply, /CLIENT-SUBNET: 198\.51\.100\.0\/24\/0/)
    const cookie = /COOKIE: ([0-9a-f]{48}) \(good\)/.exec(reply)?.[1]
    t.ok(cookie, reply)
    // The limit is one response a second, so only a client whose cookie is accepted is answered each time.
    for (let i = 0; i < 5; i++)
      t.match(await ask(two, `+cookie=${cookie}`, 'SOA', 'nx.test'), /status: REFUSED/)
    t.match(await ask(one, `+cookie=${cookie}`, '-c', 'CH', '-t', 'TXT', 'id.server'), /"node-1"/)
  },
)
