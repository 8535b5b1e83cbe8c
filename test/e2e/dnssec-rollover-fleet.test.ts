/**
 * A rollover of keys in two servers on one database, under a resolver that finds the DS at one and the rest at the other, and nothing bogus: a step waits for the one that
 * can't sign, and goes on by the other one when the one that drives it is killed.
 */
import { randomBytes } from 'node:crypto'
import { copyFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually, put } from './fixture.ts'
import {
  active,
  apexOf,
  bogus,
  hold,
  next,
  of,
  post,
  withoutPrograms as skip,
  watch,
  world,
} from './rollover-fixture.ts'

interface Node {
  readonly id: string
  readonly self: boolean
  readonly live: boolean
  readonly revision: number
}

async function nodesOf(daemon: DaemonProcess): Promise<readonly Node[]> {
  return ((await (await daemon.request('/v1/nodes')).json()) as { items: readonly Node[] }).items
}

t.test('two servers', { skip }, async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const folder = await temporaryDataFolder('pooldns-rollover-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const keyFiles = [join(folder, 'one.key'), join(folder, 'two.key')]
  const start = async (dnsPort: number, keyFile: string | undefined) => {
    const env = { DATABASE_URL: url, POOLDNS_DNS_LISTEN: `127.0.0.1:${dnsPort}`, POOLDNS_KEY_FILE: keyFile }
    const daemon = await startDaemonProcess({ env })
    t.teardown(() => daemon.stop())
    return daemon
  }
  const dnsPorts = [await freePort(), await freePort()]
  await writeFile(keyFiles[0]!, randomBytes(32).toString('base64'), { mode: 0o600 })
  await copyFile(keyFiles[0]!, keyFiles[1]!)
  const daemons = await Promise.all(dnsPorts.map((port, i) => start(port, keyFiles[i])))
  await eventually(async () => ((await nodesOf(daemons[0]!)).length === 2 ? true : undefined))
  // The one whose id comes first drives rollovers.
  const ids = await Promise.all(
    daemons.map(async (each) => (await nodesOf(each)).find(({ self }) => self)!.id),
  )
  const first = ids[0]! < ids[1]! ? 0 : 1
  const [driver, other] = [daemons[first]!, daemons[1 - first]!]
  const found = await world(t, driver, {
    folder,
    dnsPorts,
    // A resolver that may ask both finds the other one's answer where one is bogus.
    childPorts: [dnsPorts[1 - first]!],
    zones: new Map<string, object>([
      ['one', {}],
      ['two', { keys: 'split' }],
    ]),
  })
  const kinds = ['one', 'two']
  await eventually(async () => {
    const { status } = (await of(other, 'two')) as { status: { signatures?: { count: number } | null } }
    return (status.signatures?.count ?? 0) > 0 ? true : undefined
  })

  await t.test('a step waits for the one that has lost its key file', async (t) => {
    const end = watch(found, kinds, () => true)
    const hidden = `${keyFiles[1 - first]!}.away`
    await rename(keyFiles[1 - first]!, hidden)
    await post(driver, 'one', 'roll', {})
    const said = await eventually(async () => {
      const { rollover } = (await of(driver, 'one')).status
      return /can't sign it/.test(rollover?.waitsFor ?? '') ? rollover : undefined
    })
    t.match(said, {
      step: 'publish',
      waitsFor: new RegExp(`${ids[1 - first]} can't sign it, or has not yet`),
    })
    // As long as the step takes by itself, and more: the other one has said again that it lives.
    const { revision } = (await nodesOf(driver)).find(({ self }) => self)!
    await put(driver, '/v1/zones/elsewhere.test', {
      soa: { mname: 'ns.test.', rname: 'a.test.' },
      rrsets: [{ name: '@', type: 'NS', data: ['ns'] }],
    })
    await eventually(async () => {
      const there = (await nodesOf(driver)).find(({ self }) => !self)
      return there !== undefined && there.revision > revision ? true : undefined
    })
    t.match((await of(driver, 'one')).status.rollover, { step: 'publish', waitsFor: /can't sign it/ })
    await rename(hidden, keyFiles[1 - first]!)
    // What is written to the zone has it looked for the file at once.
    await put(driver, `/v1/zones/${apexOf('one')}/rrsets/new/A`, { ttl: '1s', data: ['192.0.2.7'] })
    for (let step = await next(found, 'one', null); step !== null; step = await next(found, 'one', step));
    const { wrong, asked } = await end()
    t.same(wrong, [], `of ${asked} answers`)
    t.same(bogus(found.unbound.output), [])
  })

  await t.test('the other one goes on when the one that drives it is killed', async (t) => {
    // One of two servers is gone: there may be no answer for a moment, but none that is bogus.
    const end = watch(found, kinds, () => true)
    // It is in its first step until the one that drives it is gone.
    await hold(driver, 'two', '1h')
    await post(driver, 'two', 'roll', { key: 'zsk' })
    await post(driver, 'one', 'roll', {})
    t.equal(await next(found, 'two', null), 'publish')
    const before = await active(driver, 'two')
    process.kill(driver.pid, 'SIGKILL')
    await driver.exited
    found.daemon = other
    await hold(other, 'two', '1s')
    // It was a server of the parent, too, and as such is waited for until somebody says that it is none any more.
    const parentServers = [`127.0.0.1:${dnsPorts[1 - first]}`]
    const path = `/v1/zones/${apexOf('one')}/dnssec`
    const patched = await other.request(path, { method: 'PATCH', json: { parentServers } })
    t.equal(patched.status, 200)
    await Promise.all(
      kinds.map(async (kind) => {
        for (let step = await next(found, kind, null); step !== null; step = await next(found, kind, step));
      }),
    )
    t.not(
      (await active(other, 'two')).find(({ role }) => role === 'zsk')?.tag,
      before.find(({ role }) => role === 'zsk')?.tag,
    )
    await end()
    t.same(bogus(found.unbound.output), [])
  })
})
