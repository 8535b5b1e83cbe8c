/**
 * Services of every kind in a signed zone, as validators see them: delv, and unbound with all that it can be strict about; both are shown to
 * find a changed octet. Then what changes answers: members that come and go, and edits.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { missingPrograms } from '../support/program.ts'
import { eventually, put, soa } from './fixture.ts'
import { pools, setUp, type World } from './signed-services.ts'
import { apex, delv, full, pooldns, startUnbound } from './validators.ts'

const skip = missingPrograms('delv', 'unbound')
const good = '; fully validated'
const none = '; negative response, fully validated'
const strict = ['harden-below-nxdomain: yes', 'harden-dnssec-stripped: yes', 'harden-algo-downgrade: yes']
/** Asks for everything each time. */
const forgetful = [
  'cache-max-ttl: 0',
  'cache-max-negative-ttl: 0',
  'msg-cache-size: 0',
  'rrset-cache-size: 0',
]

/** How long members come and go at the least, and with each of them an edit. */
const flapSeconds = Number(process.env.POOLDNS_DNSSEC_FLAP_SECONDS ?? 0)

const questions: readonly (readonly [name: string, type: string, said: string])[] = [
  ...Object.keys(pools).map((name) => [name, 'A', good] as const),
  ['all', 'AAAA', good],
  ['@', 'AAAA', good],
  // The name that it is an alias of has none.
  ['alias', 'AAAA', good],
  ['alias', 'CNAME', good],
  ['window', 'AAAA', none],
  ['window', 'TXT', none],
  ['all', 'TXT', none],
  ['nested', 'A', good],
  ['@', 'MX', good],
  ['nope', 'A', none],
]

/** Passes datagrams on to a daemon, and changes an octet of each address 192.0.2.x in what it answers. */
async function startForger(t: Test, { dns }: DaemonProcess) {
  const front = createSocket('udp4')
  const backs: Socket[] = []
  front.on('message', (message, { address, port }) => {
    const back = createSocket('udp4')
    backs.push(back)
    back.on('message', (answer) => {
      const at = answer.indexOf(Buffer.of(192, 0, 2))
      if (at >= 0) answer[at + 3]! ^= 0x80
      front.send(answer, port, address)
    })
    back.send(message, dns.port, dns.host)
  })
  front.bind(0, '127.0.0.1')
  await once(front, 'listening')
  t.teardown(() => [front, ...backs].forEach((socket) => void socket.close()))
  return { dns: { host: '127.0.0.1', port: (front.address() as AddressInfo).port } }
}

async function validated(t: Test, { daemon, folder, anchors, anchor }: World): Promise<void> {
  for (const [name, type, said] of questions) {
    t.match(await delv(daemon, anchors, name, type), said, `delv: ${name} ${type}`)
  }
  const ask = await startUnbound(t, daemon, { folder, anchor, more: strict })
  // Rotations, draws and clients each come to several answers.
  const asking = await startUnbound(t, daemon, { folder, anchor, more: [...strict, ...forgetful] })
  for (const [name, type, said] of questions) {
    const { flags, rcode } = await ask(name, type)
    t.match(flags, / ad/, `unbound: ${name} ${type}`)
    t.equal(rcode, name === 'nope' ? 3 : 0)
    for (let i = 0; i < 8; i++) {
      const again = await asking(name, type)
      if (!again.flags.includes('ad')) t.fail(`unbound: ${name} ${type}: ${again.rcode} ${again.flags}`)
      if ((said === good) !== again.answer.length > 0) t.fail(`${name} ${type}`)
    }
  }
  // The NSEC of an alias, which shows that there is no name behind it, says nothing of the alias (RFC 8198).
  const denying = await startUnbound(t, daemon, { folder, anchor, more: strict })
  t.equal((await denying('alias-of-nothing', 'A')).rcode, 3)
  t.match((await denying('alias', 'TXT')).answer, [/ CNAME target[12]\.example\.test/])
  const forger = await startForger(t, daemon)
  const forged = await startUnbound(t, forger, { folder, anchor, more: strict })
  for (const name of Object.keys(pools)) {
    const said = await delv(forger, anchors, name, 'A')
    t.match(said, 'RRSIG failed to verify', `delv finds a changed octet: ${name}`)
    t.equal((await forged(name, 'A')).rcode, 2, `unbound finds a changed octet: ${name}`)
  }
}

async function explained(t: Test, { daemon, algorithm }: World): Promise<void> {
  const dry = await daemon.request('/v1/config?dryRun=true', {
    method: 'PUT',
    json: await (await daemon.request('/v1/config')).json(),
  })
  t.equal(dry.status, 200)
  const shown = await (await daemon.request(`/v1/zones/${apex}/dnssec`)).json()
  t.match(shown, { status: { signatures: { trouble: null, ended: false } } })
  const explanation = await (await daemon.request(`/v1/explain?name=${full('weighted')}`)).json()
  t.match(explanation.answer, {
    records: [{ type: 'A' }],
    signatures: [{ name: `${full('weighted')}.`, type: 'A', zone: `${apex}.`, algorithm, ttl: 20 }],
  })
  t.equal(explanation.answer.records.length, 1, 'what signs is apart')
  t.match(
    await pooldns(daemon, 'explain', full('weighted')),
    new RegExp(
      `Signed +\\S+ \\S+ by key \\d+ \\(algorithm ${algorithm}\\) of example\\.test\\.; good from 2.* until 2`,
    ),
  )
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /pooldns_dnssec_signature_expires_seconds\{zone="example\.test"\} 1\d{6}/)
  t.match(metrics, /pooldns_dnssec_unsigned_sets\{kind="answers"\} 0/)
}

