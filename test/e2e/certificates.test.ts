/** Certificates of members that come to their end, from a handshake to the answers, events, webhooks, metrics and a restart. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { certificate, certificateFolder, withoutOpenssl } from '../controlplane/health/certificates.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { askUntil } from './ask.ts'
import { eventually, put, putService, startBackend, timing } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const name = 'www.example.test'
const tlsName = 'member.example'

interface CertificateEvent {
  readonly kind: string
  readonly member: string
  readonly what: string
  readonly name: string
  readonly notAfter: string
  readonly reason: string
}

async function events(daemon: DaemonProcess): Promise<readonly CertificateEvent[]> {
  const response = await daemon.request('/v1/events?kind=certificate')
  return ((await response.json()) as { items: CertificateEvent[] }).items.toReversed()
}

const said = (all: readonly CertificateEvent[]) => all.map(({ member, what }) => `${member} ${what}`)

async function status(daemon: DaemonProcess, member: string) {
  const response = await daemon.request(`/v1/pools/web/members/${member}`)
  return ((await response.json()) as { status: { state: string; reason: string; certificate?: object } })
    .status
}

/** A receiver of webhooks. */
async function startReceiver() {
  const bodies: CertificateEvent[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    bodies.push(JSON.parse(Buffer.concat(parts).toString()))
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { bodies, url: `http://127.0.0.1:${port}/`, [Symbol.dispose]: () => server.close() }
}

t.test(
  'a certificate that all share is told of and takes nobody out',
  { skip: withoutOpenssl },
  async (t) => {
    const folder = await certificateFolder(t)
    const shared = await certificate(folder, 'shared', `DNS:${tlsName}`, ['-days', '5'])
    const renewed = await certificate(folder, 'renewed', `DNS:${tlsName}`, ['-days', '90'])
    const ca = `${shared.cert}\n${renewed.cert}`
    const env = { DATABASE_URL: await postgres.createDatabase() }
    await using one = await startBackend(shared)
    await using two = await startBackend(shared)
    await using three = await startBackend(shared)
    const backends = [one, two, three]
    using receiver = await startReceiver()
    const tls = { ca, serverName: tlsName, minDaysLeft: 7, warnDaysLeft: 14 }
    const monitor = (more: object = {}) => ({
      type: 'https',
      ...timing,
      tls: { ...tls, ...more },
    })
    const firstRun = async (): Promise<void> => {
      await using daemon = await startDaemonProcess({ env })
      await put(daemon, '/v1/webhooks/chat', { url: receiver.url, kinds: ['certificate'] })
      await putService(daemon, backends, { whenAllDown: 'nodata' }, { select: 'all', answers: 3 }, monitor())
      await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
      const first = await eventually(async () => {
        const found = await events(daemon)
        return found.length === 3 ? found : undefined
      })
      t.same(said(first).sort(), ['m1 ends-soon', 'm2 ends-soon', 'm3 ends-soon'])
      t.match(first[0], { name: tlsName, reason: 'certificate ends in 4 days, 14 wanted' })
      t.match(await status(daemon, 'm1'), {
        state: 'up',
        reason: /^answered as expected; certificate ends in 4 days, 7 wanted, as in most of the pool$/,
        certificate: {
          name: tlsName,
          daysLeft: 4,
          notAfter: first[0]!.notAfter,
          fingerprint: /^[0-9A-F:]{95}$/,
        },
      })
      await eventually(async () => receiver.bodies.length === 3 || undefined)
      t.match(receiver.bodies[0], { kind: 'certificate', what: 'ends-soon', name: tlsName })
      const ends = Date.parse(first[0]!.notAfter) / 1000
      const metrics = await (await daemon.request('/metrics')).text()
      t.match(metrics, `pooldns_probe_certificate_not_after_seconds{pool="web",member="m1"} ${ends}\n`)
    }
    await firstRun()
    await using daemon = await startDaemonProcess({ env })
    await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    for (const backend of backends) {
      await backend.asked()
      await backend.asked()
    }
    one.renew(renewed)
    three.renew(renewed)
    await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.3'])
    t.match(await status(daemon, 'm2'), { state: 'down', reason: 'certificate ends in 4 days, 7 wanted' })
    const later = await eventually(async () => {
      const found = await events(daemon)
      return found.length === 5 ? found : undefined
    })
    t.same(said(later.slice(3)).sort(), ['m1 renewed', 'm3 renewed'], 'and nothing was told twice')
    two.renew(renewed)
    await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    for (const backend of backends) backend.renew(shared)
    await put(daemon, '/v1/monitors/web', monitor({ endingFails: 'always' }))
    await askUntil(daemon.dns, name, [])
  },
)
