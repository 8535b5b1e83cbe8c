/**
 * Signed zones as time goes by: signatures are made anew, by a server that runs and by one that is started again; without the key file they
 * hold for as long as was said, and then the zone is SERVFAIL; and a clock that was ahead, and is set back. The time is that of the server's
 * process, and of the validator, which is told it.
 */
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { missingPrograms } from '../support/program.ts'
import { clockOption, setClock } from '../support/shifted-clock.ts'
import { rrsets } from './dnssec-fixture.ts'
import { eventually, put, soa } from './fixture.ts'
import { apex, full, pooldns, startUnbound } from './validators.ts'

const skip = missingPrograms('unbound')
const daySeconds = 86_400

const questions: readonly (readonly [name: string, type: string, rcode: number])[] = [
  ['www', 'A', 0],
  ['www', 'AAAA', 0],
  ['x.wild', 'A', 0],
  ['nope', 'A', 3],
  ['@', 'DNSKEY', 0],
  ['insecure', 'DS', 0],
  ['served', 'A', 0],
  ['served', 'TXT', 0],
]

/** UNIX time of what an RRSIG says (RFC 4034 section 3.2). */
function secondsOf(text: string): number {
  const [, date, hour, minute, second] = /^(\d{8})(\d\d)(\d\d)(\d\d)$/.exec(text)!
  const day = `${date!.slice(0, 4)}-${date!.slice(4, 6)}-${date!.slice(6)}`
  return Date.parse(`${day}T${hour}:${minute}:${second}Z`) / 1000
}

t.test('days go by', { skip }, async (t) => {
  const folder = await temporaryDataFolder('pooldns-dnssec-clock-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const clock = join(folder, 'ahead')
  let day = 0
  await setClock(clock, 0)
  const dataDir = join(folder, 'data')
  const start = async () => {
    const daemon = await startDaemonProcess({ dataDir, nodeArgs: [clockOption(clock)] })
    t.teardown(() => daemon.stop())
    return daemon
  }
  const turnTo = async (to: number) => {
    day = to
    await setClock(clock, to * daySeconds)
  }
  const now = () => Math.floor(Date.now() / 1000) + day * daySeconds
  const statusOf = async (daemon: DaemonProcess) =>
    (await (await daemon.request(`/v1/zones/${apex}/dnssec`)).json()).status.signatures as {
      readonly expiresAt: string
      readonly ended: boolean
      readonly trouble: string | null
    }
  /** Resolves when no signature has a week left at the most, and none is still to begin. */
  const renewed = (daemon: DaemonProcess) =>
    eventually(async () => {
      const text = await (await daemon.request(`/v1/zones/${apex}/zonefile?signed=true`)).text()
      const times = Array.from(
        text.matchAll(/\tRRSIG\t\S+ \d+ \d+ \d+ (\d{14}) (\d{14}) /g),
        ([, end, begin]) => [begin!, end!].map(secondsOf),
      )
      const good = times.filter(([begin, end]) => begin! <= now() && end! > now() + 7 * daySeconds)
      const isWhole = /^served\.\S+\t20\tIN\tA\t/m.test(text)
      return isWhole && good.length === times.length ? true : undefined
    })
  const readyText = async (daemon: DaemonProcess) => (await daemon.request('/ready')).text()

  let daemon = await start()
  await put(daemon, `/v1/zones/${apex}`, { soa, rrsets })
  await put(daemon, '/v1/pools/p', { members: { a: { address: '192.0.2.21' } } })
  await put(daemon, `/v1/services/${full('served')}`, { pools: ['p'], ttl: 20 })
  await pooldns(daemon, 'dnssec', 'enable', apex)
  const anchor = await pooldns(daemon, 'dnssec', 'ds', apex, '--format', 'unbound')
  /** Has a validator that knows what day it is ask for all. */
  const validated = async (t: Test, what: string) => {
    const more = [`val-override-date: "${now()}"`]
    const ask = await startUnbound(t, daemon, { folder, anchor, more })
    for (const [name, type, wanted] of questions) {
      const { flags, rcode } = await ask(name, type)
      t.match({ rcode, flags }, { rcode: wanted, flags: / ad/ }, `${what}: ${name} ${type}`)
    }
  }

  await t.test('in eight days all signatures are made anew', async (t) => {
    await turnTo(8)
    await renewed(daemon)
    await validated(t, 'day 8')
  })
  await t.test('in thirteen more, too, without a look at them meanwhile', async (t) => {
    await turnTo(21)
    await renewed(daemon)
    await validated(t, 'day 21')
  })
  await t.test('and by a server that was stopped', async (t) => {
    await daemon.stop()
    await turnTo(29)
    daemon = await start()
    await renewed(daemon)
    await validated(t, 'day 29')
  })
  await t.test('without the key file they hold for twelve days, and then the zone is SERVFAIL', async (t) => {
    const key = join(dataDir, 'dnssec.key')
    await daemon.stop()
    await rename(key, `${key}.away`)
    await turnTo(41)
    daemon = await start()
    await eventually(async () =>
      /can't be signed, what was signed before is served/.test(await readyText(daemon)) ? true : undefined,
    )
    t.equal((await daemon.request('/ready')).status, 503)
    await validated(t, 'day 41')
    await turnTo(44)
    await eventually(async () => (/it is SERVFAIL/.test(await readyText(daemon)) ? true : undefined))
    t.equal((await statusOf(daemon)).ended, true)
    const ask = await startUnbound(t, daemon, { folder, anchor, more: [`val-override-date: "${now()}"`] })
    for (const [name, type] of questions)
      await eventually(async () => ((await ask(name, type)).rcode === 2 ? true : undefined))
    await rename(`${key}.away`, key)
    await turnTo(44.01)
    await renewed(daemon)
    await eventually(async () => ((await daemon.request('/ready')).status === 200 ? true : undefined))
    await validated(t, 'day 44')
  })
  await t.test('a clock that was ahead is set back, and the server says so', async (t) => {
    const key = join(dataDir, 'dnssec.key')
    await daemon.stop()
    await rename(key, `${key}.away`)
    await turnTo(30)
    daemon = await start()
    await eventually(async () =>
      /signatures are good from 2\S+ on: the clock of this server is behind, or was ahead/.test(
        await readyText(daemon),
      )
        ? true
        : undefined,
    )
    const ask = await startUnbound(t, daemon, {
      folder,
      anchor,
      more: [`val-override-date: "${now() + 15 * daySeconds}"`],
    })
    for (const [name, type, wanted] of questions)
      t.equal((await ask(name, type)).rcode, wanted, `what was signed is served: ${name} ${type}`)
    await rename(`${key}.away`, key)
    await turnTo(30.01)
    await renewed(daemon)
    await validated(t, 'day 30')
    await turnTo(25)
    await renewed(daemon)
    await validated(t, 'day 25, by a server that runs')
  })
})
