/**
 * Rollovers of each kind, all at the same time, in zones whose TTLs are a second, under a resolver that validates from the parent on and never
 * finds anything bogus. The parent does what CDS asks for, by BIND's `dnssec-cds`, which checks that the keys that it knows have signed it.
 * Then the same with a server that is killed in every step of each.
 */
import { execFile } from 'node:child_process'
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises'
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

const short = { maxTtl: '1s', propagation: '1s' }

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

interface Rolled {
  /** How the zone is signed before. */
  readonly dnssec: object
  readonly roll: object
  /** Null: it is taken back, and there is no telling in which step. */
  readonly steps: readonly string[] | null
  /** Its keys afterwards. */
  readonly keys: readonly string[]
}

const [publish, parent, dsOut, last] = ['publish', 'parent', 'ds-out', 'switch']
/** By the first label of the zone. */
const kinds: Readonly<Record<string, Rolled>> = {
  csk: { dnssec: {}, roll: {}, steps: [publish, parent, dsOut, last], keys: ['csk 13'] },
  split: {
    dnssec: {},
    roll: { keys: 'split' },
    steps: [publish, parent, dsOut, last],
    keys: ['ksk 13', 'zsk 13'],
  },
  ksk: {
    dnssec: { keys: 'split' },
    roll: { key: 'ksk' },
    steps: [publish, parent, dsOut],
    keys: ['ksk 13', 'zsk 13'],
  },
  zsk: {
    dnssec: { keys: 'split' },
    roll: { key: 'zsk' },
    steps: [publish, last],
    keys: ['ksk 13', 'zsk 13'],
  },
  algorithm: {
    dnssec: {},
    roll: { algorithm: 15 },
    steps: ['presign', publish, parent, dsOut, 'unpublish'],
    keys: ['csk 15'],
  },
  back: {
    dnssec: { algorithm: 15, keys: 'split' },
    roll: { algorithm: 13, keys: 'csk' },
    steps: null,
    keys: ['ksk 15', 'zsk 15'],
  },
  unsigned: { dnssec: {}, roll: { unsigned: true }, steps: [parent, dsOut], keys: [] },
}
/** What those that are killed in each step are rolled to. */
const again: Readonly<Record<string, object>> = {
  csk: {},
  ksk: { key: 'ksk' },
  zsk: { key: 'zsk' },
  algorithm: { algorithm: 13 },
}

interface World {
  daemon: DaemonProcess
  readonly folder: string
  readonly start: () => Promise<DaemonProcess>
  readonly unbound: Program
  readonly port: number
}

const apexOf = (kind: string) => `${kind}.test`

async function of(daemon: DaemonProcess, kind: string): Promise<Reply> {
  return (await (await daemon.request(`/v1/zones/${apexOf(kind)}/dnssec`)).json()) as Reply
}

async function post(daemon: DaemonProcess, kind: string, path: string, json: unknown): Promise<void> {
  const response = await daemon.request(`/v1/zones/${apexOf(kind)}/dnssec/${path}`, { method: 'POST', json })
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}

