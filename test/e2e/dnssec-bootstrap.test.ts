/**
 * Signals for the parents of zones that are signed anew (RFC 9615): written by HTTP, asked for by DNS, believed by a validator that knows the
 * key of the name servers' zone alone, and compared with the zone's own CDS as a parent does.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { decodeSections } from '../../src/controlplane/dns-client/message.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, UdpClient } from '../support/dns-client.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { missingPrograms } from '../support/program.ts'
import { eventually, put, soa } from './fixture.ts'
import { pooldns, says } from './validators.ts'

const skip = missingPrograms('delv', 'dig')

const cds = 59
const cdnskey = 60

interface Shown {
  readonly status: {
    readonly bootstrap: {
      readonly endedAt: string | null
      readonly signals: readonly {
        readonly server: string
        readonly name: string
        readonly zone: string | null
        readonly obstacle: string | null
      }[]
    }
  }
}

const signed = { enabled: true }
const signalOf = (child: string, server: string) => `_dsboot.${child}._signal.${server}`
const a = (name: string, ttl?: string) => ({ name, type: 'A', data: ['192.0.2.1'], ...(ttl && { ttl }) })

/** A zone with name servers, absolute or relative to it. */
const zoneOf = (
  servers: readonly string[],
  dnssec: object | null = signed,
  more: readonly object[] = [],
) => ({
  soa,
  ...(dnssec === null ? {} : { dnssec }),
  rrsets: [{ name: '@', type: 'NS', data: servers }, ...more],
})

const hosts = (dnssec: object | null = signed, more: readonly object[] = []) =>
  zoneOf(['ns1', 'ns2'], dnssec, [a('ns1'), a('ns2'), ...more])

async function ask({ dns }: DaemonProcess, name: string, type: number): Promise<readonly Buffer[]> {
  await using client = await UdpClient.open(dns)
  const octets = await client.insist(query(name, type))
  const rcode = octets[3]! & 15
  if (rcode !== 0 && rcode !== 3) throw new Error(`rcode ${rcode}`)
  const { answers } = decodeSections(octets)
  return answers.filter((answer) => answer.type === type).map(({ rdata }) => Buffer.from(rdata))
}

/** Fails unless a signal is the same as the zone's own, or isn't there. */
async function expects(t: Test, daemon: DaemonProcess, child: string, server: string, is: boolean) {
  for (const type of [cds, cdnskey]) {
    const told = await ask(daemon, signalOf(child, server), type)
    t.same(told, is ? await ask(daemon, child, type) : [], `${type} of ${child} under ${server}`)
    if (is) t.ok(told.length > 0, 'is one')
  }
}

async function shown(daemon: DaemonProcess, child: string): Promise<Shown['status']['bootstrap']> {
  const reply = (await (await daemon.request(`/v1/zones/${child}/dnssec`)).json()) as Shown
  return reply.status.bootstrap
}

async function obstacles(daemon: DaemonProcess, child: string): Promise<Record<string, string | null>> {
  const { signals } = await shown(daemon, child)
  return Object.fromEntries(signals.map(({ server, obstacle }) => [server, obstacle]))
}

async function serial(daemon: DaemonProcess, apex: string): Promise<number> {
  const [rdata] = await ask(daemon, apex, 6)
  return rdata!.readUInt32BE(rdata!.length - 20)
}

async function send(daemon: DaemonProcess, method: string, path: string, json?: unknown) {
  const response = await daemon.request(path, { method, ...(json === undefined ? {} : { json }) })
  return { status: response.status, text: await response.text() }
}

async function start(t: Test, env: Record<string, string> = {}): Promise<DaemonProcess> {
  const daemon = await startDaemonProcess({ env })
  t.teardown(() => daemon.stop())
  return daemon
}

const ns1 = 'ns1.host.test'
const ns2 = 'ns2.host.test'

