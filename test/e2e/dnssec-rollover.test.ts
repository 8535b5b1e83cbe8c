/**
 * Rollovers of each kind, in zones whose TTLs are seconds, under a resolver that validates from the parent on and never finds anything
 * bogus. The parent does what CDS asks for, by BIND's `dnssec-cds`, which checks that the keys that it knows have signed it. Then the same
 * with a server that is killed in every step.
 */
import { execFile } from 'node:child_process'
import { rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { pause } from '../../src/controlplane/timing/clock.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { flagBits, query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { patience } from '../support/patience.ts'
import { findProgram, missingPrograms, type Program, startProgram } from '../support/program.ts'
import { eventually, put, soa } from './fixture.ts'

const execute = promisify(execFile)
const skip = missingPrograms('dig', 'unbound', 'dnssec-cds')

const apex = 'example.test'
const short = { maxTtl: '2s', propagation: '1s' }

interface Reply {
  readonly enabled: boolean
  readonly algorithm?: number
  readonly status: {
    readonly keys: readonly {
      readonly tag: number
      readonly role: string
      readonly algorithm: number
      readonly state: string
      readonly ds: string
      readonly atParent: boolean
    }[]
    readonly rollover: {
      readonly step: string
      readonly reverting: boolean
      readonly parent: string | null
    } | null
  }
}

interface World {
  daemon: DaemonProcess
  readonly folder: string
  readonly dataDir: string
  readonly start: () => Promise<DaemonProcess>
  readonly unbound: Program
  readonly port: number
}

const of = async (daemon: DaemonProcess): Promise<Reply> =>
  (await (await daemon.request(`/v1/zones/${apex}/dnssec`)).json()) as Reply

async function post(daemon: DaemonProcess, path: string, json: unknown): Promise<void> {
  const response = await daemon.request(`/v1/zones/${apex}/dnssec/${path}`, { method: 'POST', json })
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}

/** A parent and a zone below it, both signed and in one server, and a resolver that trusts the parent's key. */
async function world(t: Test, dnssec: object): Promise<World> {
  const folder = await temporaryDataFolder('pooldns-rollover-')
  const dataDir = await temporaryDataFolder('pooldns-rollover-data-')
  t.teardown(() => Promise.all([folder, dataDir].map((path) => rm(path, { recursive: true, force: true }))))
  const dnsPort = await freePort()
  const start = async () => {
    const daemon = await startDaemonProcess({ dataDir, env: { POOLDNS_DNS_LISTEN: `127.0.0.1:${dnsPort}` } })
    t.teardown(() => daemon.stop())
    return daemon
  }
  const daemon = await start()
  const ns = { name: 'ns1.example', type: 'A', data: ['127.0.0.1'] }
  await put(daemon, '/v1/zones/test', {
    soa: { ...soa, minimum: '1s' },
    ttl: '2s',
    dnssec: { enabled: true, ...short },
    rrsets: [{ name: 'example', type: 'NS', data: ['ns1.example'] }, ns],
  })
  const numbered = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, type: 'A', data: ['192.0.2.1'] }))
  await put(daemon, `/v1/zones/${apex}`, {
    soa: { ...soa, minimum: '1s' },
    ttl: '2s',
    dnssec: { enabled: true, parentServers: [`127.0.0.1:${dnsPort}`], ...short, ...dnssec },
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1'] },
      { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
      ...numbered,
    ],
  })
  const reply = await of(daemon)
  const data = reply.status.keys.filter(({ atParent }) => atParent).map(({ ds }) => ds)
  await put(daemon, '/v1/zones/test/rrsets/example/DS', { ttl: '2s', data })
  const parent = (await (await daemon.request('/v1/zones/test/dnssec')).json()) as Reply
  const port = await freePort()
  const file = join(folder, 'unbound.conf')
  const stub = (name: string) => `stub-zone:\n  name: "${name}"\n  stub-addr: 127.0.0.1@${dnsPort}\n`
  await writeFile(
    file,
    `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  interface: 127.0.0.1@${port}
  port: ${port}
  module-config: "validator iterator"
  do-not-query-localhost: no
  harden-algo-downgrade: yes
  val-log-level: 2
  infra-host-ttl: 1
  local-zone: "test." nodefault
  trust-anchor: "test. DS ${parent.status.keys[0]!.ds}"
${stub('test')}${stub(apex)}remote-control:
  control-enable: no
`,
  )
  const unbound = startProgram('unbound', ['-d', '-c', file])
  t.teardown(() => unbound.stop())
  await unbound.said(/start of service/)
  return { daemon, folder, dataDir, start, unbound, port }
}

