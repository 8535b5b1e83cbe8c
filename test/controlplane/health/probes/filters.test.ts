/**
 * A filter that says no: this host's own says nothing of a member, one on the way is as good as a member that is gone. Linux has the
 * same error for both over IPv6. Two network namespaces, of which one routes, and refuses, for the other.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { withoutNamespaces } from '../../../support/namespace.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('./behind-filter.ts', import.meta.url))

t.test('a filter of this host, and one on the way', { skip: await withoutNamespaces() }, async (t) => {
  const [here, router] = ['h', 'r'].map((end) => `pooldns-filter-${end}-${process.pid}`) as [string, string]
  const ip = (...args: string[]) => run('ip', args)
  const inside = (name: string, ...args: string[]) => ip('netns', 'exec', name, ...args)
  for (const name of [here, router]) {
    await ip('netns', 'add', name)
    t.teardown(() => ip('netns', 'del', name))
    await ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  await ip('-n', here, 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'down0', 'netns', router)
  for (const [name, link, address] of [
    [here, 'up0', 'fd00:db8::1/64'],
    [router, 'down0', 'fd00:db8::2/64'],
  ] as const) {
    await ip('-n', name, 'addr', 'add', address, 'dev', link, 'nodad')
    await ip('-n', name, 'link', 'set', link, 'up')
  }
  await inside(router, 'sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1')
  await ip('-n', router, '-6', 'route', 'add', 'prohibit', '2001:db8:1::/48')
  await ip('-n', here, '-6', 'route', 'add', 'default', 'via', 'fd00:db8::2')
  await ip('-n', here, '-6', 'route', 'add', 'prohibit', '2001:db8:2::/48')
  const probed = async (address: string): Promise<string[]> =>
    JSON.parse((await inside(here, process.execPath, script, address)).stdout)

  for (const said of await probed('2001:db8:1::1'))
    t.equal(said, 'connect: a filter on the way refuses it (EACCES)')
  for (const said of await probed('2001:db8:2::1'))
    t.match(said, /^aborted: this node's own fault: (\w+ )?EACCES$/)
})