/** A parent and zones below it, all signed and in one server, and a resolver that trusts the parent's key. */
async function world(t: Test): Promise<World> {
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
  const names = Object.keys(kinds)
  const whole = { soa: { ...soa, minimum: '1s' }, ttl: '1s' }
  const ns = names.flatMap((name) => [
    { name, type: 'NS', data: [`ns1.${name}`] },
    { name: `ns1.${name}`, type: 'A', data: ['127.0.0.1'] },
  ])
  await put(daemon, '/v1/zones/test', { ...whole, dnssec: { enabled: true, ...short }, rrsets: ns })
  const numbered = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, type: 'A', data: ['192.0.2.1'] }))
  const rrsets = [
    { name: '@', type: 'NS', data: ['ns1'] },
    { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
    ...numbered,
  ]
  for (const [kind, { dnssec }] of Object.entries(kinds)) {
    const signing = { enabled: true, parentServers: [`127.0.0.1:${dnsPort}`], ...short, ...dnssec }
    await put(daemon, `/v1/zones/${apexOf(kind)}`, { ...whole, dnssec: signing, rrsets })
    const { status } = await of(daemon, kind)
    const data = status.keys.filter(({ atParent }) => atParent).map(({ ds }) => ds)
    await put(daemon, dsPath(kind), { ttl: '1s', data })
  }
  const top = (await (await daemon.request('/v1/zones/test/dnssec')).json()) as Reply
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
  trust-anchor: "test. DS ${top.status.keys[0]!.ds}"
${['test', ...names.map(apexOf)].map(stub).join('')}remote-control:
  control-enable: no
`,
  )
  const unbound = startProgram('unbound', ['-d', '-c', file])
  t.teardown(() => unbound.stop())
  await unbound.said(/start of service/)
  return { daemon, folder, start, unbound, port }
}

const dsPath = (kind: string) => `/v1/zones/test/rrsets/${kind}/DS`

/** Lines of a master file: what the zone says of its keys. */
async function said(dnsPort: number, apex: string, type: string): Promise<string> {
  const args = ['@127.0.0.1', '-p', String(dnsPort), '+norec', '+dnssec', '+noall', '+answer', apex, type]
  const { stdout } = await execute(findProgram('dig')!, args)
  return stdout
}

/** Has the parent do what CDS asks for. */
async function follow({ daemon, folder }: World, kind: string, { status }: Reply): Promise<void> {
  const found = await daemon.request(dsPath(kind))
  const before = found.status === 200 ? ((await found.json()) as { data: string[] }).data : []
  const asks = status.keys.filter(({ atParent }) => atParent).map(({ ds }) => ds)
  if (before.length === 0 || isSame(asks, before)) return
  const apex = apexOf(kind)
  const own = join(folder, kind)
  await mkdir(own, { recursive: true })
  const dsset = join(own, `dsset-${apex}.`)
  await writeFile(dsset, before.map((ds) => `${apex}. 1 IN DS ${ds}\n`).join(''))
  // Signatures that are older are taken for a replay.
  const then = Date.now() / 1000 - 7_200
  await utimes(dsset, then, then)
  const zone = join(own, 'keys')
  const parts = await Promise.all(
    ['SOA', 'DNSKEY', 'CDS', 'CDNSKEY'].map((type) => said(daemon.dns.port, apex, type)),
  )
  await writeFile(zone, parts.join(''))
  // BIND 9.18 makes a DS of what asks for none (RFC 8078 section 4).
  if (/\sCDS\s+0 0 0 00$/m.test(parts[2]!)) {
    await daemon.request(dsPath(kind), { method: 'DELETE' })
    return
  }
  const args = ['-a', 'SHA-256', '-f', zone, '-d', own, apex]
  // A step may come between the questions: then they do not fit, and it looks again.
  const asked = await execute(findProgram('dnssec-cds')!, args).catch(() => null)
  if (asked === null) return
  const data = Array.from(asked.stdout.matchAll(/\sDS\s+(.+)$/gm), ([, ds]) => ds!.trim())
  if (!isSame(data, before)) await put(daemon, dsPath(kind), { ttl: '1s', data })
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  const normal = (data: readonly string[]) => data.map((ds) => ds.replace(/\s/g, '').toUpperCase()).sort()
  return JSON.stringify(normal(a)) === JSON.stringify(normal(b))
}

/** Asks the resolver all the time, until it is stopped. Returns what was not as it should be. */
function watch({ port }: World) {
  const stop = new AbortController()
  const wrong: string[] = []
  let asked = 0
  const done = (async () => {
    await using client = await UdpClient.open({ host: '127.0.0.1', port })
    const names = Object.keys(kinds)
    const flags = flagBits.rd | flagBits.ad
    for (let i = 0; !stop.signal.aborted; i++) {
      const kind = names[i % names.length]!
      const apex = apexOf(kind)
      const n = Math.floor(i / names.length)
      const [name, type] = (
        [
          [`n${n % 20}.${apex}`, 'A'],
          [apex, 'DNSKEY'],
          [`x${n % 50}.${apex}`, 'A'],
          [apex, 'SOA'],
          [`n${n % 20}.${apex}`, 'TXT'],
        ] as const
      )[n % 5]!
      const id = i % 0x1_0000
      let response: Buffer
      do response = await client.insist(query(name, type, { id, flags, edns: {} }))
      while (
        // One that was asked for twice comes twice.
        response.readUInt16BE(0) !== id
      )
      const { rcode, flags: got } = readResponse(response)
      asked++
      // Often enough to find what is in the cache at each moment, and no more than the machine has to spare.
      await pause(5, stop.signal)
      const isSigned = kind === 'unsigned' || got.includes(' ad')
      if ((rcode !== 0 && rcode !== 3) || !isSigned) wrong.push(`${name} ${type}: ${rcode} ${got}`)
    }
  })()
  return async () => {
    stop.abort()
    await done
    return { wrong, asked }
  }
}

/** Has the parent follow until a rollover is in another step than it was, or at its end: then null. */
async function next(found: World, kind: string, from: string | null): Promise<string | null> {
  const signal = patience()
  for (;;) {
    const reply = await of(found.daemon, kind)
    const { rollover } = reply.status
    if (rollover === null) return null
    const step = rollover.reverting ? `back: ${rollover.step}` : rollover.step
    if (step !== from) return step
    if (signal.aborted) throw new Error(`${kind} comes to no end: ${JSON.stringify(reply.status)}`)
    if (rollover.step === 'parent') await follow(found, kind, reply)
    await pause(50, signal)
  }
}

const bogus = (output: string) => output.split('\n').filter((line) => /validation failure/.test(line))

async function active(daemon: DaemonProcess, kind: string) {
  return (await of(daemon, kind)).status.keys.filter(({ state }) => state === 'active')
}

t.test('zones whose keys are rolled over', { skip, timeout: 400_000 }, async (t) => {
  const found = await world(t)
  const names = Object.keys(kinds)

  await t.test('each kind, all at the same time', async (t) => {
    const end = watch(found)
    const tags = async (kind: string) => (await active(found.daemon, kind)).map(({ tag }) => tag)
    const before = new Map<string, number[]>()
    for (const kind of names) before.set(kind, await tags(kind))
    for (const [kind, { roll }] of Object.entries(kinds)) await post(found.daemon, kind, 'roll', roll)
    const refused = await found.daemon.request(`/v1/zones/${apexOf('csk')}/dnssec`, { method: 'DELETE' })
    t.match(await refused.json(), {
      status: 409,
      detail: /a rollover of its keys is under way, in step publish/,
    })
    await Promise.all(
      names.map(async (kind) => {
        for (let step = await next(found, kind, null); step !== null; step = await next(found, kind, step)) {
          if (kind !== 'back' || step !== parent) continue
          // The parent has what it was asked for, and is asked for what it had.
          await follow(found, kind, await of(found.daemon, kind))
          await post(found.daemon, kind, 'cancel-roll', {})
        }
      }),
    )
    for (const [kind, { keys }] of Object.entries(kinds)) {
      const after = await active(found.daemon, kind)
      t.same(after.map(({ role, algorithm }) => `${role} ${algorithm}`).sort(), keys, kind)
      const stays = after.filter(({ tag }) => before.get(kind)!.includes(tag)).map(({ role }) => role)
      const expected: Readonly<Record<string, readonly string[]>> = {
        ksk: ['zsk'],
        zsk: ['ksk'],
        back: ['ksk', 'zsk'],
      }
      t.same(stays.sort(), expected[kind] ?? [], `${kind}: which keys stay`)
    }
    t.equal((await of(found.daemon, 'unsigned')).enabled, false)
    const { wrong, asked } = await end()
    t.same(wrong, [], `of ${asked} answers`)
    t.ok(asked > 100)
    t.same(bogus(found.unbound.output), [])
  })

  await t.test('each step is an event', async (t) => {
    // They are written behind what happens.
    const items = await eventually(async () => {
      const response = await found.daemon.request('/v1/events?kind=dnssec&limit=100')
      const { items } = (await response.json()) as {
        items: { zone: string; what: string; reason: string }[]
      }
      const ends = items.filter(({ what }) => what === 'done' || what === 'cancelled')
      return ends.length === names.length ? items.toReversed() : undefined
    })
    for (const [kind, { steps }] of Object.entries(kinds)) {
      const own = items.filter(({ zone }) => zone === apexOf(kind))
      if (steps === null) {
        t.match(own.at(-1), { what: 'cancelled' })
        const back = own.map(({ reason }) => /^(\S+), on its way back/.exec(reason)?.[1]).filter(Boolean)
        t.match(back.join(' '), /ds-out unpublish$/)
        continue
      }
      const told = own.map(({ what, reason }) => `${what} ${reason.replace(/[,:].*/, '')}`)
      const [first, ...rest] = steps
      t.same(told.slice(0, -1), [`begun ${first}`, ...rest.map((step) => `step ${step}`)], kind)
      t.match(own.at(-1), { what: 'done' })
    }
  })

  await t.test('a server that is killed in every step of each goes on', async (t) => {
    const end = watch(found)
    const open = new Map<string, string>()
    const killed = new Map(Object.keys(again).map((kind) => [kind, [] as string[]]))
    for (const [kind, roll] of Object.entries(again)) {
      await hold(found.daemon, kind, '1h')
      await post(found.daemon, kind, 'roll', roll)
      open.set(kind, (await next(found, kind, null))!)
    }
    while (open.size > 0) {
      process.kill(found.daemon.pid, 'SIGKILL')
      await found.daemon.exited
      found.daemon = await found.start()
      await Promise.all(
        Array.from(open, async ([kind, step]) => {
          t.match((await of(found.daemon, kind)).status, { rollover: { step } }, `${kind} is where it was`)
          killed.get(kind)!.push(step)
          await hold(found.daemon, kind, '1s')
          const then = await next(found, kind, step)
          if (then === null) return open.delete(kind)
          await hold(found.daemon, kind, '1h')
          return open.set(kind, then)
        }),
      )
    }
    for (const [kind, steps] of killed) t.same(steps, kinds[kind]!.steps, kind)
    t.match(await active(found.daemon, 'algorithm'), [{ algorithm: 13 }])
    await end()
    // While nobody answers that is no proof, and no answer either: but nothing was found bogus.
    t.same(bogus(found.unbound.output), [])
    await using client = await UdpClient.open({ host: '127.0.0.1', port: found.port })
    for (const kind of killed.keys()) {
      await eventually(async () => {
        const question = query(`n1.${apexOf(kind)}`, 'A', { flags: flagBits.rd | flagBits.ad, edns: {} })
        const { flags } = readResponse(await client.insist(question))
        return flags.includes(' ad') ? true : undefined
      })
    }
  })
})

/** Changes how long each step is waited for. */
async function hold(daemon: DaemonProcess, kind: string, propagation: string): Promise<void> {
  const path = `/v1/zones/${apexOf(kind)}/dnssec`
  const response = await daemon.request(path, { method: 'PATCH', json: { propagation } })
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}
