/** The seam between the data plane and the rest: what can't be read on either side costs nothing else its way over it. */
import t from 'tap'
import { serveBy } from '../../src/daemon/data-plane.ts'
import { Fleet } from '../../src/dataplane/listener/fleet.ts'
import { askUdp } from '../dataplane/listener/running-fleet.ts'
import { leaf } from '../dataplane/trees.ts'
import { servingUpdate } from '../dataplane/zone-text.ts'
import { query } from '../support/dns-client.ts'

t.test('what comes with an image that cannot be read is served, here and by the workers', async (t) => {
  const unreadable: string[] = []
  const fleet = new Fleet({
    listen: [{ host: '127.0.0.1', port: 0 }],
    udpWorkers: 1,
    udpBackend: 'auto',
    onUnreadable: ({ kind, slot }) => unreadable.push(`${kind} ${slot}`),
    onRestart: (transport, reason) => t.fail(`${transport}: ${reason}`),
    onFallback: (reason) => t.fail(reason),
    onSkipped: (address) => t.fail(address),
  })
  t.teardown(() => fleet.stop())
  const { pump, ownZones } = serveBy(fleet, false, null)
  await fleet.start()
  const zones = [
    { apex: 'one.test', lines: ['a 1 A 192.0.2.1'] },
    { apex: 'two.test', lines: ['x 2 A 192.0.2.2'], services: { s: 0 } },
  ]
  const { generation: _, ...sound } = servingUpdate(zones, [leaf(['192.0.2.7'])])
  const broken = new SharedArrayBuffer(64)
  await pump.push({ ...sound, zones: [[0, broken], sound.zones![1]!], plans: [[0, broken]] })
  t.same(unreadable, ['zones 0', 'plans 0'])
  t.same(ownZones.lookupA('x.two.test').addresses, ['192.0.2.2'])
  t.same(ownZones.lookupA('a.one.test').addresses, [])
  t.match(ownZones.explain('s.two.test', 'A', '192.0.2.99').message, { length: Number })
  t.match(await askUdp(fleet, query('x.two.test', 'A')), { rcode: 0, answer: ['x.two.test 2 A 192.0.2.2'] })
  t.match(await askUdp(fleet, query('a.one.test', 'A')), { rcode: 2 })
  t.match(await askUdp(fleet, query('s.two.test', 'A')), { rcode: 2 })
  await pump.push({ zones: sound.zones!, plans: sound.plans! })
  t.same(ownZones.lookupA('a.one.test').addresses, ['192.0.2.1'])
  t.match(await askUdp(fleet, query('s.two.test', 'A')), { rcode: 0 })
})