t.test('a zone is told of under its name servers, as long as that can be proved', async (t) => {
  const daemon = await start(t)
  await put(daemon, '/v1/zones/host.test', hosts(null))
  await put(
    daemon,
    '/v1/zones/a.example',
    zoneOf([`${ns1}.`, `${ns2}.`, 'ns', 'ns.elsewhere.test.'], signed, [a('ns')]),
  )
  t.same(
    await obstacles(daemon, 'a.example'),
    { [ns1]: 'unsigned', [ns2]: 'unsigned', 'ns.a.example': 'in-domain', 'ns.elsewhere.test': 'no-zone' },
    'and says why it is not',
  )
  await expects(t, daemon, 'a.example', ns1, false)

  const before = await serial(daemon, 'host.test')
  await pooldns(daemon, 'dnssec', 'enable', 'host.test')
  for (const server of [ns1, ns2]) await expects(t, daemon, 'a.example', server, true)
  await expects(t, daemon, 'a.example', 'ns.a.example', false)
  await expects(t, daemon, 'host.test', ns1, false)
  t.ok((await serial(daemon, 'host.test')) > before, 'in a serial of its own')
  t.match(
    await pooldns(daemon, 'dnssec', 'status', 'a.example'),
    `a signal for its parent under ${ns1}: ${signalOf('a.example', ns1)} in zone host.test\n`,
  )
  t.match(await pooldns(daemon, 'export-zone', 'host.test', '--signed'), `${signalOf('a.example', ns1)}.`)
  t.notMatch(
    await pooldns(daemon, 'export-zone', 'host.test'),
    '_dsboot',
    'no part of what may be brought in',
  )
  t.notMatch(await pooldns(daemon, 'export'), '_dsboot')
  const explained = await pooldns(daemon, 'explain', signalOf('a.example', ns1), 'CDS')
  t.match(
    explained,
    /Signed +_dsboot\.a\.example\._signal\.ns1\.host\.test\. CDS by key \d+ \(algorithm 13\) of host\.test\.; good from 2.* until 2/,
  )
  t.match(explained, /Chain +host\.test: csk \d+ \(algorithm 13\)\n/)
  const denied = await pooldns(daemon, 'explain', 'nope.host.test', 'A')
  t.match(denied, /Proof +\S+ NSEC \S/)

  const last = await serial(daemon, 'host.test')
  await put(daemon, '/v1/zones/b.example', zoneOf([`${ns1}.`]))
  await expects(t, daemon, 'b.example', ns1, true)
  t.ok((await serial(daemon, 'host.test')) > last, 'the serial rises with each')
  const kept = await serial(daemon, 'host.test')
  await put(daemon, '/v1/zones/b.example/rrsets/www/A', { data: ['192.0.2.9'] })
  t.equal(await serial(daemon, 'host.test'), kept, 'and with no other edit')

  await put(daemon, '/v1/zones/b.example/rrsets/@/NS', { data: [`${ns2}.`] })
  await expects(t, daemon, 'b.example', ns1, false)
  await expects(t, daemon, 'b.example', ns2, true)
  await pooldns(daemon, 'dnssec', 'enable', 'b.example', '--bootstrap', 'off')
  await expects(t, daemon, 'b.example', ns2, false)
  t.match(await pooldns(daemon, 'dnssec', 'status', 'b.example'), 'bootstrap is off')
  await pooldns(daemon, 'dnssec', 'enable', 'b.example', '--bootstrap', 'on')
  await expects(t, daemon, 'b.example', ns2, true)
  t.equal((await send(daemon, 'DELETE', '/v1/zones/b.example')).status, 204)
  await expects(t, daemon, 'b.example', ns2, false)
  t.equal((await ask(daemon, signalOf('b.example', ns2), cds)).length, 0)

  t.equal((await send(daemon, 'DELETE', '/v1/zones/host.test/dnssec?force=true')).status, 204)
  await expects(t, daemon, 'a.example', ns1, false)
  t.match(await obstacles(daemon, 'a.example'), { [ns1]: 'unsigned' })
})

