/** Checks that run, and servers that are told. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCheck } from '../../src/commands/agent-check.ts'
import { allCommands } from '../../src/commands/all.ts'
import { runWords } from '../../src/commands/frame/program.ts'
import { findProgram } from '../support/program.ts'

const agentCommand = (args: readonly string[]) => runWords(['agent', ...args], allCommands)

const never = new AbortController().signal
const sh = (script: string, timeoutMs = 60_000) => runCheck(['sh', '-c', script], timeoutMs, never)

t.test('the exit of a check, by the conventions of Nagios', async (t) => {
  for (const [script, state, reason] of [
    ['echo "DISK OK | /=5%"; echo more', 'up', 'DISK OK'],
    ['exit 0', 'up', 'ok'],
    ['echo "load 7"; exit 1', 'up', 'warning: load 7'],
    ['echo "DISK FULL"; exit 2', 'down', 'DISK FULL'],
    ['exit 2', 'down', 'critical'],
    ['echo "no answer"; exit 3', null, 'no answer'],
    ['exit 7', 'down', 'exit 7'],
    ['kill -9 $$', 'down', 'the check was ended by SIGKILL'],
  ] as const) {
    t.same(await sh(script), { state, reason }, script)
  }
  t.match(await runCheck(['/nowhere/check'], 1000, never), {
    state: null,
    reason: /^the check was not run: .*ENOENT/,
  })
  const long = await sh('head -c 1000000 /dev/zero | tr "\\0" x')
  t.equal(long.reason.length, 160, 'bounded')
  t.same(await sh('printf "a\\033[31mb"'), { state: 'up', reason: 'a [31mb' }, 'without control characters')
  t.match(
    await sh('sleep 1000 & sleep 1000', 200),
    { state: 'down', reason: /longer than 200 ms/ },
    'and what it started ends',
  )
})

t.test('a check is over when it has ended, whatever it has left behind', async (t) => {
  const file = join(t.testdir(), 'left')
  const endLeft = async () => process.kill(Number(await readFile(file, 'utf8')))
  // As ssh does with ControlPersist.
  const left = await sh(`sleep 600 & echo $! > ${file}; echo fine; exit 1`)
  t.same(left, { state: 'up', reason: 'warning: fine' })
  await endLeft()
  if (findProgram('setsid') === null) return
  t.match(
    await sh(`setsid sleep 600 & echo $! > ${file}; sleep 600`, 2000),
    { state: 'down', reason: /longer than 2000 ms/ },
    'also where it can not be ended with the rest',
  )
  await endLeft()
})

interface Told {
  readonly url: string
  readonly token: string | undefined
  readonly body: { readonly reports: readonly object[] }
}

async function server(t: Test, status = 200) {
  const told: Told[] = []
  const http = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    told.push({ url: request.url!, token: request.headers.authorization, body: JSON.parse(text) })
    response.statusCode = status
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(() => http.close())
  return { told, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }
}

t.test('every server is told, whatever another one does', async (t) => {
  process.env.POOLDNS_TOKEN = 'secret'
  t.teardown(() => delete process.env.POOLDNS_TOKEN)
  const [good, bad, other] = [await server(t), await server(t, 503), await server(t)]
  const servers = [good, bad, other].flatMap(({ url }) => ['--server', url])
  const words = [
    '--pool',
    'jobs',
    '--member',
    'a',
    '--member',
    'b',
    '--every',
    '20s',
    '--once',
    '--',
    'sh',
    '-c',
  ]
  await t.rejects(agentCommand([...servers, ...words, 'echo full; exit 2']), {
    message: 'not every server was told',
  })
  const report = { pool: 'jobs', state: 'down', reason: 'full', ttl: '80s' }
  for (const { told } of [good, other]) {
    t.same(told, [
      {
        url: '/v1/reports',
        token: 'Bearer secret',
        body: {
          reports: [
            { ...report, member: 'a' },
            { ...report, member: 'b' },
          ],
        },
      },
    ])
  }
  await agentCommand(['--server', good.url, ...words, 'exit 3'])
  t.equal(good.told.length, 1, 'who does not know says nothing')
})

t.test('what is wrong is refused before anything runs', async (t) => {
  for (const [args, message] of [
    [[], /missing required argument 'command'/],
    [['--', 'true'], /takes --pool POOL and --member MEMBER/],
    [['--pool', 'p', '--member', 'm', '--', 'true'], /which servers: --server URL/],
    [['--pool', 'p', '--member', 'm', '--every', 'often', '--', 'true'], /--every: "often" is not accepted/],
    [
      ['--pool', 'p', '--member', 'm', '--server', 'nowhere', '--', 'true'],
      /--server: "nowhere" is not accepted/,
    ],
  ] as const) {
    await t.rejects(agentCommand(args), { name: 'UsageError', message })
  }
})