/** Lines of a master file: what the zone says of its keys. */
async function said(dnsPort: number, type: string): Promise<string> {
  const args = ['@127.0.0.1', '-p', String(dnsPort), '+norec', '+dnssec', '+noall', '+answer', apex, type]
  const { stdout } = await execute(findProgram('dig')!, args)
  return stdout
}

/** Has the parent do what CDS asks for. */
async function follow({ daemon, folder }: World): Promise<void> {
  const found = await daemon.request('/v1/zones/test/rrsets/example/DS')
  const before = found.status === 200 ? ((await found.json()) as { data: string[] }).data : []
  if (before.length === 0) return
  const dsset = join(folder, `dsset-${apex}.`)
  await writeFile(dsset, before.map((ds) => `${apex}. 2 IN DS ${ds}\n`).join(''))
  // Signatures that are older are taken for a replay.
  const then = Date.now() / 1000 - 7_200
  await utimes(dsset, then, then)
  const zone = join(folder, 'keys')
  const parts = await Promise.all(
    ['SOA', 'DNSKEY', 'CDS', 'CDNSKEY'].map((type) => said(daemon.dns.port, type)),
  )
  await writeFile(zone, parts.join(''))
  // BIND 9.18 makes a DS of what asks for none (RFC 8078 section 4).
  if (/\sCDS\s+0 0 0 00$/m.test(parts[2]!)) {
    await daemon.request('/v1/zones/test/rrsets/example/DS', { method: 'DELETE' })
    return
  }
  const args = ['-a', 'SHA-256', '-f', zone, '-d', folder, apex]
  // A step may come between the questions: then they do not fit, and it looks again.
  const asked = await execute(findProgram('dnssec-cds')!, args).catch(() => null)
  if (asked === null) return
  const data = Array.from(asked.stdout.matchAll(/\sDS\s+(.+)$/gm), ([, ds]) => ds!.trim())
  const isSame = JSON.stringify(normal(data)) === JSON.stringify(normal(before))
  if (isSame) return
  await put(daemon, '/v1/zones/test/rrsets/example/DS', { ttl: '2s', data })
}

const normal = (data: readonly string[]) => data.map((ds) => ds.replace(/\s/g, '').toUpperCase()).sort()

/** Asks the resolver all the time, until it is stopped. Returns what was not as it should be. */
function watch({ port }: World, strict: () => boolean) {
  const stop = new AbortController()
  const wrong: string[] = []
  let asked = 0
  const done = (async () => {
    await using client = await UdpClient.open({ host: '127.0.0.1', port })
    const flags = flagBits.rd | flagBits.ad
    for (let i = 0; !stop.signal.aborted; i++) {
      const [name, type] = (
        [
          [`n${i % 20}.${apex}`, 'A'],
          [apex, 'DNSKEY'],
          [`x${i % 50}.${apex}`, 'A'],
          [apex, 'SOA'],
          [`n${i % 20}.${apex}`, 'TXT'],
        ] as const
      )[i % 5]!
      const { rcode, flags: got } = readResponse(await client.insist(query(name, type, { flags, edns: {} })))
      asked++
      // Often enough to find what is in the cache at each moment, and no more than the machine has to spare.
      await pause(10, stop.signal)
      if (strict() && ((rcode !== 0 && rcode !== 3) || !got.includes(' ad')))
        wrong.push(`${name} ${type}: ${rcode} ${got}`)
    }
  })()
  return async () => {
    stop.abort()
    await done
    return { wrong, asked }
  }
}

/** Goes along with a rollover to its end. @returns the steps that were seen */
async function go(
  found: World,
  each: (step: string, seen: readonly string[]) => Promise<void> = async () => {},
) {
  const signal = patience()
  const steps: string[] = []
  for (;;) {
    if (signal.aborted)
      throw new Error(`it comes to no end: ${JSON.stringify((await of(found.daemon)).status)}`)
    const { rollover } = (await of(found.daemon)).status
    if (rollover === null) return steps
    const step = rollover.reverting ? `back: ${rollover.step}` : rollover.step
    if (steps.at(-1) !== step) {
      steps.push(step)
      await each(step, steps)
    }
    if (step.endsWith('parent') || step.endsWith('ds-out')) await follow(found)
    else await pause(50, signal)
  }
}

