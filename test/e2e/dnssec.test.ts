/**
 * A zone with every kind of content, signed by one command, as others see it: a validating resolver that denies out of its cache, delv, and
 * tools that verify a whole zone, each of which is shown to find a changed octet. Then what may go wrong: the key file is lost, or another one.
 */

import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import t, { type Test } from 'tap'
import { fileOf, signaturesKind } from '../../src/controlplane/compile/image-files.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { missingPrograms } from '../support/program.ts'
import { damaged, good, none, questions, rrsets, type Signed, signed } from './dnssec-fixture.ts'
import { eventually, put, soa } from './fixture.ts'
import { apex, delv, pooldns, says, startUnbound } from './validators.ts'

const skip = missingPrograms('delv', 'dig', 'unbound', 'ldns-verify-zone', 'dnssec-verify')

/** The zone as a master file with all that was signed, found by going along the chain. */
async function walk({ dns }: DaemonProcess): Promise<string[]> {
  const dig = async (name: string, type: string) => {
    const to = [`@${dns.host}`, '-p', String(dns.port), '+norec', '+dnssec', '+noall']
    const { text } = await says('dig', ...to, '+answer', '+authority', '+additional', name, type)
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith(';'))
    // In a negative answer the SOA has another TTL.
    return type === 'SOA' ? lines : lines.filter((line) => !/\sIN\s+(?:RRSIG\s+)?SOA\s/.test(line))
  }
  const lines = new Set<string>()
  const nsecOf = (name: string, found: readonly string[]) => {
    for (const line of found) lines.add(line)
    const nsecs = found.flatMap((line) => {
      const [, owner, next, listed] = /^(\S+)\s+\d+\s+IN\s+NSEC\s+(\S+) (.*)$/.exec(line) ?? []
      return owner === name ? [{ next: next!, listed: listed! }] : []
    })
    return nsecs[0]
  }
  for (let name = `${apex}.`; ; ) {
    // At a cut with a DS nobody is told the NSEC, but for who asks for the name behind it.
    const behind = name.replace(/^[^.]+/, (label) => `${label}\\000`)
    const nsec = nsecOf(name, await dig(name, 'NSEC')) ?? nsecOf(name, await dig(behind, 'A'))
    if (nsec === undefined) throw new Error(`${name} has no NSEC`)
    const { next, listed } = nsec
    const types = listed.trim().split(' ')
    for (const type of types) {
      if (!['RRSIG', 'NSEC'].includes(type)) for (const line of await dig(name, type)) lines.add(line)
    }
    if (next === `${apex}.`) return [...lines]
    name = next
  }
}

/** Has a server that is stopped find signatures that have five days left. */
/** Has the signatures of the zone end in five days, in its image and in what is remembered of them. */
async function endEarly(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'snapshot/zones')
  const [path, imagePath] = [join(folder, fileOf(apex, signaturesKind)), join(folder, fileOf(apex))]
  const [octets, image] = [await readFile(path), await readFile(imagePath)]
  const expiration = Math.floor(Date.now() / 1000) + 5 * 86_400
  // Behind a checksum and a magic: a hash, when it begins and ends, and 64 octets.
  for (let at = 12; at < octets.length; at += 104) {
    octets.writeUInt32BE(expiration, at + 36)
    const signature = image.indexOf(octets.subarray(at + 40, at + 104))
    if (signature < 0) throw new Error('a signature that is not in the image')
    // The signer's name stands between.
    image.writeUInt32BE(expiration, signature - (apex.length + 2) - 10)
  }
  octets.writeUInt32LE(crc32(octets.subarray(4)))
  image.writeUInt32LE(crc32(image.subarray(12)), 8)
  await writeFile(path, octets)
  await writeFile(imagePath, image)
}

async function verified(t: Test, { daemon, folder, anchors }: Signed): Promise<void> {
  for (const [name, type, said] of questions) {
    t.match(await delv(daemon, anchors, name, type), said, `${name} ${type}`)
  }
  const other = join(folder, 'other-anchors')
  await writeFile(
    other,
    (await readFile(anchors, 'utf8')).replace(
      /"(.)(\S{20})/,
      (_, a, rest) => `"${a === 'A' ? 'B' : 'A'}${rest}`,
    ),
  )
  t.match(await delv(daemon, other, 'www', 'A'), /broken trust chain|no valid/, 'delv finds another key')

  const lines = await walk(daemon)
  const verify = async (text: readonly string[]) => {
    const file = join(folder, 'zone')
    await writeFile(file, `${text.join('\n')}\n`)
    return {
      ldns: await says('ldns-verify-zone', '-V', '2', file),
      bind: await says('dnssec-verify', '-z', '-o', apex, file),
    }
  }
  const found = await verify(lines)
  t.ok(found.ldns.ok, found.ldns.text)
  t.ok(found.bind.ok, found.bind.text)
  for (const type of ['A', 'NSEC', 'DNSKEY', 'SOA']) {
    const wrong = await verify(damaged(lines, type))
    t.notOk(wrong.ldns.ok, `ldns-verify-zone finds a changed octet in the signature of ${type}`)
    t.notOk(wrong.bind.ok, `dnssec-verify finds a changed octet in the signature of ${type}`)
  }
}

