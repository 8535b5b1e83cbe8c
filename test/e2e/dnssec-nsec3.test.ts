/**
 * A zone that hides its names, as others see it: tools that verify the whole of it, each of which is shown to find a changed octet, and a
 * validating resolver that believes all that it is told while the zone goes over from names to hashes and back.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { missingPrograms } from '../support/program.ts'
import { damaged, good, none, questions, rrsets, type Signed, signed } from './dnssec-fixture.ts'
import { put } from './fixture.ts'
import { apex, delv, full, pooldns, says, startUnbound } from './validators.ts'

const skip = missingPrograms('delv', 'dig', 'unbound', 'ldns-verify-zone', 'dnssec-verify')
const hasKnot = missingPrograms('kzonecheck') === false

/** Names of the zone that own no NSEC3 of their own, because a cut hides them. */
const hidden = new Set(['ns.insecure', 'ns.secure'])
/** Names that own nothing. */
const empty = ['ent', 'b.ent', 'wild']

/** The zone as a master file with all that was signed. Its names are known here; the hashes are found by asking for many others. */
async function collect({ dns }: DaemonProcess, names: readonly string[]): Promise<string[]> {
  const lines = new Set<string>()
  const to = [
    `@${dns.host}`,
    '-p',
    String(dns.port),
    '+norec',
    '+dnssec',
    '+noall',
    '+answer',
    '+authority',
    '+additional',
  ]
  const ask = async (asked: readonly (readonly [name: string, type: string])[]) => {
    const { text } = await says('dig', ...to, ...asked.flatMap(([name, type]) => [full(name), type]))
    for (const line of text.split('\n')) {
      // In a negative answer the SOA has another TTL.
      const isNegative = /\sIN\s+(?:RRSIG\s+)?SOA\s/.test(line) && !asked.some(([, type]) => type === 'SOA')
      if (line !== '' && !line.startsWith(';') && !isNegative) lines.add(line)
    }
  }
  await ask(['SOA', 'NS', 'MX', 'DNSKEY', 'CDS', 'CDNSKEY', 'NSEC3PARAM'].map((type) => ['@', type]))
  await ask(
    names.flatMap((name) =>
      ['A', 'TXT', 'CNAME', 'DNAME', 'DS', 'HTTPS'].map((type) => [name, type] as const),
    ),
  )
  await ask(rrsets.filter(({ type }) => type === 'DS').map(({ name }) => [`x.${name}`, 'A'] as const))
  for (let round = 0; round < 8; round++)
    await ask(Array.from({ length: 40 }, (_, i) => [`random${round}-${i}`, 'A'] as const))
  // What a wildcard makes of other names.
  return [...lines].filter(
    (line) => !/^(?!\*)[^.]+\.wild\.example\.test\.|^[xy]\./.test(line) || line.startsWith('exact.'),
  )
}

async function verified(t: Test, { daemon, folder, anchors }: Signed): Promise<void> {
  for (const [name, type, said] of questions)
    t.match(await delv(daemon, anchors, name, type), said, `${name} ${type}`)
  const names = [...new Set(rrsets.map(({ name }) => name))].filter((name) => name !== '@')
  const lines = await collect(daemon, [...names.filter((name) => !hidden.has(name)), ...empty])
  const verify = async (text: readonly string[]) => {
    const file = join(folder, 'zone')
    await writeFile(file, `${text.join('\n')}\n`)
    return {
      ldns: await says('ldns-verify-zone', '-V', '2', file),
      bind: await says('dnssec-verify', '-z', '-o', apex, file),
      ...(hasKnot ? { knot: await says('kzonecheck', '-d', 'on', '-o', apex, file) } : {}),
    }
  }
  const found = await verify(lines)
  t.ok(found.ldns.ok, found.ldns.text)
  t.ok(found.bind.ok, found.bind.text)
  t.ok(found.knot?.ok ?? true, found.knot?.text ?? '')
  for (const type of ['A', 'NSEC3', 'DNSKEY', 'NSEC3PARAM']) {
    for (const [tool, { ok }] of Object.entries(await verify(damaged(lines, type))))
      t.notOk(ok, `${tool} finds a changed octet in the signature of ${type}`)
  }
  const without = lines.filter((line) => !/\sNSEC3\s1 0 0 - \S+\s*$/.test(line))
  t.equal(lines.length - without.length, empty.length, 'those of names that own nothing')
  for (const [tool, { ok }] of Object.entries(await verify(without)))
    if (tool !== 'ldns') t.notOk(ok, `${tool} misses NSEC3s`)
}

t.test('names go over to hashes, and back', { skip }, async (t) => {
  const zone = await signed(t, 13)
  const { daemon, folder, anchors } = zone
  const anchor = await pooldns(daemon, 'dnssec', 'ds', apex, '--format', 'unbound')
  const ask = await startUnbound(t, daemon, { folder, anchor })
  let asked = 0
  const askAll = async () => {
    const number = asked++
    for (const [name, type, rcode] of [
      [`nope${number}`, 'A', 3],
      [`x${number}.wild`, 'A', 0],
      [`x${number}.wild`, 'MX', 0],
      [`x${number}.exact.wild`, 'A', 3],
      [`y${number}.d`, 'TXT', 0],
    ] as const) {
      const said = await ask(name, type)
      if (said.rcode !== rcode || !said.flags.includes(' ad'))
        t.fail(`${name} ${type}: ${said.rcode} ${said.flags}`)
    }
  }
  for (const denial of ['nsec3', 'nsec', 'nsec3']) {
    let left = 5
    const changed = pooldns(daemon, 'dnssec', 'enable', apex, '--denial', denial).then(() => {
      left = 5
      isThere = true
    })
    let isThere = false
    while (!isThere || left-- > 0) await askAll()
    await changed
  }
  await pooldns(daemon, 'dnssec', 'enable', apex)
  t.match(await pooldns(daemon, 'dnssec', 'status', apex), /is signed, and hides its names \(nsec3\)\n/)
  await t.test('validators and verifiers find nothing to say', (t) => verified(t, zone))
  await t.test('edits are served signed', async (t) => {
    await put(daemon, `/v1/zones/${apex}/rrsets/deep.er.new/A`, { data: ['192.0.2.77'] })
    t.match(await delv(daemon, anchors, 'deep.er.new', 'A'), good)
    t.match(await delv(daemon, anchors, 'er.new', 'A'), none)
    await daemon.request(`/v1/zones/${apex}/rrsets/deep.er.new/A`, { method: 'DELETE' })
    t.match(await delv(daemon, anchors, 'er.new', 'A'), none)
    await verified(t, zone)
  })
})