const bogus = (output: string) => output.split('\n').filter((line) => /validation failure/.test(line))

const active = async (daemon: DaemonProcess) =>
  (await of(daemon)).status.keys.filter(({ state }) => state === 'active')

t.test('each kind in its turn', { skip, timeout: 400_000 }, async (t) => {
  const found = await world(t, {})
  const end = watch(found, () => true)
  const roles = async () =>
    (await active(found.daemon)).map(({ role, algorithm }) => `${role} ${algorithm}`).sort()
  const [first] = await active(found.daemon)

  await post(found.daemon, 'roll', {})
  const refused = await found.daemon.request(`/v1/zones/${apex}/dnssec`, { method: 'DELETE' })
  t.match(await refused.json(), { status: 409 })
  t.same(await go(found), ['publish', 'parent', 'ds-out', 'switch'], 'CSK')
  const [second] = await active(found.daemon)
  t.not(second!.tag, first!.tag)

  await post(found.daemon, 'roll', { algorithm: 15 })
  t.same(await go(found), ['presign', 'publish', 'parent', 'ds-out', 'unpublish'], 'algorithm')
  t.same(await roles(), ['csk 15'])

  await post(found.daemon, 'roll', { keys: 'split' })
  t.same(await go(found), ['publish', 'parent', 'ds-out', 'switch'], 'a CSK for a KSK and a ZSK')
  t.same(await roles(), ['ksk 15', 'zsk 15'])

  await post(found.daemon, 'roll', { key: 'zsk' })
  t.same(await go(found), ['publish', 'switch'], 'ZSK')

  await post(found.daemon, 'roll', { key: 'ksk' })
  t.same(await go(found), ['publish', 'parent', 'ds-out'], 'KSK')

  const before = (await active(found.daemon)).map(({ tag }) => tag)
  await post(found.daemon, 'roll', { algorithm: 13, keys: 'csk' })
  const back = await go(found, async (step) => {
    if (step === 'ds-out') await post(found.daemon, 'cancel-roll', {})
  })
  t.match(
    back.join(' '),
    /presign publish parent ds-out (back: parent )?back: ds-out back: unpublish$/,
    'taken back',
  )
  t.same(
    (await active(found.daemon)).map(({ tag }) => tag),
    before,
  )

  const { wrong, asked } = await end()
  t.same(wrong, [], `of ${asked} answers`)
  t.ok(asked > 100)
  t.same(bogus(found.unbound.output), [])

  await post(found.daemon, 'roll', { unsigned: true })
  t.same(await go(found), ['parent', 'ds-out'], 'unsigned')
  t.equal((await of(found.daemon)).enabled, false)
  t.same(bogus(found.unbound.output), [])
  // They are written behind what happens.
  await eventually(async () => {
    const response = await found.daemon.request('/v1/events?kind=dnssec&limit=100')
    const { items } = (await response.json()) as {
      items: { zone: string; what: string; reason: string }[]
    }
    // By what was taken back, whose step may be over before anybody looks, and by what ends signing.
    const asksParent = items.filter(({ reason }) => reason.startsWith('parent, by '))
    const isDone = items[0]?.what === 'done' && items[0].zone === apex
    return items.length > 20 && asksParent.length === 2 && isDone ? true : undefined
  })
})

t.test('a server that is killed in every step goes on', { skip, timeout: 400_000 }, async (t) => {
  const found = await world(t, {})
  let strict = true
  const end = watch(found, () => strict)
  strict = false
  await post(found.daemon, 'roll', { algorithm: 15 })
  const killed = async () => {
    process.kill(found.daemon.pid, 'SIGKILL')
    await found.daemon.exited
    found.daemon = await found.start()
  }
  const steps = await go(found, killed)
  t.same(steps, ['presign', 'publish', 'parent', 'ds-out', 'unpublish'])
  t.match(await active(found.daemon), [{ algorithm: 15 }])
  await end()
  t.same(bogus(found.unbound.output), [])
  await eventually(async () => {
    const client = await UdpClient.open({ host: '127.0.0.1', port: found.port })
    await using _ = client
    const response = readResponse(
      await client.insist(query(`n1.${apex}`, 'A', { flags: flagBits.rd | flagBits.ad, edns: {} })),
    )
    return response.flags.includes(' ad') ? true : undefined
  })
})
