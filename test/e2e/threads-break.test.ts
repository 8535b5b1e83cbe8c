/**
 * Threads that sign answers and send dnstap hang; and every thread throws, or fills its heap: DNS and writes go on, it is told, counted, and
 * another thread does the work of the one that broke, without a hand.
 */
import t, { type Test } from 'tap'
import type { DaemonProcess, LogLine } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { type Freezable, freezable, type Way } from '../support/freezing.ts'
import { startPostgres } from '../support/postgres.ts'
import { TapCollector } from '../support/tap-collector.ts'
import { askUntil } from './ask.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'
import { eventually, put, soa } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const collector = await TapCollector.start()
t.teardown(() => collector[Symbol.asyncDispose]())

const signedApex = 'signed.test'
const signedName = `www.${signedApex}`
const doBit = 0x8000

/** How often a thread, or process, was started again. */
async function restarts(daemon: DaemonProcess): Promise<Map<string, number>> {
  const text = await (await daemon.request('/metrics')).text()
  const counts = text.matchAll(/^(pooldns_(?:\w+_restarts_total)(?:\{.*\})?) (\d+)$/gm)
  return new Map(Array.from(counts, ([, series, count]) => [series!, Number(count)]))
}

/** The addresses that a service in a signed zone has, once each answer is signed. */
async function signedAnswer(daemon: DaemonProcess): Promise<string> {
  await using client = await UdpClient.open(daemon.dns)
  const { answer } = readResponse(await client.insist(query(signedName, 'A', { edns: { flags: doBit } })))
  const types = answer.map((rr) => rr.split(' ')[2])
  if (!types.includes('RRSIG')) return `not signed: ${answer.join()}`
  return answer.flatMap((rr) => / A (\S+)$/.exec(rr)?.[1] ?? []).join()
}

async function start(t: Test, embedded = false) {
  const freezer = freezable()
  const daemon = await startServer(embedded ? undefined : await postgres.createDatabase(), {
    env: { POOLDNS_WORKERS: '1', POOLDNS_DNSTAP: collector.address },
    // So that a heap is soon full.
    nodeArgs: [...freezer.nodeArgs, ...(embedded ? [] : ['--max-old-space-size=256'])],
  })
  t.teardown(async () => {
    await daemon.stop()
    freezer[Symbol.dispose]()
  })
  const rrsets = [{ name: '@', type: 'NS', data: ['ns1'] }]
  await put(daemon, `/v1/zones/${signedApex}`, { soa, dnssec: { enabled: true }, rrsets })
  await put(daemon, `/v1/services/${signedName}`, { pools: ['web'] })
  return { daemon, freezer }
}

/** What goes through every thread: a change is written, compiled, signed, answered, and told to the collector. */
async function works(t: Test, daemon: DaemonProcess, last: number): Promise<void> {
  await eventually(() =>
    putMember(daemon, last).then(
      () => true,
      () => undefined,
    ),
  )
  await askUntil(daemon.dns, name, [`192.0.2.${last}`])
  await eventually(async () => ((await signedAnswer(daemon)) === `192.0.2.${last}` ? true : undefined))
  const rrset = { ttl: 60, data: [`192.0.2.${last}`] }
  await put(daemon, `/v1/zones/example.test/rrsets/n${last}/A`, rrset)
  await askUntil(daemon.dns, `n${last}.example.test`, [`192.0.2.${last}`])
  const { octets } = collector
  await askUntil(daemon.dns, name, [`192.0.2.${last}`])
  await collector.moreThan(octets)
  t.pass('what is written is compiled, signed, answered and told')
}

/** A heap that is full ends the thread or, where V8 can't help itself, its process. */
const saysBroken = (thread: string) => (line: LogLine) =>
  line.thread === thread ||
  `dns-${line.transport}` === thread ||
  /^the control plane ended/.test(line.msg ?? '')

t.test('threads of the server', async (t) => {
  const { daemon, freezer } = await start(t)
  let nth = 0
  // One digit, as those who ask all the time expect.
  const next = () => 2 + (nth++ % 8)
  await works(t, daemon, next())
  const broken = async (t: Test, thread: Freezable, way: Way) => {
    const from = daemon.lines.length
    const before = await restarts(daemon)
    const stop = askAllTheTime(daemon)
    freezer.freeze(thread, way)
    const line = await daemon.line(saysBroken(thread), { from })
    t.comment(JSON.stringify(line))
    await works(t, daemon, next())
    await losesNothing(t, stop)
    const after = await restarts(daemon)
    const grown = [...after].filter(([series, count]) => count > (before.get(series) ?? 0))
    t.equal(grown.length, 1, `counted: ${grown.map(([series]) => series).join()}`)
    await eventually(async () => ((await daemon.request('/ready')).status === 200 ? true : undefined))
  }
  for (const way of ['waiting', 'throwing'] as const)
    for (const thread of ['signing', 'dnstap', 'compile', 'dns-tcp'] as const)
      await t.test(`${thread}: ${way}`, (t) => broken(t, thread, way))
  // Of the process that answers none has a list that what clients send makes longer.
  for (const thread of ['signing', 'compile'] as const)
    await t.test(`${thread}: its heap is full`, (t) => broken(t, thread, 'filling'))
})
