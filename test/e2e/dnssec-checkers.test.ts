/**
 * A zone with every kind of content and of service, held up to those who check: tools that read the whole zone as a master file, resolvers
 * that validate, and tools that ask for proofs. For both algorithms and both ways to deny. Each finds nothing to say, and each finds a
 * changed octet: in the file, or in what is answered, which then comes by a forwarder that changes one.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findProgram, missingPrograms } from '../support/program.ts'
import { type Checked, type Checker, checkedOf, checkers, dnsvizFinds } from './checkers.ts'
import { damaged, good, none, questions, rrsets } from './dnssec-fixture.ts'
import { put } from './fixture.ts'
import { startForwarder } from './forwarder.ts'
import { type World as Served, setUp } from './signed-services.ts'
import { apex, full, pooldns, says } from './validators.ts'

const skip = missingPrograms('delv', 'dig', 'unbound', 'ldns-verify-zone', 'dnssec-verify')

/** What is asked besides what the zone has: services. */
const ofServices: readonly (readonly [name: string, type: string, said: string])[] = [
  ['all', 'A', good],
  ['all', 'AAAA', good],
  ['window', 'A', good],
  ['window', 'AAAA', none],
  ['weighted', 'TXT', none],
  ['several', 'A', good],
  ['hashed', 'A', good],
  ['alias', 'A', good],
  ['nested', 'A', good],
  ['@', 'A', good],
]

/** Of what is delegated dnsviz would ask the servers of others. */
const dnsvizNames = ['@', 'www', 'nope', 'x.wild', 'y.d', 'b.ent', 'all', 'window', 'alias']

/** Tools that read a whole zone. */
const fileTools = [
  ['ldns-verify-zone', '-V', '2'],
  ['dnssec-verify', '-z', '-o', apex],
  ['kzonecheck', '-d', 'on', '-o', apex],
].filter(([program]) => findProgram(program!) !== null)

async function fileChecked(t: Test, { daemon, folder }: Served, chain: 'NSEC' | 'NSEC3'): Promise<void> {
  const path = join(folder, 'zone.signed')
  await pooldns(daemon, 'export-zone', apex, '--signed', '-o', path)
  const lines = (await readFile(path, 'utf8')).split('\n')
  const check = async (text: readonly string[]) => {
    await writeFile(path, text.join('\n'))
    return Promise.all(
      fileTools.map(async ([program, ...args]) => ({ program, ...(await says(program!, ...args, path)) })),
    )
  }
  for (const { program, ok, text } of await check(lines)) t.ok(ok, `${program}: ${text}`)
  t.match(lines.join('\n'), /^; all\.example\.test\. is a service\. Just now it answers with A and AAAA\.$/m)
  const ofService = lines.filter((line) => line.startsWith('all.'))
  t.equal(ofService.length, chain === 'NSEC' ? 7 : 5, 'one RRset of each family, signed')
  for (const type of ['A', chain, 'DNSKEY', 'SOA']) {
    for (const { program, ok } of await check(damaged(lines, type)))
      t.notOk(ok, `${program} finds a changed octet in the signature of ${type}`)
  }
}

async function asked(t: Test, checker: Checker, to: Checked): Promise<void> {
  await using asking = await checker.start(t, to)
  for (const [name, type, said] of [...questions, ...ofServices]) {
    // Who gets a service's address of one family need not be told of the other.
    const found = await asking.finds(name, type)
    if (found !== said) t.fail(`${checker.name} says of ${full(name)} ${type}: ${found}`)
  }
}

const alias = `/v1/services/${full('alias')}`

t.test('those who check find nothing to say, but of a changed octet', { skip }, async (t) => {
  const served = await setUp(t, 13)
  const { daemon, folder } = served
  for (const { name, type, ...rrset } of rrsets.filter(({ name }) => name !== '@' && name !== 'alias'))
    await put(daemon, `/v1/zones/${apex}/rrsets/${encodeURIComponent(name)}/${type}`, rrset)
  const forwarder = await startForwarder(daemon.dns)
  t.teardown(() => forwarder.stop())
  const ways = [
    [13, 'nsec'],
    [13, 'nsec3'],
    [15, 'nsec3'],
    [15, 'nsec'],
  ] as const
  for (const [algorithm, denial] of ways) {
    await t.test(`algorithm ${algorithm}, ${denial}`, async (t) => {
      if (algorithm === 15 && denial === 'nsec3') {
        const gone = await daemon.request(`/v1/zones/${apex}/dnssec?force=true`, { method: 'DELETE' })
        t.equal(gone.status, 204)
      }
      await pooldns(daemon, 'dnssec', 'enable', apex, '--algorithm', `${algorithm}`, '--denial', denial)
      if (denial === 'nsec') await fileChecked(t, served, 'NSEC')
      else {
        // A name that owns an NSEC3 alone is in no file.
        await daemon.request(alias, { method: 'DELETE' })
        await fileChecked(t, served, 'NSEC3')
        await put(daemon, alias, { pools: ['alias'], ttl: 20 })
      }
      const to = await checkedOf(daemon, folder)
      for (const checker of checkers) {
        await asked(t, checker, to)
        await using doubting = await checker.start(t, { ...to, dns: forwarder.dns })
        t.equal(await doubting.finds('www', 'A'), 'bogus', `${checker.name} finds a changed octet`)
      }
      if (findProgram('dnsviz') !== null) {
        t.strictSame(await dnsvizFinds(to, dnsvizNames), [])
        const found = await dnsvizFinds({ ...to, dns: forwarder.dns }, ['www'])
        t.match(found.join('\n'), /SIGNATURE_INVALID|\[!\]/, 'dnsviz finds a changed octet')
      }
      if (findProgram('kdig') !== null) {
        const at = [`@${daemon.dns.host}`, '-p', `${daemon.dns.port}`, '+dnssec']
        const { ok, text } = await says('kdig', ...at, full('all'), 'A', full('nope'), 'A')
        t.ok(ok && !/WARNING/.test(text) && text.match(/\sRRSIG\s/g)!.length > 3, text)
      }
    })
  }
})
