/** Feeds by the command line, and of the demo, as processes. */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import t from 'tap'
import { main, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-feeds-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const sample = join(repository, 'deploy/air_quality.csv')
const header = 'time_instant,id_entity,so2,no2\n'

async function pooldns(args: readonly string[], env: Record<string, string> = {}, input = '') {
  const child = spawn(node, [main, ...args], {
    env: { ...process.env, POOLDNS_DATA_DIR: join(folder, 'data'), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(input)
  const code = new Promise((resolve) => child.once('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr, code: await code }
}

async function file(name: string, content: string): Promise<string> {
  await writeFile(join(folder, name), content)
  return join(folder, name)
}

t.test('into a PostgreSQL, by COPY, and read by a server', async (t) => {
  await using server = await startPostgres()
  const env = { DATABASE_URL: await server.createDatabase() }
  t.equal((await pooldns(['migrate'], env)).code, 0)
  const load = ['import-feed', sample, '--feed', 'air_quality']
  t.match(await pooldns(load, env), {
    code: 0,
    stdout: 'feed air_quality: 2880 rows, 2880 of them new or changed\n',
  })
  t.match(await pooldns(load, env), {
    code: 0,
    stdout: 'feed air_quality: 2880 rows, 0 of them new or changed\n',
  })
  const odd = await file(
    'odd.csv',
    `${header}2020-01-01,back\\slash,1,\n2020-01-01,"qu""ote",0,2\n2020-01-01,"qu""ote",0,3\n`,
  )
  t.match(await pooldns(['import-feed', odd, '--feed', 'odd'], env), {
    code: 0,
    stdout: 'feed odd: 3 rows, 2 of them new or changed\n',
  })

  const pipe = join(folder, 'pipe')
  await promisify(execFile)('mkfifo', [pipe])
  const [piped] = await Promise.all([
    pooldns(['import-feed', pipe, '--feed', 'odd'], env),
    writeFile(pipe, `${header}2020-01-01,"qu""ote",0,3\n`),
  ])
  t.match(piped, { code: 0, stdout: 'feed odd: 1 rows, 0 of them new or changed\n' }, 'also from a pipe')
  t.match(await pooldns(['import-feed', folder, '--feed', 'odd'], env), { code: 2, stderr: /is a folder/ })

  const bad = await file('bad.csv', `${header}2020-01-01,x,1,2\n2020-01-01,y,NaN,1\n2020-01-01,z,1\n`)
  const told = `${bad}: line 3, column 3 (so2): "NaN" is not a number\n${bad}: line 4: has 3 fields, not 4 as the header\n`
  const refused = await pooldns(['import-feed', bad, '--feed', 'bad'], env)
  t.match(refused, { code: 1, stdout: '' })
  t.equal(refused.stderr, `${told}the rows for feed bad have 2 problems, and nothing was kept\n`)
  t.match(await pooldns(['import-feed', folder, '--feed', 'none'], env), { code: 2, stderr: /is a folder/ })
  const skipping = await pooldns(['import-feed', bad, '--feed', 'bad', '--skip-bad'], env)
  t.match(skipping, {
    code: 0,
    stdout: 'feed bad: 1 rows, 1 of them new or changed, 2 skipped for mistakes\n',
    stderr: told,
  })
  const noHeader = await file('no-header.csv', '2020-01-01,x,1\n')
  t.match(await pooldns(['import-feed', noHeader, '--feed', 'none'], env), {
    code: 1,
    stderr: /line 1: the header has no time_instant and no id_entity/,
  })
  t.match(await pooldns(['import-feed', join(folder, 'absent.csv'), '--feed', 'none'], env), {
    code: 2,
    stderr: /absent.csv/,
  })
  t.match(await pooldns(['import-feed', bad, '--feed', 'Bad'], env), {
    code: 2,
    stderr: /"Bad" is not accepted/,
  })
  t.match(await pooldns(['import-feed', bad], env), { code: 2 })
  t.match(await pooldns(['import-feed', bad, '--feed', 'probes'], env), {
    code: 2,
    stderr: /"probes" is a feed that the servers write by themselves/,
  })

  await using daemon = await startDaemonProcess({ env })
  const read = await daemon.request('/air_quality?limit=3000&format=csv')
  const lines = (await read.text()).trimEnd().split('\r\n').slice(1)
  const numbers = (line: string) => line.split(',').slice(2).map(Number)
  const expected = (await readFile(sample, 'utf8')).trimEnd().split('\n').slice(1)
  const byKey = new Map(
    expected.map((line) => [
      `${line.slice(0, 19).replace(' ', 'T')}Z,${line.split(',')[1]!.trim()}`,
      numbers(line),
    ]),
  )
  t.equal(lines.length, 2880)
  t.ok(
    lines.every((line) =>
      byKey.get(line.split(',').slice(0, 2).join(','))!.every((value, nth) => value === numbers(line)[nth]),
    ),
    'reads back equal',
  )
  const found = (await (await daemon.request('/v1/feeds/odd')).json()) as { items: object[] }
  t.same(found.items, [
    { time_instant: '2020-01-01T00:00:00Z', id_entity: 'back\\slash', so2: 1, no2: null },
    { time_instant: '2020-01-01T00:00:00Z', id_entity: 'qu"ote', so2: 0, no2: 3 },
  ])
})

t.test('by a server, whose demo has some', async (t) => {
  await using daemon = await startDaemonProcess({ demo: true })
  const env = { POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN: daemon.token }
  const latest = await pooldns(['feed', 'air_quality'], env)
  t.equal(latest.code, 0)
  t.match(latest.stdout, /time_instant +id_entity +so2 +no2 +co +o3 +pm10 +pm2_5/)
  t.equal(latest.stdout.trimEnd().split('\n').length, 5)
  const json = await pooldns(
    ['feed', 'air_quality', '--entity', 'aq_salvia', '--since', '36500d', '--limit', '2', '--json'],
    env,
  )
  t.same(
    json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).time_instant),
    ['2020-01-01T00:00:00Z', '2020-01-01T01:00:00Z'],
  )
  t.match(await pooldns(['feed', 'air_quality', '--entity', 'aq_salvia', '--since', '6h'], env), {
    code: 0,
    stdout: /^no rows of aq_salvia since \S+Z, but up to 2020-01-30T23:00:00.000Z: --since \d+d has some\n$/,
  })
  t.match(await pooldns(['feed', 'air_quality', '--entity', 'nobody'], env), {
    code: 0,
    stdout: 'no rows of nobody\n',
  })
  const rows = `${header}${Array.from({ length: 12_000 }, (_, nth) => `2024-01-01 00:00:00.${String(nth).padStart(6, '0')},e,${nth},\n`).join('')}`
  const loaded = await pooldns(['import-feed', '-', '--feed', 'piped', '--progress'], env, rows)
  t.match(loaded, { code: 0, stdout: 'feed piped: 12000 rows, 12000 of them new or changed\n' })
  const objects = await file('more.ndjson', '{"time_instant":"2024-01-02","id_entity":"e","so2":1}\n')
  t.match(await pooldns(['import-feed', objects, '--feed', 'piped'], env), {
    code: 0,
    stdout: /1 rows, 1 of them/,
  })
  t.match(await pooldns(['import-feed', objects, '--feed', 'unheard_of'], env), {
    code: 1,
    stderr: /feed unheard_of does not exist, and JSON has no header/,
  })
  const keysAlone = await file('keys.csv', 'time_instant,id_entity\n2020-01-01,x\n')
  t.match(await pooldns(['import-feed', keysAlone, '--feed', 'wrong'], env), {
    code: 1,
    stderr: /keys.csv: line 1: the header names no column besides time_instant and id_entity\n/,
  })
  const wrong = await file('wrong.csv', `${header}2020-01-01,x,NaN,2\n`)
  t.match(await pooldns(['import-feed', wrong, '--feed', 'wrong'], env), { code: 1 })
  const undeclared = await daemon.request('/v1/feeds/wrong/declaration')
  t.equal(undeclared.status, 404, 'a file with mistakes declares no feed')
  t.match(await pooldns(['feed', 'pipd'], env), {
    code: 1,
    stderr: /feed pipd does not exist; did you mean piped/,
  })
  t.match(await pooldns(['feed', 'piped', '--since', 'soon'], env), {
    code: 2,
    stderr: /--since: "soon" is not accepted/,
  })
})
