/** What this host lacks says nothing of a member: a child process that has no descriptor left probes in every way. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { closedPort } from '../fixture.ts'

const scriptOf = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

const unix = process.platform === 'win32' ? 'there is no limit of descriptors' : false

t.test('without a descriptor no probe says anything of a member', { skip: unix }, async (t) => {
  const port = await closedPort()
  const certificates = t.testdir({ 'one.crt': 'no certificate', 'one.key': 'no key' })
  const command = [
    '-c',
    'ulimit -n 128; exec "$0" "$@"',
    process.execPath,
    scriptOf('without-descriptors'),
    String(port),
    certificates,
  ]
  const { stdout } = await promisify(execFile)('sh', command)
  const { without, taken, after } = JSON.parse(stdout)
  t.ok(taken > 30, `${taken} descriptors were taken`)
  for (const [name, said] of Object.entries<string>(without.probes)) {
    t.match(said, /^aborted: this node's own fault: (\w+ )?EMFILE$/, name)
  }
  const own = { kind: 'failed', reason: "this node's own fault: EMFILE" }
  t.match(without.lookup, { ...own, own: 'EMFILE' })
  t.match(without.webhooks, [
    { ...own, own: true },
    { ...own, own: true },
  ])
  for (const [name, said] of Object.entries<string>(after.probes)) {
    const refused = name === 'tls with a client certificate' ? /^tls: .* can't be used: / : /^connect: /
    t.match(said, refused, name)
  }
  t.match(after.lookup, { kind: 'failed', reason: 'CONNREFUSED', own: undefined })
  t.match(after.webhooks, [{ own: false }, { own: false }])
})

t.test(
  'nor does a thread that can not be started, and the next one is tried later',
  { skip: unix },
  async (t) => {
    const command = [
      '-c',
      'ulimit -n 128; exec "$0" "$@"',
      process.execPath,
      scriptOf('matching-without-descriptors'),
    ]
    const { stdout } = await promisify(execFile)('sh', command)
    const { without, after } = JSON.parse(stdout)
    const fault = { failure: 'aborted', reason: "this node's own fault: no thread to match in: EMFILE" }
    t.match(without, [fault, fault, fault])
    t.same(after, [true, false])
  },
)