async function asked(daemon: DaemonProcess): Promise<number> {
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  const counts = text.matchAll(/^pooldns_dns_queries_total\{.*\} (\d+)$/gm)
  return Array.from(counts, ([, count]) => Number(count)).reduce((a, b) => a + b, 0)
}

async function resolved(t: Test, { daemon, folder }: Signed): Promise<void> {
  const anchor = await pooldns(daemon, 'dnssec', 'ds', apex, '--format', 'unbound')
  const ask = await startUnbound(t, daemon, { folder, anchor })
  for (const [name, type, said] of questions) {
    const { flags, rcode } = await ask(name, type)
    t.match(flags, / ad/, `${name} ${type}`)
    t.equal(rcode, said === none && ['nope', 'x.exact.wild'].includes(name) ? 3 : 0, `${name} ${type}`)
  }
  const before = await asked(daemon)
  for (let i = 0; i < 100; i++) {
    const { flags, rcode } = await ask(`random${i}`, 'A')
    if (rcode !== 3 || !flags.includes('ad')) t.fail(`random${i}: ${rcode} ${flags}`)
  }
  t.ok((await asked(daemon)) - before <= 5, 'few questions came here')
  const wrong = anchor.replace(/[0-9A-F]{8}"/, (digits) =>
    digits.startsWith('0') ? `1${digits.slice(1)}` : `0${digits.slice(1)}`,
  )
  const doubting = await startUnbound(t, daemon, { folder, anchor: wrong })
  t.equal((await doubting('www', 'A')).rcode, 2, 'with the digest of another key nothing is believed')
}

async function edited(t: Test, { daemon, anchors }: Signed): Promise<void> {
  await put(daemon, `/v1/zones/${apex}/rrsets/new/A`, { data: ['192.0.2.77'] })
  t.match(await delv(daemon, anchors, 'new', 'A'), good)
  t.match(await delv(daemon, anchors, 'newer', 'A'), none)
  await daemon.request(`/v1/zones/${apex}/rrsets/new/A`, { method: 'DELETE' })
  t.match(await delv(daemon, anchors, 'new', 'A'), none)
  const shown = await (await daemon.request(`/v1/zones/${apex}`)).json()
  t.match(shown, { dnssec: { enabled: true, algorithm: 13 }, status: { rrsets: rrsets.length } })
}

async function disabled(t: Test, { daemon }: Signed): Promise<void> {
  const refused = await daemon.request(`/v1/zones/${apex}/dnssec`, { method: 'DELETE' })
  t.equal(refused.status, 409)
  t.match(await refused.json(), { detail: /nobody could be asked whether its parent has a DS/ })
  const replaced = await daemon.request(`/v1/zones/${apex}`, { method: 'PUT', json: { soa, rrsets } })
  t.equal(replaced.status, 409)
  await put(daemon, '/v1/zones/test', {
    soa,
    rrsets: [
      { name: 'example', type: 'NS', data: ['ns1.example.test.'] },
      { name: 'example', type: 'DS', data: [`1 13 2 ${'AB'.repeat(32)}`] },
    ],
  })
  const parent = await daemon.request(`/v1/zones/${apex}/dnssec`, { method: 'DELETE' })
  t.match(await parent.json(), { status: 409, detail: /its parent has 1 DS for it/ })
  await daemon.request('/v1/zones/test/rrsets/example/DS', { method: 'DELETE' })
  t.equal(
    await pooldns(daemon, 'dnssec', 'disable', apex),
    'zone example.test is not signed any more; its keys are kept\n',
  )
  await using client = await UdpClient.open(daemon.dns)
  const dnssecOk = { edns: { flags: 0x8000 } }
  const { answer } = readResponse(await client.insist(query('www.example.test', 'A', dnssecOk)))
  t.same(answer.length, 2, 'two addresses and no signature')
  t.match(await pooldns(daemon, 'dnssec', 'status', apex), /is not signed\ncsk \d+, algorithm 13: retired/)
}

