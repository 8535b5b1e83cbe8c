/**
 * A client that is generated from the OpenAPI document by a tool of others: it compiles, strictly, a program by it does what it should
 * on a server, and one that asks for what is not there does not compile.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type DaemonProcess, node, repository, startDaemonProcess } from '../support/daemon.ts'

const run = promisify(execFile)

const head = `import { ok } from '@oazapfts/runtime'
import * as pooldns from './pooldns.ts'

pooldns.defaults.baseUrl = process.argv[2]!
pooldns.defaults.headers = { authorization: \`Bearer \${process.argv[3]}\` }
`

/** Makes things, reads how they are, makes mistakes, and reads a list to its end. */
const program = `${head}
const monitor: pooldns.Monitor = { type: 'static', state: 'up' }
const made = await pooldns.putMonitor('always', monitor)
if (made.status !== 201) throw new Error(\`\${made.status}\`)
console.log('monitor', made.data.type, made.headers.get('etag') !== null)

await ok(pooldns.putZone('example.test', {
  soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
  rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.net.'] }],
}))
for (const name of ['eu', 'us', 'asia']) {
  const members: Record<string, pooldns.PoolMember> = { one: { address: '192.0.2.1' } }
  await ok(pooldns.putPool(name, { monitor: 'always', members }))
}
await ok(pooldns.putMember('eu', 'two', { address: '192.0.2.2', weight: 50 }))
const service = await ok(
  pooldns.putService('www.example.test', { steer: 'weighted', pools: [{ pool: 'eu', weight: 3 }, 'us'] }),
)
console.log('service', service.steer, service.pools.map((each) => (typeof each === 'string' ? each : each.pool)).join())

const drained = await ok(pooldns.putMemberOverride('eu', 'one', { state: 'drain', reason: 'new kernel' }))
console.log('override', drained.state, drained.until)
const overview = await ok(pooldns.getOverview())
console.log('overview', overview.overrides.map(({ pool, member, reason }) => \`\${pool}/\${member}: \${reason}\`).join())

const missing = await pooldns.getPool('nowhere')
if (missing.status === 404) console.log('problem', missing.data.detail)
const wrong = await pooldns.putMonitor('web', { type: 'http', interval: 'often' })
if (wrong.status === 400) console.log('problem', wrong.data.errors?.map(({ path }) => path).join())
const stale = await pooldns.putPool('eu', {}, { ifMatch: '"1"' })
console.log('problem', stale.status)

const names: string[] = []
for (let cursor: string | null = ''; cursor !== null; ) {
  const page: pooldns.PoolPage = await ok(pooldns.listPools(cursor === '' ? { limit: 1 } : { limit: 1, cursor }))
  names.push(...page.items.map(({ name }) => name))
  cursor = page.nextCursor
}
console.log('pools', names.join())

// It is on record soon after the reply.
let event: pooldns.Event | undefined
while (event === undefined) event = (await ok(pooldns.listEvents({ kind: 'override', limit: 1 }))).items[0]
if (event.kind === 'override' && 'pool' in event) console.log('event', event.pool, event.what, event.actor)
const answer = await ok(pooldns.explain('www.example.test', { client: '203.0.113.7' }))
console.log('answer', answer.answer.rcode, answer.services[0]?.levels[0]?.steer)
const patched = await ok(pooldns.patchService('www.example.test', { ttl: '1m' }))
console.log('ttl', patched.ttl)
`

const said = `monitor static true
service weighted eu,us
override drain null
overview eu/one: new kernel
problem pool nowhere does not exist
problem interval
problem 412
pools asia,eu,us
event eu set admin
answer NOERROR weighted
ttl 1m
`

/** Each is wrong in one way, which the compiler finds. */
const wrongPrograms: Readonly<Record<string, string>> = {
  'a type of monitor that there is not': "await pooldns.putMonitor('a', { type: 'carrier-pigeon' })",
  'a member without an address in a list of texts': "await pooldns.putPool('a', { members: ['192.0.2.1'] })",
  'a service without pools': "await pooldns.putService('a.example.test', { ttl: 5 })",
  'a reply whose status is not looked at': "console.log((await pooldns.getPool('a')).data.members)",
  'a field that no status has': 'console.log((await ok(pooldns.getOverview())).everythingIsFine)',
  'a state that no operator can say': "await pooldns.putPoolOverride('a', { state: 'sideways' })",
}

t.test('a typed client', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-client-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await using daemon = await startDaemonProcess()
  await generate(folder, daemon)

  await t.test('of which a program is compiled, and run on a server', async (t) => {
    t.same(await compile(folder, program), [])
    const { stdout } = await run(node, ['program.ts', daemon.http, daemon.token], { cwd: folder })
    t.equal(stdout, said)
  })

  for (const [what, line] of Object.entries(wrongPrograms)) {
    await t.test(`by which nobody asks for ${what}`, async (t) => {
      const errors = await compile(folder, `${head}${line}\nexport type Ok = typeof ok\n`)
      t.ok(errors.length > 0)
      for (const error of errors) t.match(error, /^program.ts\(6,/, error)
    })
  }
})

/** By the command line of the generator. */
async function generate(folder: string, { http }: DaemonProcess): Promise<void> {
  const document = await (await fetch(`${http}/openapi.json`)).text()
  await writeFile(join(folder, 'openapi.json'), document)
  const cli = join(repository, 'node_modules/oazapfts/dist/cli.js')
  await run(node, [cli, 'openapi.json', 'pooldns.ts'], { cwd: folder })
}

const options = [
  ...[
    '--noEmit',
    '--strict',
    '--noUncheckedIndexedAccess',
    '--erasableSyntaxOnly',
    '--allowImportingTsExtensions',
  ],
  ...['--module', 'nodenext', '--target', 'es2024', '--types', 'node', '--skipLibCheck'],
]

/** What the compiler has against a program. */
async function compile(folder: string, text: string): Promise<string[]> {
  await writeFile(join(folder, 'program.ts'), text)
  const tsc = join(repository, 'node_modules/.bin/tsc')
  try {
    await run(tsc, [...options, 'program.ts'], { cwd: folder })
    return []
  } catch (error) {
    const lines = (error as { stdout: string }).stdout.split('\n')
    return lines.filter((line) => /^\S+\(\d+,\d+\): error/.test(line))
  }
}
