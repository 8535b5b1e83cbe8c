/**
 * A server with services in a signed zone that is started again, with its key file and without. POOLDNS_DNSSEC_RESTARTS says how often; every
 * third time it is killed.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { missingPrograms } from '../support/program.ts'
import { eventually, put } from './fixture.ts'
import { setUp, start } from './signed-services.ts'
import { apex, delv, full, startUnbound } from './validators.ts'

const skip = missingPrograms('delv', 'unbound')
const good = '; fully validated'
const restarts = Number(process.env.POOLDNS_DNSSEC_RESTARTS ?? 3)

/** How many signatures were made since the daemon was started. */
const madeBy = async (daemon: DaemonProcess) =>
  (await (await daemon.request(`/v1/zones/${apex}/dnssec`)).json()).status.signatures.made

t.test(
  'a restart signs nothing, and without its key file a server serves what it has',
  { skip },
  async (t) => {
    const port = await freePort()
    const world = await setUp(t, 13, port)
    await using client = await UdpClient.open({ host: '127.0.0.1', port })
    const state = { isOver: false, answers: 0 }
    const asking = (async () => {
      while (!state.isOver) {
        client.send(query(full('flap'), 'A', { edns: { flags: 0x8000 } }))
        const octets = await Promise.race([client.next(), delay(100)])
        if (octets === undefined) continue
        const { rcode, answer } = readResponse(octets)
        state.answers++
        if (rcode !== 0 || !answer.some((rr) => rr.includes('RRSIG'))) t.fail(`${rcode} ${answer.join()}`)
        await delay(20)
      }
    })()
    let { daemon } = world
    // What may be needed next is signed too, so that none of it is made by the next start.
    await eventually(async () => {
      const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
      return /unsigned_sets\{kind="ahead"\} 0/.test(metrics) && (await madeBy(daemon)) > 50 ? true : undefined
    })
    const anchor = world.anchor
    const forgetful = ['cache-max-ttl: 0', 'msg-cache-size: 0', 'rrset-cache-size: 0', 'infra-host-ttl: 0']
    for (let round = 1; round <= restarts; round++) {
      if (round % 3 === 0) {
        daemon.signal('SIGKILL')
        await daemon.exited
      } else await daemon.stop()
      daemon = await start(t, join(world.folder, 'data'), port)
      const counted = await madeBy(daemon)
      t.equal(counted, 0, 'a start signs nothing')
      const ask = await startUnbound(t, daemon, { folder: world.folder, anchor, more: forgetful })
      for (const name of ['flap', 'all', 'several', '@', 'nope']) {
        const { flags, rcode } = await ask(name, 'A')
        if (rcode !== (name === 'nope' ? 3 : 0) || !flags.includes('ad'))
          t.fail(`restart ${round}: ${name}: ${rcode} ${flags}`)
      }
    }
    state.isOver = true
    await asking
    t.ok(state.answers > 5)
    await daemon.stop()
    await rm(join(world.folder, 'data/dnssec.key'))
    daemon = await start(t, join(world.folder, 'data'), port)
    t.match(await delv(daemon, world.anchors, 'all', 'A'), good)
    t.match(await delv(daemon, world.anchors, 'flap', 'A'), good)
    await put(daemon, '/v1/pools/all', { select: 'all', members: { z: { address: '192.0.2.99' } } })
    await using other = await UdpClient.open({ host: '127.0.0.1', port })
    const { rcode, answer } = readResponse(
      await other.insist(query(full('all'), 'A', { edns: { flags: 0x8000 } })),
    )
    t.same([rcode, answer], [2, []], 'what can not be signed is SERVFAIL, never unsigned')
  },
)
