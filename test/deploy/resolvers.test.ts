/** The snippets of docs/deploy.md for a resolver in front of the daemon, in a real unbound. */

import { Resolver } from 'node:dns/promises'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { put } from '../e2e/fixture.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { onPorts, pageBlocks } from '../support/pages.ts'
import { missingPrograms, startProgram } from '../support/program.ts'

const snippets = pageBlocks('docs/deploy.md').filter(({ language }) => language === 'unbound')

t.equal(snippets.length, 2, 'a stub and a forward')

t.test('unbound resolves our zones', { skip: missingPrograms('unbound', 'unbound-checkconf') }, async (t) => {
  const daemon = await startDaemonProcess()
  t.teardown(() => daemon.stop())
  await configure(daemon)
  for (const snippet of snippets) {
    t.test(`as at line ${snippet.line} of docs/deploy.md`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'pooldns-unbound-'))
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      const port = await freePort()
      const file = join(folder, 'unbound.conf')
      await writeFile(
        file,
        `${surroundings(folder, port)}\n${onPorts(snippet.text, daemon.dns.port, daemon.http)}`,
      )

      // Debian's start script runs it; with an address of this host it warns unless the snippet allows that.
      const check = startProgram('unbound-checkconf', [file])
      await check.said(/no errors/)
      t.notMatch(check.output, /warning/)
      await check.stop()

      await using unbound = startProgram('unbound', ['-d', '-c', file])
      await unbound.said(/start of service/)
      const resolver = new Resolver({ timeout: 60_000, tries: 3 })
      resolver.setServers([`127.0.0.1:${port}`])
      t.same((await resolver.resolve4('www.example.test')).sort(), ['192.0.2.1', '192.0.2.2'])
      t.match(await resolver.resolveMx('example.test'), [{ exchange: 'mail.example.test', priority: 10 }])
      t.same((await resolver.resolve4('alias.example.test')).sort(), ['192.0.2.1', '192.0.2.2'])
      await t.rejects(resolver.resolve4('none.example.test'), { code: 'ENOTFOUND' })
      // More than fits a datagram: unbound asks again over TCP.
      t.equal((await resolver.resolveTxt('long.example.test')).length, 30)
    })
  }
})

/** What a Debian machine has around the snippet: above all the validator, which trusts the key of the root. */
function surroundings(folder: string, port: number): string {
  // KSK-2017, as published by IANA. Without `domain-insecure` it makes unbound ask the root for proof.
  const anchor = '. DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D'
  return `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  interface: 127.0.0.1@${port}
  port: ${port}
  module-config: "validator iterator"
  trust-anchor: "${anchor}"
remote-control:
  control-enable: no
`
}

async function configure(daemon: DaemonProcess): Promise<void> {
  const text = 'x'.repeat(100)
  await put(daemon, '/v1/zones/example.test', {
    soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1.example.test.'] },
      { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
      { name: '@', type: 'MX', data: ['10 mail.example.test.'] },
      { name: 'alias', type: 'CNAME', data: ['www.example.test.'] },
      { name: 'long', type: 'TXT', data: Array.from({ length: 30 }, (_, index) => `"${text}${index}"`) },
    ],
  })
  await put(daemon, '/v1/pools/web', {
    members: { one: { address: '192.0.2.1' }, two: { address: '192.0.2.2' } },
  })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'] })
}
