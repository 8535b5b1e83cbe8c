/** Master files into the store and out of it, on a real PostgreSQL and on the embedded database. */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { ControlError } from '../../../src/controlplane/model/errors.ts'
import type { Rrset } from '../../../src/controlplane/model/zone.ts'
import { listAudit } from '../../../src/controlplane/store/audit.ts'
import { changesSince } from '../../../src/controlplane/store/changes.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { putPool } from '../../../src/controlplane/store/pools.ts'
import { currentRevision } from '../../../src/controlplane/store/revision.ts'
import { getRrset, listRrsets, putRrset } from '../../../src/controlplane/store/rrsets.ts'
import { putService } from '../../../src/controlplane/store/services.ts'
import { deleteZone, getZoneHead, putZone } from '../../../src/controlplane/store/zones.ts'
import { exportZone } from '../../../src/controlplane/zonefile/export.ts'
import { type ImportRequest, importZone } from '../../../src/controlplane/zonefile/import.ts'
import { placeEmbeddedDatabase } from '../../support/embedded-database.ts'
import { temporaryDataFolder } from '../../support/kept.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { findProgram } from '../../support/program.ts'
import { pool, put, rrset, service, soa, zone } from '../store/suite/samples.ts'

const apex = 'example.test'
const top = (serial: number) =>
  `$TTL 300\n@ SOA ns1 hostmaster ${serial} 1h 10m 14d 60\n@ NS ns1\nns1 A 192.0.2.53\n`

const label = fc.stringMatching(/^(?:[a-z0-9_-]|\\\.|\\200|\\@){1,8}$/)
const owner = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => `h-${labels.join('.')}`)
const texts = fc.array(fc.stringMatching(/^[a-z ;()]{0,12}$/), { minLength: 1, maxLength: 3 })
const data = fc.oneof(
  fc.uniqueArray(fc.ipV4(), { minLength: 1, maxLength: 4 }).map((values) => ['A', values] as const),
  texts.map((values) => ['TXT', [values.map((value) => `"${value}"`).join(' ')]] as const),
  fc
    .uniqueArray(fc.nat(65_535), { minLength: 1, maxLength: 3 })
    .map((values) => ['MX', values.map((n) => `${n} ns1.example.test.`)] as const),
)
/** Sound zones: an owner has one RRset, so that nothing contradicts. */
const rrsetsArbitrary: fc.Arbitrary<Rrset[]> = fc
  .uniqueArray(fc.tuple(owner, data, fc.option(fc.nat(86_400), { nil: null })), {
    selector: ([name]) => name,
    maxLength: 12,
  })
  .map((found) => [
    rrset('@', 'NS', 'ns1.example.test.'),
    rrset('ns1', 'A', '192.0.2.53'),
    ...found.map(([name, [type, values], ttlSeconds]) => ({ owner: name, type, ttlSeconds, data: values })),
  ])

