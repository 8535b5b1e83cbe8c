/**
 * One zone that two signers serve, each with keys of its own and those of the other one (RFC 8901, model 2): whatever a validator has in its cache of
 * one, it finds the answers of the other one good.
 */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { flagBits, query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { findProgram, missingPrograms, startProgram } from '../support/program.ts'
import { put, soa } from './fixture.ts'
import { unboundConfig } from './validators.ts'

const execute = promisify(execFile)

interface Key {
  readonly tag: number
  readonly role: string
  readonly dnskey: string
  readonly ds: string
}

/** So many that a resolver that draws one of two servers for each draws both. */
const leastNames = 40
/** It leaves alone for a while who was slow once. */
const names = 2_000
const apex = 'm.test'
const path = `/v1/zones/${apex}/dnssec`

async function patch(daemon: DaemonProcess, json: object): Promise<Response> {
  return await daemon.request(path, { method: 'PATCH', json })
}

async function keysOf(daemon: DaemonProcess): Promise<readonly Key[]> {
  const reply = await daemon.request(path)
  return ((await reply.json()) as { status: { keys: readonly Key[] } }).status.keys
}

/** Lines of RDATA, in their order. */
async function rdataOf({ dns }: DaemonProcess, type: string): Promise<readonly string[]> {
  const args = ['@127.0.0.1', '-p', String(dns.port), '+norec', '+short', '+nosplit', apex, type]
  const { stdout } = await execute(findProgram('dig')!, args)
  return stdout.trim().split('\n').sort()
}

t.test('two signers of one zone', { skip: missingPrograms('dig', 'unbound') }, async (t) => {
  const folder = await temporaryDataFolder('pooldns-signers-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await using one = await startDaemonProcess()
  await using two = await startDaemonProcess()
  const both = [one, two]
  const rrsets = [
    { name: '@', type: 'NS', data: ['ns1', 'ns2'] },
    { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
    { name: 'ns2', type: 'A', data: ['127.0.0.1'] },
  ]
  for (const [i, daemon] of both.entries()) {
    // So that it can be seen who answered.
    const who = Array.from({ length: names }, (_, n) => ({
      name: `who${n}`,
      type: 'A',
      data: [`192.0.2.${i + 1}`],
    }))
    const dnssec = { enabled: true, keys: 'split' }
    await put(daemon, `/v1/zones/${apex}`, { soa, ttl: '1h', dnssec, rrsets: [...rrsets, ...who] })
  }
  const keys = await Promise.all(both.map((daemon) => keysOf(daemon)))
  // All have one list, their own keys in it.
  const foreignKeys = keys.flat().map(({ dnskey }) => dnskey)
  for (const daemon of both) t.equal((await patch(daemon, { foreignKeys })).status, 200)

  await t.test('publish the keys of both, and have the parent know them', async (t) => {
    const entries = keys.flat().filter(({ role }) => role === 'ksk')
    for (const daemon of both) {
      t.same(await rdataOf(daemon, 'DNSKEY'), foreignKeys.toSorted())
      t.same(await rdataOf(daemon, 'CDNSKEY'), entries.map(({ dnskey }) => dnskey).sort())
      t.same(await rdataOf(daemon, 'CDS'), entries.map(({ ds }) => ds).sort())
    }
  })

  await t.test('a resolver finds the answers of both good, by the keys of either', async (t) => {
    const ds = keys
      .flat()
      .filter(({ role }) => role === 'ksk')
      .map(({ ds }) => ds)
    const anchors = ds.map((each) => `trust-anchor: "${apex}. DS ${each}"`)
    const port = await freePort()
    const file = join(folder, 'unbound.conf')
    await writeFile(
      file,
      unboundConfig(
        folder,
        port,
        ['harden-algo-downgrade: yes', 'val-log-level: 2', 'infra-host-ttl: 1', ...anchors],
        `stub-zone:
  name: "${apex}"
  stub-addr: 127.0.0.1@${one.dns.port}
  stub-addr: 127.0.0.1@${two.dns.port}`,
      ),
    )
    const unbound = startProgram('unbound', ['-d', '-c', file])
    t.teardown(() => unbound.stop())
    await unbound.said(/start of service/)
    await using client = await UdpClient.open({ host: '127.0.0.1', port })
    const ask = async (name: string, type: 'A' | 'TXT') =>
      readResponse(await client.insist(query(name, type, { flags: flagBits.rd | flagBits.ad, edns: {} })))
    const seen = new Set<string>()
    for (let n = 0; n < leastNames || (n < names && seen.size < 2); n++) {
      // The DNSKEY set stays in the cache for an hour, whoever it came from; each of these is asked for, of either.
      const none = await ask(`none.who${n}.${apex}`, 'TXT')
      t.match([none.rcode, none.flags], [3, / ad/])
      const { rcode, flags, answer } = await ask(`who${n}.${apex}`, 'A')
      t.match([rcode, flags], [0, / ad/])
      seen.add(answer[0]!.split(' ').at(-1)!)
    }
    t.same([...seen].sort(), ['192.0.2.1', '192.0.2.2'])
    t.notMatch(unbound.output, /validation failure/)
  })

  await t.test('what is no key of another signer is refused', async (t) => {
    const bad = async (key: string) => {
      const response = await patch(one, { foreignKeys: [key] })
      return [response.status, ((await response.json()) as { errors?: object[] }).errors]
    }
    const problem = [400, [{ path: 'foreignKeys[0]', message: /the RDATA of a DNSKEY/ }]]
    const [, , algorithm, text] = keys[1]![0]!.dnskey.split(' ')
    for (const key of [
      '',
      'x',
      '257 3 13',
      `257 3 ${algorithm} ${text}=`,
      `0 3 13 ${text}`,
      `257 2 13 ${text}`,
    ])
      t.match(await bad(key), problem, key)
  })
})
