/** Nodes on one PostgreSQL that agree upon members, one of which can't reach them. */
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { type Backend, eventually, putService, startBackend } from './fixture.ts'

const name = 'www.example.test'
const both = ['192.0.2.1', '192.0.2.2']
/** What nodes say of themselves is good for 10 s; all else is for a busy machine. */
const staleWithinMs = 60_000

interface Status {
  readonly state: string
  readonly reason: string
}

async function status(daemon: DaemonProcess, member: string): Promise<Status> {
  const response = await daemon.request(`/v1/pools/web/members/${member}`)
  return ((await response.json()) as { status: Status }).status
}

/** Probes of members on this host are refused there, so that it measures all of them as down. */
const startBlind = (databaseUrl: string) =>
  startDaemonProcess({ env: { DATABASE_URL: databaseUrl, POOLDNS_PROBE_ALLOW: undefined } })

const startSeeing = (databaseUrl: string) => startDaemonProcess({ env: { DATABASE_URL: databaseUrl } })

const configure = (daemon: DaemonProcess, backends: readonly Backend[]) =>
  putService(daemon, backends, { whenAllDown: 'nodata' }, { quorum: 'majority' })

/** Waits until each node has told the others anew what it finds. */
async function toldAgain(daemon: DaemonProcess): Promise<void> {
  const sinceMs = Date.now()
  await eventually(async () => {
    const { items } = (await (await daemon.request('/v1/nodes')).json()) as { items: { seenAt: string }[] }
    return items.every(({ seenAt }) => Date.parse(seenAt) > sinceMs) ? true : undefined
  })
}

async function agreed(
  t: Test,
  daemons: readonly DaemonProcess[],
  addresses: readonly string[],
  reason: RegExp,
) {
  for (const daemon of daemons) {
    await askUntil(daemon.dns, name, addresses)
    await eventually(async () => (reason.test((await status(daemon, 'm1')).reason) ? true : undefined))
    t.pass(`port ${daemon.dns.port}: ${(await status(daemon, 'm1')).reason}`)
  }
}

t.test('two nodes: what one of them reaches is up, what none of them does is down', async (t) => {
  await using postgres = await startPostgres()
  await using first = await startBackend()
  await using second = await startBackend()
  const url = await postgres.createDatabase()
  await using seeing = await startSeeing(url)
  await configure(seeing, [first, second])
  // Who is not measured yet is answered as well, and nobody is told that.
  for (const member of ['m1', 'm2'])
    await eventually(async () => ((await status(seeing, member)).state === 'up' ? true : undefined))
  await askUntil(seeing.dns, name, both)
  await toldAgain(seeing)
  await using blind = await startBlind(url)
  t.same((await ask(blind.dns, name)).answers, both, 'its first answers are what the other says')
  const daemons = [seeing, blind]
  await agreed(t, daemons, both, /^1 of 2 nodes say up/)
  t.match(await status(blind, 'm1'), { state: 'up', reason: /here: .*127\.0\.0\.1/ })

  first.healthy = false
  await agreed(t, daemons, ['192.0.2.2'], /^2 of 2 nodes say down/)
  first.healthy = true
  await agreed(t, daemons, both, /^1 of 2 nodes say up/)

  // A node that leaves is heard no more, and the other is alone.
  await seeing.stop()
  await askUntil(blind.dns, name, [])
  t.match(await status(blind, 'm1'), { state: 'down', reason: /^(?!.*nodes say)/ })
})

t.test('three nodes: the majority decides, and each alone without the database', async (t) => {
  await using postgres = await startPostgres()
  await using first = await startBackend()
  await using second = await startBackend()
  const url = await postgres.createDatabase()
  await using one = await startSeeing(url)
  await using two = await startSeeing(url)
  await using blind = await startBlind(url)
  const daemons = [one, two, blind]
  await configure(one, [first, second])
  await agreed(t, daemons, both, /^2 of 3 nodes say up/)

  for (const daemon of daemons) {
    const nodes = await eventually(async () => {
      const { items } = (await (await daemon.request('/v1/nodes')).json()) as {
        items: { live: boolean; self: boolean; suspect: boolean; revision: number }[]
      }
      const isCurrent = new Set(items.map(({ revision }) => revision)).size === 1
      // One that did not come to say so for a while is live again when it does.
      const areLive = items.every(({ live }) => live)
      return items.length === 3 && isCurrent && areLive ? items : undefined
    })
    t.notOk(nodes.some(({ suspect }) => suspect))
    t.equal(nodes.filter(({ self }) => self).length, 1)
  }

  const from = blind.lines.length
  await toldAgain(one)
  await postgres.kill()
  t.same((await ask(blind.dns, name)).answers, both, 'what the others said is good for a while')
  await blind.line(({ member, to }) => member === 'm1' && to === 'down', { from, timeoutMs: staleWithinMs })
  await askUntil(blind.dns, name, [])
  for (const daemon of [one, two]) t.same((await ask(daemon.dns, name)).answers, both)
  first.healthy = false
  for (const daemon of [one, two]) await askUntil(daemon.dns, name, ['192.0.2.2'])

  await postgres.restart()
  await agreed(t, daemons, ['192.0.2.2'], /^3 of 3 nodes say down/)
  first.healthy = true
  await agreed(t, daemons, both, /^2 of 3 nodes say up/)
})