const dataDir = await temporaryDataFolder('pooldns-import-')
const server = await startPostgres()
t.teardown(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

for (const [kind, maxGathered] of [
  ['postgres', undefined],
  ['postgres, by the staging tables', 0],
  ['embedded', undefined],
] as const) {
  await t.test(kind, async (t) => {
    const url = kind === 'embedded' ? null : await server.createDatabase()
    if (url === null) await placeEmbeddedDatabase(dataDir)
    await using database = await Database.open({ url, dataDir })
    await database.ready(patience())
    await suite(t, database, maxGathered === undefined ? {} : { maxGathered })
  })
}

async function suite(t: Test, database: Database, how: Pick<ImportRequest, 'maxGathered'>): Promise<void> {
  const load = (text: string, change: Partial<ImportRequest> = {}) =>
    importZone(database, {
      apex,
      source: [text],
      by: { actor: 'ann', source: 'api', message: null },
      condition: {},
      dryRun: false,
      ...how,
      ...change,
    })
  const dump = async (name = apex) => {
    let text = ''
    const revision = await exportZone(database, name, async (chunks) => {
      for await (const chunk of chunks) text += chunk
    })
    return { text, revision }
  }
  const refused = async (text: string, code: string) => {
    const before = await state(database)
    const error = await load(text).then(
      () => assertRefused(),
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof ControlError)) throw error
    t.equal(error.code, code)
    t.same(await state(database), before, 'nothing changed')
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
  const rrsets = async () =>
    (await database.read((tx) => listRrsets(tx, apex, { limit: 10_000 }))).items.map(({ value }) => value)
  const serial = async () => (await database.read((tx) => getZoneHead(tx, apex)))!.value.serial

  await t.test('creates, replaces and leaves alone', async (t) => {
    const first = await load(
      `${top(5)}www 60 A 192.0.2.1\nwww 60 A 192.0.2.2\nb 300 TXT x\nwww 60 AAAA 2001:db8::1\n`,
    )
    t.match(first, {
      created: true,
      changed: true,
      rrsets: 5,
      warnings: [{ type: 'SOA' }],
      zone: { apex, ttlSeconds: 300 },
    })
    t.same(await rrsets(), [
      rrset('@', 'NS', 'ns1.example.test.'),
      rrset('b', 'TXT', '"x"'),
      rrset('ns1', 'A', '192.0.2.53'),
      { ...rrset('www', 'A', '192.0.2.1', '192.0.2.2'), ttlSeconds: 60 },
      { ...rrset('www', 'AAAA', '2001:db8::1'), ttlSeconds: 60 },
    ])
    t.same(
      (await database.read((tx) => changesSince(tx, first.revision - 1, 10)))?.changes,
      [{ revision: first.revision, kind: 'zone', key: apex, owners: null }],
      'one change',
    )
    const audit = await database.read((tx) => listAudit(tx, { limit: 10 }))
    t.match(audit.items, [
      {
        actor: 'ann',
        action: 'zone.import',
        key: apex,
        before: null,
        after: { status: { rrsets: { changed: 5 } } },
      },
    ])

    const shuffled = `${top(5)}b TXT x\nwww 60 A 192.0.2.2\n 60 AAAA 2001:DB8:0::1\n 60 A 192.0.2.1\n`
    const same = await load(shuffled)
    t.match(same, { created: false, changed: false, revision: first.revision, zoneRevision: first.revision })

    const next = await load(`${top(5)}www 60 A 192.0.2.2\nwww 60 AAAA 2001:db8::1\nc TXT y\n`)
    t.match(next, { created: false, changed: true, revision: first.revision + 1, rrsets: 5 })
    const revisionOf = async (owner: string, type: string) =>
      (await database.read((tx) => getRrset(tx, apex, owner, type)))?.revision
    t.equal(await revisionOf('www', 'AAAA'), first.revision, 'an RRset that stays keeps its revision')
    t.equal(await revisionOf('www', 'A'), next.revision)
    t.match((await database.read((tx) => listAudit(tx, { limit: 1 }))).items[0]?.after, {
      status: { rrsets: { changed: 3, put: ['www A', 'c TXT'], deleted: ['b TXT'] } },
    })
  })

  await t.test('TTLs are what is served, whatever the zone inherits', async (t) => {
    await load(`${top(5)}a 60 A 192.0.2.1\nb A 192.0.2.2\n`)
    t.equal(
      (
        await load(
          `$TTL 60\n@ SOA ns1 hostmaster 5 1h 10m 14d 60\n@ 300 NS ns1\nns1 300 A 192.0.2.53\na A 192.0.2.1\nb 300 A 192.0.2.2\n`,
        )
      ).changed,
      true,
    )
    t.match(await database.read((tx) => getRrset(tx, apex, 'b', 'A')), { value: { ttlSeconds: 300 } })
    t.match((await dump()).text, /^a\t60\tIN\tA\t192.0.2.1\nb\t300\tIN\tA\t192.0.2.2\n/m)
  })

  await t.test('conditions and dry runs', async (t) => {
    const { zoneRevision } = await load(top(5))
    for (const condition of [{ ifMatch: zoneRevision + 1 }, { ifNoneMatch: '*' }] as const) {
      await t.rejects(load(`${top(5)}x TXT y`, { condition }), { code: 'stale' })
    }
    const before = await state(database)
    t.match(await load(`${top(5)}x TXT y`, { dryRun: true, condition: { ifMatch: zoneRevision } }), {
      changed: true,
      rrsets: 3,
    })
    t.match(await load(top(5), { dryRun: true }), { changed: false })
    t.same(await state(database), before)
    await t.rejects(load('x', { dryRun: true }), { code: 'invalid' })
  })

  await t.test("a zone's serial rises and never falls behind the file's, unless it is fixed", async (t) => {
    await put(database, (write) => deleteZone(write, apex, {}))
    const clock = Math.floor(Date.now() / 1000)
    await load(top(2_026_112_101))
    t.equal(await serial(), 2_026_112_101, 'the one of the file, when it is ahead of the clock')
    await load(`${top(2_026_112_101)}a TXT x\n`)
    t.equal(await serial(), 2_026_112_102, 'ours rises')
    await load(`${top(2_026_112_110)}a TXT x\n`)
    t.equal(await serial(), 2_026_112_110, 'the file alone may bring it forward')
    t.match(await load(`${top(2_026_112_105)}a TXT x\n`), { changed: false })
    t.equal(await serial(), 2_026_112_110, 'and never back')
    await put(database, (write) => deleteZone(write, apex, {}))
    await load(top(7))
    t.ok((await serial()) >= clock, 'a new zone starts at the clock')
    const fixed = { ...zone(apex, rrset('@', 'NS', 'ns.example.net.')), soa: { ...soa, fixedSerial: 42 } }
    await put(database, (write) => putZone(write, fixed, {}))
    t.equal(await serial(), 42)
    await put(database, (write) => putRrset(write, apex, rrset('a', 'TXT', '"x"'), {}))
    t.equal(await serial(), 42, 'a fixed one stays')
    await load(top(17))
    t.match(await database.read((tx) => getZoneHead(tx, apex)), {
      value: { serial: 17, soa: { fixedSerial: 17 } },
    })
    const free = { ...fixed, soa: { ...soa, fixedSerial: null } }
    await put(database, (write) => putZone(write, free, {}))
    t.ok((await serial()) > 17, 'until it is set free')
  })

  await t.test('a file with many mistakes reports each, in its order, and changes nothing', async (t) => {
    t.same(
      await refused(
        `${top(5)}www A 192.0.2.300
www CH A 192.0.2.1
alias CNAME www
alias TXT "x"
other.zone. A 192.0.2.1
foo BOGUS x
$INCLUDE other.zone
t TXT "unclosed
m MX ten mail
two CNAME a
two CNAME b
y A ( 192.0.2.1
`,
        'invalid',
      ),
      [
        'line 5, column 7: www A: address: "192.0.2.300" is not an IPv4 address',
        'line 6, column 5: www: class CH is not served; the only one is IN',
        'line 7, column 1: alias CNAME: the name also has TXT, and a CNAME stands alone (RFC 1034 section 3.6.2)',
        'line 9, column 1: other.zone. A: the owner is outside of the zone example.test.',
        'line 10, column 5: foo: type BOGUS is not known; one without a name here is written TYPE123',
        'line 11, column 1: $INCLUDE is refused here, where there is no folder to read from: `pooldns import-zone FILE` puts in what FILE includes',
        'line 12, column 7: a quote is not closed',
        'line 13, column 6: m MX: preference: "ten" is not a number from 0 to 65535',
        'line 15, column 1: two CNAME: a name has one CNAME at the most (RFC 2181 section 10.1)',
        'line 16, column 5: a parenthesis is not closed',
      ],
    )
    const many = await refused(`${top(5)}${'x CNAME\n'.repeat(1200)}`, 'invalid')
    t.equal(many.length, 1001)
    t.equal(many.at(-1), ': there are more problems; these are the first 1000')
  })

  await t.test('what may not stand together', async (t) => {
    t.same(
      await refused(
        `${top(5)}d DNAME x.\nd DNAME y.\nsub.d A 192.0.2.1\na\\.d A 192.0.2.1\ncut NS ns1\ncut DNAME x.\n`,
        'invalid',
      ),
      [
        'line 6, column 1: d DNAME: a name has one DNAME at the most (RFC 6672 section 2.4)',
        'line 7, column 1: sub.d A: d has a DNAME, below which nothing can be (RFC 6672 section 2.3)',
        'line 10, column 1: cut DNAME: the name has NS too, and a DNAME belongs to the zone below such a cut (RFC 6672 section 2.3)',
      ],
    )
    t.same((await refused(`${top(5)}@ DNAME x.\n`, 'invalid')).length, 1, 'below a DNAME of the apex')
    const big = Array.from({ length: 300 }, (_, i) => `big TXT ${i}${'x'.repeat(240)}\n`).join('')
    t.match(await refused(`${top(5)}${big}`, 'invalid'), [
      /^line 5, column 1: big TXT: \d+ octets don't fit a message/,
    ])
    const signed = await load(`${top(5)}c CNAME x.\nc NSEC d CNAME NSEC\n`)
    t.equal(signed.changed, true, 'types of DNSSEC go with a CNAME')
  })

  await t.test('services in the way', async (t) => {
    await load(top(5))
    await put(database, async (write) => {
      await putPool(write, pool('web', []), {})
      await putService(write, service('www.example.test', ['web']), {})
      await putService(write, service('deep.sub.example.test', ['web']), {})
    })
    t.same(await refused(`${top(5)}www TXT x\nwww A 192.0.2.1\nsub DNAME x.\n`, 'conflict'), [
      "line 6, column 1: www A: www.example.test is a service, which gives the addresses of its name itself, so its zone can't have A there",
      'line 7, column 1: sub DNAME: deep.sub.example.test is a service below the DNAME at sub.example.test, and nothing can be there (RFC 6672 section 2.3)',
    ])
    t.same(await refused(`${top(5)}www NS ns1\nsub NS ns1\nin.sub NS ns1\n`, 'conflict'), [
      'line 5, column 1: www NS: www.example.test is a service at or below the NS of www.example.test, and whoever asks for it is referred to those servers (RFC 1034 section 4.3.2)',
      'line 6, column 1: sub NS: deep.sub.example.test is a service at or below the NS of sub.example.test, and whoever asks for it is referred to those servers (RFC 1034 section 4.3.2)',
    ])
    t.same(
      (await refused(`${top(5)}www CNAME x\nbad\n`, 'invalid')).map((line) => line.slice(0, 6)),
      ['line 5', 'line 6'],
      'beside other mistakes',
    )
    const below = top(5).replaceAll('example', 'sub.example')
    const taken = importZone(database, {
      apex: 'sub.example.test',
      source: [`${below}deep A 192.0.2.1\n`],
      by: { actor: 'ann', source: 'api', message: null },
      condition: {},
      dryRun: false,
    })
    await t.rejects(
      taken,
      { code: 'conflict', problems: [{ path: 'line 5, column 1' }] },
      'also in a new zone',
    )
    await put(database, (write) => putZone(write, zone('sub.example.test'), {}))
    t.equal((await load(`${top(5)}deep.sub A 192.0.2.1\n`)).changed, true, 'that zone has it now')
    await put(database, async (write) => {
      await write.tx.execute(sql`delete from services`)
      await deleteZone(write, 'sub.example.test', {})
    })
  })

  await t.test('what is odd is imported, and warned of by its place', async (t) => {
    const { warnings } = await load(`$TTL 300
@ SOA ns1 hostmaster 5 1h 10m 14d 60
@ MX 10 alias
@ MX 20 mail.wild
@ MX 0 .
@ MX 30 mx.other.
alias CNAME www
www A 192.0.2.1
www A 192.0.2.1
www 60 A 192.0.2.2
*.wild A 192.0.2.3
cut NS ns.cut
cut NS ns.sibling
cut NS nowhere
sibling NS ns.sibling
ns.sibling AAAA 2001:db8::1
_sip._tcp SRV 0 5 5060 gone
_sip._tcp SRV 0 5 5060 in.cut
cut DS 1 13 2 AABB
cut DS 2 13 200 AABB
www TLSA 3 1 0 AABB
www SSHFP 4 2 AABB
nat AAAA 64:ff9b::e000:1
six AAAA 2002:e000:1::1
hint HTTPS 1 . ipv4hint=0.0.0.0
name CNAME m\\195\\188ller.other.
cut TXT hidden
zero A 0.0.0.0
x.example.test A 192.0.2.1
`)
    t.same(
      warnings
        .filter(({ type }) => type !== 'SOA')
        .map(({ line, column, owner, type, message }) => `${line}:${column} ${owner} ${type}: ${message}`),
      [
        '1:1 @ NS: the zone has no NS at its apex',
        '3:1 @ MX: the mail server alias is a CNAME, and must not be one (RFC 2181 section 10.3)',
        '9:1 www A: the same RR stands there already, in line 8',
        '10:1 www A: TTL 60 is not taken: an RRset has one TTL, and that of its first RR is 300 (RFC 2181 section 5.2)',
        '12:1 cut NS: the name server ns.cut lies in what is delegated, and its glue is missing: there is no A or AAAA',
        '14:1 cut NS: the name server nowhere has no address in this zone',
        '17:1 _sip._tcp SRV: the target gone has no address in this zone',
        '19:1 cut DS: 2 octets of digest, where its kind 2 has 32',
        '22:1 www SSHFP: 2 octets of digest, where its kind 2 has 32',
        '23:1 nat AAAA: 64:ff9b::e000:1 is the form of IPv6 of an IPv4 address that no server has (RFC 6052, RFC 3056)',
        '24:1 six AAAA: 2002:e000:1::1 is the form of IPv6 of an IPv4 address that no server has (RFC 6052, RFC 3056)',
        '25:1 hint HTTPS: ipv4hint: 0.0.0.0 is unspecified, which is no address of a server',
        '26:1 name CNAME: m\\195\\188ller.other. has octets outside of ASCII, and names of hosts are asked for as xn--... (RFC 5891)',
        '27:1 cut TXT: the name is a zone cut (it has NS), and data of the other side is never answered from here',
        '28:1 zero A: 0.0.0.0 is unspecified, which is no address of a server',
        '29:1 x.example.test A: x.example.test.example.test. has the name of the zone twice: its final dot may be missing',
      ],
    )
    t.match(await database.read((tx) => getRrset(tx, apex, 'www', 'A')), {
      value: { ttlSeconds: null, data: ['192.0.2.1', '192.0.2.2'] },
    })
  })

  await t.test('a serial that is not the one of the file is told, once the zone changed', async (t) => {
    const serials = async (serial: number, rest: string) =>
      (await load(`${top(serial)}${rest}`)).warnings
        .filter(({ type }) => type === 'SOA')
        .map(({ line, column, message }) => `${line}:${column} ${message.slice(0, 40)}`)
    const next = (await serial()) + 100
    t.same(await serials(next, 's TXT 1\n'), [], 'it is ahead')
    t.same(await serials(17, 's TXT 2\n'), [
      `2:1 ${`the serial is ${next + 1}, not 17: it is the`.slice(0, 40)}`,
    ])
    t.same(await serials(17, 's TXT 2\n'), [], 'nothing changed')
    const again = `${top(17)}s TXT 3\n${top(17).split('\n')[1]}\n`
    t.match((await load(again)).warnings.at(-1), { line: 6, type: 'SOA', message: /stands there again/ })
  })

  await t.test('an RR is one however its names are spelled', async (t) => {
    const { warnings, rrsets } = await load(`${top(5)}x MX 10 mail.example.net.
x MX 20 mail.example.net.
x MX 10 MAIL.example.net.
x 60 MX \\# 20 000A 044D61696C 076578616D706C65 036E657400
one CNAME WWW.example.net.
one CNAME www.Example.net.
t TXT "mail"
t TXT "MAIL"
`)
    t.equal(rrsets, 5)
    t.same(
      warnings
        .filter(({ type }) => type === 'MX' || type === 'CNAME')
        .map(({ line, type, message }) => `${line} ${type}: ${message}`),
      [
        '7 MX: the same RR stands there already, in line 5',
        '8 MX: the same RR stands there already, in line 5',
        '8 MX: TTL 60 is not taken: an RRset has one TTL, and that of its first RR is 300 (RFC 2181 section 5.2)',
        '10 CNAME: the same RR stands there already, in line 9',
      ],
    )
    const at = async (owner: string, type: string) =>
      (await database.read((tx) => getRrset(tx, apex, owner, type)))?.value.data
    t.same(await at('x', 'MX'), ['10 mail.example.net.', '20 mail.example.net.'])
    t.same(await at('one', 'CNAME'), ['WWW.example.net.'], 'as it is written first')
    t.same(await at('t', 'TXT'), ['"mail"', '"MAIL"'])
    t.same(await refused(`${top(5)}one CNAME a\none CNAME A\none CNAME b\n`, 'invalid'), [
      'line 7, column 1: one CNAME: a name has one CNAME at the most (RFC 2181 section 10.1)',
    ])
  })

  await t.test('export is canonical', async (t) => {
    const text = `$ORIGIN example.test.
$TTL 300
@\t300\tIN\tSOA\tns1.example.test. hostmaster.example.test. 3900000000 3600 600 1209600 60
@\t300\tIN\tMX\t10 mail.example.test.
@\t300\tIN\tNS\tns1.example.test.
@\t300\tIN\tNS\tns2.example.test.
a\t300\tIN\tA\t192.0.2.9
a\t300\tIN\tA\t192.0.2.10
yljkjljk.a\t300\tIN\tTXT\t"x"
z.a\t60\tIN\tTXT\t"x"
zabc.a\t300\tIN\tTXT\t"x"
z\t300\tIN\tTXT\t"x"
\\000.z\t300\tIN\tTXT\t"x"
\\001.z\t300\tIN\tTXT\t"x"
\\001\\001.z\t300\tIN\tTXT\t"x"
\\002.z\t300\tIN\tTXT\t"x"
*.z\t300\tIN\tTXT\t"x"
\\..z\t300\tIN\tTXT\t"x"
\\@.z\t300\tIN\tTXT\t"x"
\\\\.z\t300\tIN\tTXT\t"x"
\\127.z\t300\tIN\tTXT\t"x"
\\200.z\t300\tIN\tTXT\t"x"
`
    const [origin, ttl, ...rest] = text.trimEnd().split('\n')
    const loaded = await load([origin, ttl, ...rest.toReversed()].join('\n'))
    const dumped = await dump()
    t.equal(dumped.text, text)
    t.equal(dumped.revision, loaded.zoneRevision)
    t.equal((await load(dumped.text)).changed, false)
    t.equal((await dump()).text, text, 'and stable')
    await t.rejects(dump('other.test'), { code: 'not-found' })
  })

  await t.test('any zone comes back from its export', async (t) => {
    await fc.assert(
      fc.asyncProperty(rrsetsArbitrary, async (found) => {
        await put(database, (write) => putZone(write, zone(apex, ...found), {}))
        const before = await rrsets()
        const { text } = await dump()
        if ((await load(text)).changed) return false
        await put(database, (write) => deleteZone(write, apex, {}))
        await load(text)
        const after = await rrsets()
        const plain = (all: readonly Rrset[]) =>
          all.map((one) => ({ ...one, ttlSeconds: one.ttlSeconds ?? 300, data: one.data.toSorted() }))
        t.same(plain(after), plain(before))
        return (await dump()).text.replace(/^@.*SOA.*$/m, '') === text.replace(/^@.*SOA.*$/m, '')
      }),
      { numRuns: 25 },
    )
    await checkWithNsd(t, (await dump()).text)
  })

  await t.test('a file of 20,000 RRsets, and other writes beside it', async (t) => {
    const lines = Array.from(
      { length: 19_998 },
      (_, i) => `h${i} ${i % 2 === 0 ? 'A 192.0.2.1' : `TXT "${i}"`}\n`,
    )
    const progress: number[] = []
    let beside: Promise<unknown> | undefined
    const source = (function* () {
      yield top(5)
      for (let start = 0; start < lines.length; start += 1000) yield lines.slice(start, start + 1000).join('')
      beside = put(database, (write) => putZone(write, zone('beside.test'), {}))
    })()
    const done = await load('', { source, onProgress: (rrs) => void progress.push(rrs) })
    t.match(done, { changed: true, rrsets: 20_000 })
    t.equal(progress.at(-1), 20_000)
    t.ok(progress.length > 3)
    await beside
    const again = await load((await dump()).text)
    t.match(again, { changed: false })
    const reversed = await load(`${top(5)}${lines.toReversed().slice(1).join('')}`)
    t.match(reversed, { changed: true, rrsets: 19_999 })
    t.match((await database.read((tx) => listAudit(tx, { limit: 1 }))).items[0]?.after, {
      status: { rrsets: { changed: 1, put: [], deleted: ['h19997 TXT'] } },
    })
    const { rows } = await database.read((tx) =>
      tx.execute(
        sql`select (select count(*) from staged_rrs)::int as rrs, (select count(*) from staged_rrsets)::int as rrsets`,
      ),
    )
    t.same(rows, [{ rrs: 0, rrsets: 0 }], 'nothing is left behind')
  })
}

function assertRefused(): never {
  throw new Error('was not refused')
}

/** What a refused import leaves as it was. */
async function state(database: Database) {
  return database.read(async (tx) => ({
    revision: await currentRevision(tx),
    rrsets: (
      await tx.execute(
        sql`select zone, owner, type, ttl_seconds, data, revision from rrsets order by 1, 2, 3`,
      )
    ).rows,
    zones: (await tx.execute(sql`select * from zones order by apex`)).rows,
  }))
}

async function checkWithNsd(t: Test, text: string): Promise<void> {
  const program = findProgram('nsd-checkzone')
  if (program === null) return t.comment('no nsd-checkzone')
  const file = join(dataDir, 'exported')
  await writeFile(file, text)
  const { stdout } = await promisify(execFile)(program, [apex, file])
  t.match(stdout, /is ok/)
}