t.test(
  'without its key file a server serves what is signed, is not ready, and says so',
  { skip },
  async (t) => {
    const dataDir = await temporaryDataFolder('pooldns-dnssec-data-')
    t.teardown(() => rm(dataDir, { recursive: true, force: true }))
    const keyFile = join(dataDir, 'dnssec.key')
    const anchors = join(dataDir, 'anchors')
    const start = async () => {
      const daemon = await startDaemonProcess({ dataDir })
      t.teardown(() => daemon.stop())
      return daemon
    }
    const first = await start()
    await put(first, `/v1/zones/${apex}`, { soa, rrsets })
    await pooldns(first, 'dnssec', 'enable', apex)
    await writeFile(anchors, await pooldns(first, 'dnssec', 'ds', apex, '--format', 'delv'))
    const made = async (daemon: DaemonProcess) =>
      (await (await daemon.request(`/v1/zones/${apex}/dnssec`)).json()).status.signatures.made
    t.ok((await made(first)) > 20)
    await first.stop()

    const second = await start()
    t.equal(await made(second), 0, 'a start signs nothing again')
    await second.stop()

    const secret = await readFile(keyFile, 'utf8')
    await rm(keyFile)
    const third = await start()
    const ready = await third.request('/ready')
    t.equal(ready.status, 503)
    t.match(
      await ready.text(),
      /zone example\.test can't be signed, what was signed before is served: key \d+ of zone example\.test can't be opened: there is no key file/,
    )
    t.match(await delv(third, anchors, 'www', 'A'), good)
    t.match(
      await pooldns(third, 'dnssec', 'enable', apex).catch(({ stderr }) => stderr),
      /zone example\.test is to be signed, and can't be: key \d+ of zone example\.test can't be opened/,
    )
    await put(third, '/v1/zones/other.test', { soa })
    const other = await third.request('/v1/zones/other.test/dnssec', { method: 'PUT', json: {} })
    t.match(await other.json(), {
      status: 409,
      detail: /sealed by the key file that those before are sealed by: there is no key file/,
    })
    await t.rejects(
      readFile(keyFile),
      { code: 'ENOENT' },
      'a new one would open none of the keys that there are',
    )
    await put(third, `/v1/zones/${apex}/rrsets/late/A`, { data: ['192.0.2.78'] })
    t.match(await delv(third, anchors, 'late', 'A'), none, 'what can not be signed is not served')
    await writeFile(keyFile, `${Buffer.alloc(32, 9).toString('base64')}\n`, { mode: 0o600 })
    await put(third, `/v1/zones/${apex}/rrsets/later/A`, { data: ['192.0.2.79'] })
    t.match(await (await third.request('/ready')).text(), /it is sealed by another key file/)
    await writeFile(keyFile, secret)
    await put(third, `/v1/zones/${apex}/rrsets/latest/A`, { data: ['192.0.2.80'] })
    t.equal((await third.request('/ready')).status, 200)
    for (const name of ['latest', 'www']) t.match(await delv(third, anchors, name, 'A'), good)
    await eventually(async () =>
      (await delv(third, anchors, 'late', 'A')).includes(good) ? true : undefined,
    )

    const serialOf = async (daemon: DaemonProcess) =>
      (await (await daemon.request(`/v1/zones/${apex}`)).json()).status.serial as number
    const before = await serialOf(third)
    await third.stop()

    await endEarly(dataDir)
    const fourth = await start()
    await eventually(async () => ((await made(fourth)) > 20 ? true : undefined))
    await eventually(async () => ((await serialOf(fourth)) > before ? true : undefined))
    t.pass('signatures that are made anew come with another serial')
    t.match(await delv(fourth, anchors, 'www', 'A'), good)
    t.equal((await fourth.request('/ready')).status, 200)

    await rm(keyFile)
    await pooldns(fourth, 'dnssec', 'disable', apex, '--force')
    t.match(
      await pooldns(fourth, 'dnssec', 'enable', apex).catch(({ stderr }) => stderr),
      /zone example\.test can't be signed by its key of algorithm 13, which can't be opened: there is no key file/,
    )
    await using client = await UdpClient.open(fourth.dns)
    t.match(
      readResponse(await client.insist(query('www.example.test', 'A'))),
      { rcode: 0 },
      'it is served as before',
    )

    // The file is lost, and another one is in its place.
    await writeFile(keyFile, `${Buffer.alloc(32, 9).toString('base64')}\n`, { mode: 0o600 })
    const lost = await fourth.request(`/v1/zones/${apex}/dnssec`, { method: 'PUT', json: {} })
    t.match(await lost.json(), { status: 409, detail: /can't be opened: it is sealed by another key file/ })
    t.match(await pooldns(fourth, 'dnssec', 'status', apex), /is not signed\ncsk \d+, algorithm 13: retired/)
    const enabled = await pooldns(fourth, 'dnssec', 'enable', apex, '--algorithm', '15')
    t.match(enabled, /IN DS \d+ 15 2 [0-9A-F]{64}\nnot used: csk \d+, algorithm 13\n/)
    await writeFile(anchors, await pooldns(fourth, 'dnssec', 'ds', apex, '--format', 'delv'))
    t.match(await delv(fourth, anchors, 'www', 'A'), good)
  },
)

t.test('algorithm 13', { skip }, async (t) => {
  // Nobody is there who could say anything of a parent.
  const zone = await signed(t, 13, { POOLDNS_RESOLVERS: `127.0.0.1:${await freePort()}` })
  await t.test('validators and verifiers find nothing to say', (t) => verified(t, zone))
  await t.test('unbound validates all, and denies random names out of its cache', (t) => resolved(t, zone))
  await t.test('an edit is served signed', (t) => edited(t, zone))
  await t.test('it is signed no more when its parent has no DS, never by accident', (t) => disabled(t, zone))
})
