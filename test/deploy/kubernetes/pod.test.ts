/**
 * What the chart starts, without a cluster: the processes of its pods with the environment, the user and the kinds of volumes that it says,
 * on a real PostgreSQL with its two roles. Only paths and ports are others.
 */
import { execFile } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { type DaemonChild, main, node, repository, spawnDaemon } from '../../support/daemon.ts'
import { podOf } from '../../support/kubernetes/agreement.ts'
import { type Manifest, renderChart, withoutHelm } from '../../support/kubernetes/tools.ts'
import { startPostgres } from '../../support/postgres.ts'
import { findProgram, missingPrograms } from '../../support/program.ts'
import { dropPrivileges, unprivileged } from '../../support/unprivileged.ts'

const run = promisify(execFile)
const token = 'a-token-of-the-administrator'
const through = await dropPrivileges()
const skip = withoutHelm || (through.length === 0 && 'it takes root and setpriv to become another user')

type Environment = Readonly<Record<string, string>>

t.test('a server as the chart starts it', { skip }, async (t) => {
  const scratch = await mkdtemp(join(tmpdir(), 'pooldns-pod-'))
  t.teardown(() => rm(scratch, { recursive: true, force: true }))
  await chmod(scratch, 0o755)
  const { owner, daemon } = await database()
  const manifests = await renderChart()
  const job = await pod(manifests.find(({ kind }) => kind === 'Job')!, { 'database-url': owner })
  const server = manifests.find(({ kind }) => kind === 'Deployment')!
  const secrets = { 'database-url': daemon, 'admin-token': token }

  await t.test('the migration, as the owner', async (t) => {
    t.same(job.args, ['migrate'])
    const [command, ...args] = [...through, node, main, ...job.args]
    const { stdout } = await run(command!, args, { env: { PATH: process.env.PATH, ...job.env } })
    t.match(stdout, /the schema is up to date/)
  })

  const one = await start(await pod(server, secrets))
  const other = await start(await pod(server, secrets))

  await t.test('its probes', async (t) => {
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const { path } = podOf(server)!.spec.containers[0][probe].httpGet
      t.equal((await fetch(one.http + path)).status, 200, `${probe}: ${path}`)
    }
  })

  await t.test('HTTP, by the names of the service', async (t) => {
    const statusFor = async (host: string) => {
      const asked = request(`${one.http}/ready`, { headers: { host } }).end()
      const [reply] = await once(asked, 'response')
      reply.resume()
      return reply.statusCode
    }
    t.equal(await statusFor('dns-pooldns-http.name-service.svc:3000'), 200)
    t.equal(await statusFor('dns-pooldns-http:3000'), 200)
    t.equal(await statusFor('somebody-else'), 421)
  })

  await t.test('two pods serve one database', async (t) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const said = await fetch(`${one.http}/v1/zones/example.test?wait=fleet`, {
      method: 'PUT',
      headers,
      body: JSON.stringify({ soa: { mname: 'ns.example.test.', rname: 'root.example.test.' } }),
    })
    t.ok(said.ok, await said.text())
    t.equal((await fetch(`${other.http}/v1/zones/example.test`, { headers })).status, 200)
    const resolver = new Resolver()
    resolver.setServers([other.dns])
    t.match(await resolver.resolveSoa('example.test'), { nsname: 'ns.example.test' })
  })

  await t.test('helm test', async (t) => {
    const test = podOf(manifests.find(({ kind }) => kind === 'Pod')!)!.spec.containers[0]
    const [program, ...options] = [...test.command, ...test.args]
    t.equal(program, 'node')
    const [, dnsPort] = /:(\d+)$/.exec(one.dns)!
    const ask = (port: string) =>
      run(node, options, {
        env: { HTTP_HOST: 'localhost', HTTP_PORT: port, DNS_HOST: '127.0.0.1', DNS_PORT: dnsPort },
      })
    t.match(
      (await ask(new URL(one.http).port)).stdout,
      /\/ready 200[\s\S]*DNS at 127\.0\.0\.1: (?:EREFUSED|ENOTFOUND)/,
    )
    await one.child.stop()
    await t.rejects(ask(new URL(other.http).port), { code: 1, stdout: /DNS at 127\.0\.0\.1: ECONNREFUSED/ })
  })

  await t.test('its end takes no longer than the pod has', async (t) => {
    const begun = Date.now()
    t.same(await other.child.stop(), { code: 0, signal: null })
    const { terminationGracePeriodSeconds, containers } = podOf(server)!.spec
    const drain = Number(containers[0].lifecycle.preStop.exec.command[1])
    t.ok(Date.now() - begun < (terminationGracePeriodSeconds - drain) * 1000)
  })

  /** The roles, in a database of their own. */
  async function database() {
    const postgres = await startPostgres()
    t.teardown(() => postgres.stop())
    const url = await postgres.createEmptyDatabase()
    const client = new pg.Client(url)
    await client.connect()
    await client.query(
      "select set_config('pooldns.owner_password', 'o', false), set_config('pooldns.daemon_password', 'd', false)",
    )
    await client.query(await readFile(join(repository, 'deploy/postgres/roles.sql'), 'utf8'))
    await client.end()
    return { owner: postgres.urlFor(url, 'pooldns_owner', 'o'), daemon: postgres.urlFor(url, 'pooldns', 'd') }
  }

  /** A pod's volumes and environment, in a folder that stands for its root. */
  async function pod(
    manifest: Manifest,
    contents: Environment,
  ): Promise<{ args: string[]; env: Environment }> {
    const root = await mkdtemp(join(scratch, 'root-'))
    await chmod(root, 0o755)
    const { volumes, containers } = podOf(manifest)!.spec
    const [{ args, env, volumeMounts }] = containers
    for (const { name, mountPath } of volumeMounts) {
      const path = join(root, mountPath)
      await mkdir(path, { recursive: true })
      // As the kubelet makes it for an `fsGroup`.
      await chown(path, 0, unprivileged)
      const { secret } = volumes.find((each: { name: string }) => each.name === name)
      await chmod(path, secret === undefined ? 0o2777 : 0o2755)
      for (const { key, path: file } of secret?.items ?? []) {
        await writeFile(join(path, file), contents[key]!, { mode: secret.defaultMode })
        await chown(join(path, file), 0, unprivileged)
      }
    }
    const inRoot = env.map(({ name, value }: { name: string; value: string }) => [
      name,
      value.startsWith('/') ? join(root, value) : value,
    ])
    return { args, env: Object.fromEntries(inRoot) }
  }

  async function start({ env }: { env: Environment }) {
    const { POOLDNS_DATA_DIR: dataDir, POOLDNS_HTTP_LISTEN: _, ...rest } = env
    const child: DaemonChild = await spawnDaemon({
      dataDir: dataDir!,
      through,
      env: { ...rest, POOLDNS_PROBE_ALLOW: undefined },
    })
    t.teardown(() => child.stop())
    const ready = await child.line(({ msg }) => msg === 'ready')
    return { child, http: `http://${ready.http}`, dns: (ready.dns as string[])[0]! }
  }
})

