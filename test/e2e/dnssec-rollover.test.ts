/**
 * Rollovers of each kind, all at the same time, in zones whose TTLs are a second, under a resolver that validates from the parent on and never
 * finds anything bogus. Then the same with a server that is killed in every step of each.
 */
import { rm } from 'node:fs/promises'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { flagBits, query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { eventually } from './fixture.ts'
import {
  active,
  apexOf,
  bogus,
  follow,
  hold,
  next,
  of,
  post,
  withoutPrograms as skip,
  watch,
  world,
} from './rollover-fixture.ts'

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
/** What those that are killed in each step are rolled to, from an algorithm. */
const again: Readonly<Record<string, (algorithm: number) => object>> = {
  csk: () => ({}),
  ksk: () => ({ key: 'ksk' }),
  zsk: () => ({ key: 'zsk' }),
  algorithm: (algorithm) => ({ algorithm: algorithm === 13 ? 15 : 13 }),
}

t.test('zones whose keys are rolled over', { skip }, async (t) => {
  const folder = await temporaryDataFolder('pooldns-rollover-')
  const dataDir = await temporaryDataFolder('pooldns-rollover-data-')
  t.teardown(() => Promise.all([folder, dataDir].map((path) => rm(path, { recursive: true, force: true }))))
  const dnsPort = await freePort()
  const start = async () => {
    const daemon = await startDaemonProcess({ dataDir, env: { POOLDNS_DNS_LISTEN: `127.0.0.1:${dnsPort}` } })
    t.teardown(() => daemon.stop())
    return daemon
  }
  const zones = new Map(Object.entries(kinds).map(([kind, { dnssec }]) => [kind, dnssec]))
  const found = await world(t, await start(), { folder, dnsPorts: [dnsPort], zones })
  const names = Object.keys(kinds)

  await t.test('each kind, all at the same time', async (t) => {
    const end = watch(found, names, (kind) => kind !== 'unsigned')
    const tags = async (kind: string) => (await active(found.daemon, kind)).map(({ tag }) => tag)
    const before = new Map<string, number[]>()
    for (const kind of names) before.set(kind, await tags(kind))
    for (const [kind, { roll }] of Object.entries(kinds)) await post(found.daemon, kind, 'roll', roll)
    const refused = await found.daemon.request(`/v1/zones/${apexOf('csk')}/dnssec`, { method: 'DELETE' })
    t.match(await refused.json(), {
      status: 409,
      // Which step depends on how busy the machine is.
      detail: /a rollover of its keys is under way, in step \w+/,
    })
    await Promise.all(
      names.map(async (kind) => {
        for (let step = await next(found, kind, null); step !== null; step = await next(found, kind, step)) {
          if (kind !== 'back' || step !== parent) continue
          // The parent has what it was asked for, and is asked for what it had: before the last step, in which it is too late.
          await hold(found.daemon, kind, '1h')
          await follow(found, kind, await of(found.daemon, kind))
          await post(found.daemon, kind, 'cancel-roll', {})
          await hold(found.daemon, kind, '1s')
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
    const end = watch(found, names, (kind) => kind !== 'unsigned')
    const open = new Map<string, string>()
    const killed = new Map(Object.keys(again).map((kind) => [kind, new Set<string>()]))
    const rolledTo = new Map<string, object>()
    const begin = async (kind: string) => {
      const [key] = await active(found.daemon, kind)
      const roll = again[kind]!(key!.algorithm)
      rolledTo.set(kind, roll)
      await hold(found.daemon, kind, '1h')
      await post(found.daemon, kind, 'roll', roll)
      open.set(kind, (await next(found, kind, null))!)
    }
    for (const kind of killed.keys()) await begin(kind)
    while (open.size > 0) {
      process.kill(found.daemon.pid, 'SIGKILL')
      await found.daemon.exited
      found.daemon = await start()
      await Promise.all(
        Array.from(open, async ([kind, step]) => {
          t.match((await of(found.daemon, kind)).status, { rollover: { step } }, `${kind} is where it was`)
          killed.get(kind)!.add(step)
          await hold(found.daemon, kind, '1s')
          await next(found, kind, step)
          await hold(found.daemon, kind, '1h')
          // Now it stays where it has come to meanwhile.
          const then = await next(found, kind, null)
          open.delete(kind)
          if (then !== null) open.set(kind, then)
          // What was over before it could be held is come to once more.
          else if (killed.get(kind)!.size < kinds[kind]!.steps!.length) await begin(kind)
        }),
      )
    }
    for (const [kind, steps] of killed) t.same([...steps].sort(), kinds[kind]!.steps!.toSorted(), kind)
    t.match(await active(found.daemon, 'algorithm'), [rolledTo.get('algorithm')])
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
