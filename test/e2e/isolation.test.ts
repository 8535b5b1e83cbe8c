/** All members vanish at once: in a network of their own, whose cable is pulled. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { withoutNamespaces } from '../support/namespace.ts'
import { memberPort, type Network, startNetwork } from '../support/network.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const skip = await withoutNamespaces()
const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const services = ['eu.example.test', 'us.example.test'] as const

interface Nodes {
  readonly items: readonly { readonly suspect: boolean; readonly self: boolean }[]
}

const get = async (daemon: DaemonProcess, path: string) => (await daemon.request(path)).json()
const isolations = async (daemon: DaemonProcess) =>
  ((await get(daemon, '/v1/events?kind=isolation')) as { items: object[] }).items
const suspect = async (daemon: DaemonProcess) => ((await get(daemon, '/v1/nodes')) as Nodes).items[0]?.suspect
const metric = async (daemon: DaemonProcess) =>
  /^pooldns_network_suspect (\d)$/m.exec(await (await fetch(`${daemon.http}/metrics`)).text())?.[1]

/** Two pools of three members each, and a service on each that answers with nothing when its pool is down. */
async function configure(daemon: DaemonProcess, network: Network): Promise<void> {
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  const monitor = { port: memberPort, interval: '1s', timeout: '1s', recheck: '50ms', rise: 1, fall: 6 }
  await put(daemon, '/v1/monitors/web', monitor)
  for (const [index, service] of services.entries()) {
    const members = Object.fromEntries(
      [1, 2, 3].map((member) => [`m${member}`, { address: network.address(index * 3 + member) }]),
    )
    await put(daemon, `/v1/pools/pool-${index}`, { monitor: 'web', members })
    await put(daemon, `/v1/services/${service}`, { pools: [`pool-${index}`], whenAllDown: 'nodata' })
  }
}

const membersOf = (network: Network, index: number) =>
  [1, 2, 3].map((member) => network.address(index * 3 + member)).sort()

async function untilUp(daemon: DaemonProcess, from = 0): Promise<void> {
  for (const [pool, member] of [0, 1].flatMap((pool) => [1, 2, 3].map((member) => [pool, member] as const))) {
    await daemon.line(
      (line) => line.pool === `pool-${pool}` && line.member === `m${member}` && line.to === 'up',
      { from },
    )
  }
}

async function answersStay(t: Test, daemon: DaemonProcess, network: Network): Promise<void> {
  for (const [index, service] of services.entries()) {
    t.same((await ask(daemon.dns, service)).answers, membersOf(network, index))
  }
}

const probeFailed = (pool: number, member: number) =>
  new RegExp(
    `^pooldns_probe_failures_total\\{pool="pool-${pool}",member="m${member}",reason="\\w+"\\} (\\d+)$`,
    'm',
  )

/** Until a member has failed so often that it would be down if it counted. */
async function untilFailed(daemon: DaemonProcess, times: number): Promise<void> {
  await eventually(async () => {
    const text = await (await fetch(`${daemon.http}/metrics`)).text()
    const failures = [0, 1].flatMap((pool) =>
      [1, 2, 3].map((member) => Number(probeFailed(pool, member).exec(text)?.[1] ?? 0)),
    )
    return failures.every((count) => count >= times) ? true : undefined
  })
}

t.test('all members vanish at once: answers stay, and the alarm is raised', { skip }, async (t) => {
  await using network = await startNetwork(6)
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await configure(daemon, network)
  await untilUp(daemon)
  t.equal(await metric(daemon), '0')
  t.same(await get(daemon, '/health'), { status: 'up' })
  const from = daemon.lines.length

  await network.pull()
  const alarm = await daemon.line(({ level }) => level === 'error', { from })
  t.match(alarm, {
    msg: "this node's own network is suspect: failures do not count",
    reason: /of 2 pools$/,
  })
  await untilFailed(daemon, 12)
  await answersStay(t, daemon, network)
  t.equal(await metric(daemon), '1')
  const warnings = [/suspect: \d of 6 members that were up fail at once/]
  t.match(await get(daemon, '/health'), { status: 'up', warnings })
  t.match(await get(daemon, '/ready'), { status: 'ready', warnings })
  await eventually(async () => ((await suspect(daemon)) ? true : undefined))
  t.match(await eventually(async () => (await isolations(daemon))[0]), {
    from: 'trusted',
    to: 'suspect',
    reason: alarm.reason,
  })
  t.notOk(
    daemon.lines.slice(from).some(({ to }) => to === 'down'),
    'nobody was taken out',
  )

  await network.plug()
  await daemon.line(({ msg }) => msg === "this node's network is trusted again", { from })
  await answersStay(t, daemon, network)
  t.equal(await metric(daemon), '0')
  t.same(await get(daemon, '/health'), { status: 'up' })
  await eventually(async () => ((await suspect(daemon)) === false ? true : undefined))
  const events = await eventually(async () => {
    const items = await isolations(daemon)
    return items.length === 2 ? items : undefined
  })
  t.match(events[0], { from: 'suspect', to: 'trusted' })

  const after = daemon.lines.length
  await network.lose(2)
  await daemon.line(({ member, to }) => member === 'm2' && to === 'down', { from: after })
  await askUntil(daemon.dns, services[0], [network.address(1), network.address(3)])
  t.same((await ask(daemon.dns, services[1])).answers, membersOf(network, 1))
  t.equal(daemon.lines.slice(after).filter(({ to }) => to === 'down').length, 1)
})

t.test('while a canary answers, they are down', { skip }, async (t) => {
  await using network = await startNetwork(6)
  const canary = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(canary, 'listening')
  t.teardown(() => canary.close())
  const { port } = canary.address() as AddressInfo
  const env = {
    DATABASE_URL: await postgres.createDatabase(),
    POOLDNS_CANARIES: `127.0.0.1:${port}`,
  }
  await using daemon = await startDaemonProcess({ env })
  await once(canary, 'connection')
  await configure(daemon, network)
  await untilUp(daemon)
  await network.pull()
  for (const service of services) await askUntil(daemon.dns, service, [])
  await eventually(async () => ((await metric(daemon)) === '0' ? true : undefined))
  t.notOk(daemon.lines.some(({ level }) => level === 'error'))
  t.same(await isolations(daemon), [], 'holding while the canary is asked is no isolation')

  const from = daemon.lines.length
  await network.plug()
  await untilUp(daemon, from)
  canary.close()
  await daemon.line(({ level, reason }) => level === 'error' && reason === 'the canary does not answer', {
    from,
  })
  await network.pull()
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  await untilFailed(daemon, Number(probeFailed(1, 3).exec(text)?.[1] ?? 0) + 12)
  await answersStay(t, daemon, network)
})
