/** A host without an address of a family can't judge addresses of it: a child process in a network namespace that has none at all. */
import { execFile } from 'node:child_process'
import type { NetworkInterfaceInfo } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { familiesOf } from '../../../../src/controlplane/health/probes/own-addresses.ts'
import { withoutNamespaces } from '../../../support/namespace.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('./without-network.ts', import.meta.url))

t.test('nobody is judged by a host that has no way to go', { skip: await withoutNamespaces() }, async (t) => {
  const name = `pooldns-none-${process.pid}`
  await run('ip', ['netns', 'add', name])
  t.teardown(() => run('ip', ['netns', 'del', name]))
  const judge = async () => {
    const { stdout } = await run('ip', ['netns', 'exec', name, process.execPath, script])
    const { asked, notLacking } = JSON.parse(stdout) as Record<string, string[]>
    t.equal(asked!.length, 14)
    for (const [index, said] of asked!.entries()) {
      const [family, name] = index < 7 ? ['ipv4', 'IPv4'] : ['ipv6', 'IPv6']
      t.equal(said, `aborted: this node's own fault: no ${name} address to go from; lacks ${family}`)
    }
    return notLacking!
  }
  await judge()
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  for (const said of await judge()) t.match(said, /^connect: .*ENETUNREACH; lacks nothing$/)
})

const entry = (address: string, internal = false) => ({ address, internal }) as NetworkInterfaceInfo
const cases: readonly (readonly [title: string, addresses: readonly NetworkInterfaceInfo[], string[]])[] = [
  ['nothing', [], []],
  ['loopback', [entry('127.0.0.1', true), entry('127.8.0.1', true), entry('::1', true)], []],
  ['link-local', [entry('169.254.3.4'), entry('fe80::1%eth0'), entry('febf::1')], []],
  ['IPv4 alone', [entry('127.0.0.1', true), entry('192.0.2.1'), entry('fe80::1')], ['ipv4']],
  ['IPv6 alone', [entry('127.0.0.1', true), entry('2001:db8::1'), entry('169.254.0.1')], ['ipv6']],
  ['private', [entry('10.0.0.1'), entry('fd00::2')], ['ipv4', 'ipv6']],
  ['an address on the loopback interface that others route to', [entry('2001:db8::53', true)], ['ipv6']],
]
for (const [title, addresses, families] of cases) {
  t.test(`families of a host: ${title}`, async (t) => {
    t.same([...familiesOf({ lo: [...addresses], gone: undefined })].sort(), families)
  })
}