/** Members come and go, and the zone is edited, while somebody asks all the time. */
async function flapped(t: Test, { daemon, folder, anchor, backends }: World): Promise<void> {
  const ask = await startUnbound(t, daemon, { folder, anchor, more: [...strict, ...forgetful] })
  await using client = await UdpClient.open(daemon.dns)
  const seen = new Set<string>()
  const state = { isOver: false, asked: 0 }
  const names = ['flap', 'all', 'several', '@', 'target1']
  const asking = (async () => {
    while (!state.isOver) {
      const name = names[state.asked++ % names.length]!
      const { flags, rcode, answer } = await ask(name, 'A')
      if (rcode !== 0 || !flags.includes('ad')) t.fail(`${name}: ${rcode} ${flags}`)
      const direct = readResponse(await client.insist(query(full('flap'), 'A', { edns: { flags: 0x8000 } })))
      if (!direct.answer.some((rr) => rr.includes('RRSIG'))) t.fail(`unsigned: ${direct.answer.join()}`)
      if (name === 'flap')
        seen.add(
          answer
            .map((rr) => rr.split(' ').at(-1))
            .sort()
            .join(),
        )
      await delay(50)
    }
  })()
  const since = performance.now()
  for (let round = 0; round < 10 || performance.now() - since < flapSeconds * 1000; round++) {
    const number = round % 3
    for (const healthy of [false, true]) {
      backends[number]!.healthy = healthy
      await eventually(async () => {
        const { status } = await (await daemon.request(`/v1/pools/flap/members/f${number}`)).json()
        return status.state === (healthy ? 'up' : 'down') ? true : undefined
      })
      await put(daemon, `/v1/zones/${apex}/rrsets/edit${round % 10}/TXT`, { data: [`"${healthy}"`] })
    }
  }
  const all = '192.0.2.41,192.0.2.42,192.0.2.43'
  await eventually(async () => (seen.has(all) && seen.size > 1 ? true : undefined))
  state.isOver = true
  await asking
  t.ok(state.asked > 20)
  t.ok(seen.size > 1, `answers of ${[...seen].join(' and ')}`)
}

/**
 * One of 40 members fails, of which any four are answered: far too many sets to have each of them. The same pool has a service in a zone that
 * is not signed, and the member leaves the answers of both in one step.
 */
async function left(t: Test, { daemon, folder, anchor, backends }: World): Promise<void> {
  const [failing, healthy] = backends
  const dead = '198.51.100.7'
  await put(daemon, '/v1/zones/plain.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(daemon, '/v1/pools/forty', {
    monitor: 'web',
    select: 'weighted',
    answers: 4,
    members: Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => {
        const { port } = i === 7 ? failing! : healthy!
        return [
          `m${i}`,
          { address: `198.51.100.${i}`, weight: 10 + i, probe: { address: '127.0.0.1', port } },
        ]
      }),
    ),
  })
  const twins = [full('forty'), 'forty.plain.test']
  for (const name of twins) await put(daemon, `/v1/services/${name}`, { pools: ['forty'], ttl: 20 })
  await using client = await UdpClient.open(daemon.dns)
  const ask = async (name: string) =>
    readResponse(await client.insist(query(name, 'A', { edns: { flags: 0x8000 } })))
  const has = async (name: string) => (await ask(name)).answer.some((rr) => rr.endsWith(` ${dead}`))
  for (const name of twins) await eventually(async () => (await has(name)) || undefined)

  failing!.healthy = false
  // It says what the workers answer by: whatever was handed over with this verdict is there.
  await eventually(async () => {
    const { services } = await (await daemon.request(`/v1/explain?name=${twins[1]}`)).json()
    return services[0].pools[0].members[7].status.state === 'down' || undefined
  })
  const { answered } = (await (await daemon.request('/v1/pools/forty/members/m7')).json()).status
  t.equal(answered, false, 'no service is answered with it any more, signed or not')
  for (const name of twins) {
    for (let i = 0; i < 200; i++) {
      const { answer, rcode } = await ask(name)
      if (rcode !== 0 || answer.some((rr) => rr.endsWith(` ${dead}`))) t.fail(`${name}: ${answer.join()}`)
    }
  }
  const validated = await startUnbound(t, daemon, { folder, anchor, more: [...strict, ...forgetful] })
  const counts = new Map<string, number>()
  const validating = async (times: number) => {
    for (let i = 0; i < times; i++) {
      const { flags, rcode, answer } = await validated('forty', 'A')
      const members = answer.filter((rr) => !rr.includes('RRSIG')).map((rr) => rr.split(' ').at(-1)!)
      if (rcode !== 0 || !flags.includes('ad') || members.length !== 4)
        t.fail(`${rcode} ${flags} ${answer.join()}`)
      for (const member of members) counts.set(member, (counts.get(member) ?? 0) + 1)
    }
  }
  await validating(100)
  t.notOk(counts.has(dead))
  failing!.healthy = true
  await eventually(async () => (await has(twins[0]!)) || undefined)
  await validating(100)
  t.ok(counts.size > 36, `${counts.size} members were seen`)
}

for (const algorithm of [13, 15] as const) {
  t.test(`services of every kind, algorithm ${algorithm}`, { skip }, async (t) => {
    const world = await setUp(t, algorithm)
    await t.test('delv and unbound validate them all', (t) => validated(t, world))
    await t.test('it is told', (t) => explained(t, world))
    if (algorithm === 13) {
      await t.test('members come and go, and edits, unseen by a validator', (t) => flapped(t, world))
      await t.test('of very many sets, too, a member leaves with its verdict', (t) => left(t, world))
    }
  })
}
