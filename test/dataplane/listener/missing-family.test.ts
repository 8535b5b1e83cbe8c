import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

t.test('a host without IPv6 serves on IPv4, and says what it left out', async (t) => {
  const preload = ['--import', path('./host-without-ipv6.ts')]
  const args = [...preload, path('./fleet-on-both-wildcards.ts')]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), {
    hosts: ['0.0.0.0'],
    udp: 1,
    tcp: 1,
    // UDP takes the addresses that TCP could bind.
    skipped: ['tcp [::]:0: bind EAFNOSUPPORT :::0'],
  })
})