t.test(
  'port 53, as a user who is not root',
  {
    skip: skip || missingPrograms('capsh', 'setcap', 'setpriv'),
  },
  async (t) => {
    const scratch = await mkdtemp(join(tmpdir(), 'pooldns-port-'))
    t.teardown(() => rm(scratch, { recursive: true, force: true }))
    await chmod(scratch, 0o755)
    const values = { kind: 'DaemonSet', hostNetwork: true, dns: { port: 53 } }
    const server = (await renderChart({ values })).find(({ kind }) => kind === 'DaemonSet')!
    const [{ command, securityContext }] = podOf(server)!.spec.containers
    t.same(securityContext.capabilities, { drop: ['ALL'], add: ['NET_BIND_SERVICE'] })
    const [wrapper, inherited, ambient, ...program] = command
    t.same(program, ['node', '/app/dist/src/main.js'])

    // What the image has.
    const containerfile = await readFile(join(repository, 'Containerfile'), 'utf8')
    t.match(containerfile, /cp \/usr\/bin\/setpriv \/bind-low-ports/)
    const [, rights] = /setcap (\S+) \/bind-low-ports/.exec(containerfile)!
    const path = join(scratch, wrapper)
    await copyFile(findProgram('setpriv')!, path)
    await run('setcap', [rights!, path])

    /** As container runtimes do: rights are set once the user is another, and end with the first program that is started. */
    const runtime = (program: string) =>
      `capsh --keep=1 --groups= --gid=${unprivileged} --uid=${unprivileged} --caps=cap_net_bind_service=ep --no-new-privs --shell=${program} --`.split(
        ' ',
      )
    const start = async (through: readonly string[], name: string) => {
      const folder = join(scratch, name)
      await mkdir(folder)
      await chown(folder, unprivileged, unprivileged)
      const env = { POOLDNS_DNS_LISTEN: '127.0.53.1:53' }
      const child = await spawnDaemon({ dataDir: folder, through, env })
      t.teardown(() => child.stop())
      return child
    }
    const with53 = await start([...runtime(path), inherited, ambient], 'with')
    await with53.line(({ msg }) => msg === 'ready')
    const resolver = new Resolver()
    resolver.setServers(['127.0.53.1:53'])
    await t.rejects(resolver.resolveSoa('example.test'), { code: 'EREFUSED' })
    await with53.stop()
    const without = await start(runtime(findProgram('env')!), 'without')
    t.not((await without.exited).code, 0)
    t.match(JSON.stringify(without.lines) + without.stderr, /127\.0\.53\.1:53: EACCES/)
  },
)