t.test('they go where the name lies, and stand beside what others write', async (t) => {
  const daemon = await start(t)
  const wild = [{ name: `*._signal.ns1`, type: 'TXT', data: ['w'] }]
  await put(daemon, '/v1/zones/host.test', hosts(signed, wild))
  await put(daemon, '/v1/zones/a.example', zoneOf([`${ns1}.`, `${ns2}.`]))
  const name = signalOf('a.example', ns1)
  t.equal((await ask(daemon, `x.y._signal.${ns1}`, 16)).length, 1, 'a wildcard goes on')
  t.equal((await ask(daemon, `x.${name}`, 16)).length, 0, 'but not below what is there (RFC 4592)')

  const path = `/v1/zones/host.test/rrsets/${signalOf('a.example', 'ns1')}`
  t.equal((await send(daemon, 'PUT', `${path}/TXT`, { data: ['x'] })).status, 201)
  await expects(t, daemon, 'a.example', ns1, true)
  for (const [at, type, data] of [
    [path, 'CNAME', 'x'],
    [path, 'NS', 'x'],
    ['/v1/zones/host.test/rrsets/_signal.ns1', 'NS', 'x'],
    ['/v1/zones/host.test/rrsets/_signal.ns1', 'DNAME', 'x.'],
    ['/v1/zones/host.test/rrsets/@', 'DNAME', 'x.'],
  ] as const) {
    if (type === 'CNAME') await send(daemon, 'DELETE', `${path}/TXT`)
    const { status, text } = await send(daemon, 'PUT', `${at}/${type}`, { data: [data] })
    t.equal(status, 409, `${at} ${type}`)
    t.match(text, type === 'DNAME' && at.endsWith('@') ? /./ : /RFC 9615.*--bootstrap off|DNAME/, text)
  }
  t.equal(
    (await send(daemon, 'PUT', `${path}/CDS`, { data: ['0 0 0 00'] })).status,
    409,
    'as in all of the zone',
  )
  const whole = hosts(signed, [{ name: '_signal.ns1', type: 'NS', data: ['x'] }])
  t.equal((await send(daemon, 'PUT', '/v1/zones/host.test', whole)).status, 409, 'nor in a whole zone')
  t.equal(
    (await send(daemon, 'PUT', '/v1/zones/host.test', hosts())).status,
    200,
    'which leaves them where they are',
  )
  await expects(t, daemon, 'a.example', ns1, true)

  await put(daemon, `/v1/zones/_signal.${ns1}`, zoneOf([`${ns1}.`], null))
  await expects(t, daemon, 'a.example', ns1, false)
  t.match(await obstacles(daemon, 'a.example'), { [ns1]: 'unsigned', [ns2]: null })
  await pooldns(daemon, 'dnssec', 'enable', `_signal.${ns1}`)
  await expects(t, daemon, 'a.example', ns1, true)
  t.match((await shown(daemon, 'a.example')).signals, [{ zone: `_signal.${ns1}` }, { zone: 'host.test' }])
  t.equal(
    (await send(daemon, 'PUT', '/v1/zones/host.test/rrsets/_signal.ns1/NS', { data: ['ns1'] })).status,
    201,
  )
  await expects(t, daemon, 'a.example', ns1, true)
  t.equal((await send(daemon, 'DELETE', '/v1/zones/host.test/rrsets/_signal.ns1/NS')).status, 204)
  t.equal((await send(daemon, 'DELETE', `/v1/zones/_signal.${ns1}?`)).status, 204)
  await expects(t, daemon, 'a.example', ns1, true)

  const child = [...Array(3).fill('l'.repeat(60)), 'x'.repeat(40), 'test'].join('.')
  await put(daemon, `/v1/zones/${child}`, zoneOf([`${ns1}.`]))
  t.same(await obstacles(daemon, child), { [ns1]: 'too-long' })
  // What is there first stays, and status says so.
  await put(daemon, '/v1/zones/host.test/rrsets/_dsboot.c.example._signal.ns1/CNAME', { data: ['x'] })
  await put(daemon, '/v1/zones/c.example', zoneOf([`${ns1}.`]))
  t.same(await obstacles(daemon, 'c.example'), { [ns1]: 'taken' })
  t.equal(
    (await send(daemon, 'DELETE', '/v1/zones/host.test/rrsets/_dsboot.c.example._signal.ns1/CNAME')).status,
    204,
  )
  await expects(t, daemon, 'c.example', ns1, true)
})

t.test('a validator that knows the zone of the servers alone believes them', { skip }, async (t) => {
  const daemon = await start(t)
  const folder = await temporaryDataFolder('pooldns-bootstrap-')
  for (const [algorithm, denial, keys] of [
    [13, 'nsec', 'csk'],
    [15, 'nsec3', 'split'],
  ] as const) {
    const host = `host${algorithm}.test`
    await put(daemon, `/v1/zones/${host}`, hosts({ enabled: true, algorithm, denial, keys }))
    await put(daemon, `/v1/zones/a${algorithm}.example`, zoneOf([`ns1.${host}.`, `ns2.${host}.`]))
    const anchors = join(folder, `anchors-${algorithm}`)
    await writeFile(anchors, await pooldns(daemon, 'dnssec', 'ds', host, '--format', 'delv'))
    const to = [`@${daemon.dns.host}`, '-p', String(daemon.dns.port), '-a', anchors, `+root=${host}`]
    const name = signalOf(`a${algorithm}.example`, `ns1.${host}`)
    for (const type of ['CDS', 'CDNSKEY'])
      t.match((await says('delv', ...to, name, type)).text, '; fully validated', `${name} ${type}`)
    t.match((await says('delv', ...to, name, 'TXT')).text, '; negative response, fully validated')
    t.match((await says('delv', ...to, `x.${name}`, 'A')).text, '; negative response, fully validated')
    const missing = signalOf('nobody.example', `ns1.${host}`)
    t.match((await says('delv', ...to, missing, 'CDS')).text, '; negative response, fully validated')
    const file = join(folder, `${host}.signed`)
    await writeFile(file, await pooldns(daemon, 'export-zone', host, '--signed'))
    const verified = await says('ldns-verify-zone', '-V', '2', file)
    t.ok(verified.ok, verified.text)
    await pooldns(daemon, 'dnssec', 'roll', `a${algorithm}.example`)
    await expects(t, daemon, `a${algorithm}.example`, `ns1.${host}`, true)
    await pooldns(daemon, 'dnssec', 'roll', host)
    t.match(
      (await says('delv', ...to, name, 'CDS')).text,
      '; fully validated',
      'while the keys are rolled over',
    )
  }
})

t.test('they end when the parent has a DS, and follow the keys until then', async (t) => {
  const daemon = await start(t)
  await put(daemon, '/v1/zones/host.test', hosts())
  await put(daemon, '/v1/zones/example', zoneOf([`${ns1}.`], signed))
  const times = { enabled: true, maxTtl: '1s', propagation: '1s' }
  const apex = 'a.example'
  const { host, port } = daemon.dns
  await put(
    daemon,
    `/v1/zones/${apex}`,
    zoneOf([`${ns1}.`], { ...times, parentServers: [`${host}:${port}`] }),
  )
  await expects(t, daemon, apex, ns1, true)
  const [first] = await ask(daemon, signalOf(apex, ns1), cds)
  await pooldns(daemon, 'dnssec', 'roll', apex)
  await eventually(async () => {
    const [now] = await ask(daemon, signalOf(apex, ns1), cds)
    return now === undefined || now.equals(first!) ? undefined : now
  })
  // Of two workers one may have it sooner.
  await eventually(async () => {
    const [own, told] = [await ask(daemon, apex, cds), await ask(daemon, signalOf(apex, ns1), cds)]
    return own.length === 1 && !own[0]!.equals(first!) && told[0]?.equals(own[0]!) ? true : undefined
  })
  t.pass('as the zone has them in each step')
  await pooldns(daemon, 'dnssec', 'roll', apex, '--cancel')
  const ds = (await pooldns(daemon, 'dnssec', 'ds', apex)).trim().split('\n')[0]!.split(' DS ')[1]!
  await put(daemon, '/v1/zones/example/rrsets/a/DS', { data: [ds] })
  await eventually(async () => ((await shown(daemon, apex)).endedAt === null ? undefined : true))
  await eventually(async () => ((await ask(daemon, signalOf(apex, ns1), cds)).length > 0 ? undefined : true))
  await expects(t, daemon, apex, ns1, false)
  t.match(await pooldns(daemon, 'dnssec', 'status', apex), 'its parent has a DS since')
  t.match(
    await pooldns(daemon, 'explain', `${apex}`, 'SOA'),
    /Chain +a\.example: csk \d+ \(algorithm 13, DS in example\).*\nChain +example: csk \d+ \(algorithm 13\)\n/,
  )
})
