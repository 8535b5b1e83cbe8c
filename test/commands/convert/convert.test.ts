/** What `pooldns convert` makes of configurations, what it says that it could not carry over, and what it refuses. */
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { convertBind } from '../../../src/commands/convert/bind/bind.ts'
import type { Draft } from '../../../src/commands/convert/draft.ts'
import { finish } from '../../../src/commands/convert/finish.ts'
import { convertGdnsd } from '../../../src/commands/convert/gdnsd/gdnsd.ts'
import { convertPowerdns } from '../../../src/commands/convert/powerdns/powerdns.ts'
import { convertRoute53 } from '../../../src/commands/convert/route53/route53.ts'
import { parseConfiguration } from '../../../src/controlplane/document/configuration.ts'
import { mmdbFile } from '../../support/mmdb-writer.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'pooldns-convert-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
let folders = 0

/** Files in a new folder. */
async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const own = join(folder, String(++folders))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(own, name)), { recursive: true })
    await writeFile(join(own, name), text)
  }
  return own
}

interface Converted {
  readonly remarks: readonly string[]
  readonly complete: boolean
  readonly document: Readonly<Record<string, Readonly<Record<string, Record<string, unknown>>>>>
  readonly text: string
}

/** A draft as a document, which must be one. */
async function converted(work: Promise<Draft>, own = folder): Promise<Converted> {
  const { text, remarks, complete } = finish(await work, 'a test')
  const document = parse(text)
  const read = parseConfiguration(document)
  if (!read.ok) throw new Error(JSON.stringify(read.problems))
  return { text, complete, document, remarks: remarks.map((remark) => remark.replaceAll(`${own}/`, '')) }
}

const soa = '@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n'

/** Left out, by what stands before the reason. */
const leftOut = ({ remarks }: Converted) =>
  remarks.flatMap(
    (remark) => /^.*?:(\d+)(?::\d+)?: left out: (.*?)(?:: |$)/.exec(remark)?.slice(1, 3).join(' ') ?? [],
  )

t.test('each configuration has a document, and what that lacks is told and stands in it', async (t) => {
  const all = [
    converted(convertGdnsd(join(here, 'gdnsd'))),
    converted(convertPowerdns([join(here, 'powerdns/example.test.zone')], { locations: null })),
    converted(convertRoute53([join(here, 'route53/zone.json'), join(here, 'route53/checks.json')])),
    converted(convertBind(join(here, 'bind/named.conf'), { folder: null })),
  ] as const
  const [gdnsd, powerdns, route53, bind] = await Promise.all(all)
  for (const { text, complete, remarks } of [gdnsd, powerdns, route53, bind]) {
    t.equal(complete, false)
    t.match(text, /^# Made by "pooldns convert" from a test\. Not everything was carried over/)
    for (const remark of remarks) t.ok(text.includes(`${remark}\n`), remark)
  }
  t.same(leftOut(gdnsd), [
    '26 resource multifo!unused',
    '37 resource odd',
    '38 resource grouped',
    '1 service_type script',
    '13 odd.example.test DYNA weighted!odd',
    '14 grouped.example.test DYNA weighted!grouped',
    '17 reflect!',
    '17 mirror.example.test DYNA reflect',
    '24 *.any.example.test DYNA multifo!front',
  ])
  t.same(
    leftOut(powerdns).map((what) => what.split(' LUA ')[0]),
    [
      '27 near.example.test',
      '28 clock.example.test',
      '29 odd.example.test',
      '30 late.example.test',
      '32 *.wild.example.test',
    ],
  )
  t.same(leftOut(route53), [
    '45 health check by-name (HTTP)',
    '55 health check metric (CLOUDWATCH_METRIC)',
    '61 health check spare',
    '324 nets.example.test A (cidr)',
    '400 *.many.example.test',
    '425 notes.example.test TXT (weighted)',
  ])
  t.same(leftOut(bind), [
    '1 zone extra.test',
    '6 options',
    '10 zone example.test',
    '10 zone example.test',
    '12 zone copy.test',
    '13 zone .',
    '14 view inside, with zones inside.test',
  ])
})

t.test('a configuration that fits is carried over whole', async (t) => {
  const own = await folderOf({
    'zones/example.test': `${soa}www 60/60 DYNA multifo!web\n`,
    config: 'plugins => { multifo => { web => [ 192.0.2.1 ] } }',
  })
  const { complete, remarks, text, document } = await converted(convertGdnsd(own))
  t.same([complete, remarks], [true, []])
  t.match(text, /^# Made by .* Everything was carried over\.\n/)
  t.match(document.services, { 'www.example.test': { ttl: '1m', pools: ['web'] } })
  const empty = await converted(convertGdnsd(await folderOf({ 'zones/.hidden': '' })))
  t.same([empty.complete, empty.document], [true, {}])
})

t.test('what the rules of documents refuse is left out, with what hangs on it', async (t) => {
  const own = await folderOf({
    'example.test.zone': `$TTL 60\n${soa}www A 192.0.2.1\nwww LUA AAAA "pickrandom({'2001:db8::1', '2001:db8::2'})"\n`,
  })
  const files = [join(own, 'example.test.zone')]
  const { document, remarks } = await converted(convertPowerdns(files, { locations: null }), own)
  t.same(document.services, undefined)
  t.same(document.pools, undefined)
  t.match(remarks, [
    /example\.test\.zone:6:1: left out: service www\.example\.test: .*zone can't have A there/,
  ])
})

t.test('what signing makes is left out, for the zone can be signed by its key here', async (t) => {
  const key = `257 3 13 ${Buffer.alloc(64, 7).toString('base64')}`
  const digest = `1 13 2 ${'ab'.repeat(32)}`
  const signed = `@ DNSKEY ${key}\n@ CDNSKEY ${key}\n@ CDS ${digest}\nns1 NSEC @ A RRSIG NSEC\nsub NS ns1\nsub DS ${digest}\n`
  const signature = 'ns1 RRSIG A 13 3 60 20300101000000 20290101000000 1 example.test. qqqq\n'
  const own = await folderOf({ 'example.test.zone': `$TTL 60\n${soa}${signed}${signature}` })
  const files = [join(own, 'example.test.zone')]
  const { document, remarks } = await converted(convertPowerdns(files, { locations: null }), own)
  const rrsets = document.zones!['example.test']!.rrsets as { type: string }[]
  t.same(rrsets.map(({ type }) => type).sort(), ['A', 'DS', 'NS', 'NS'])
  t.equal(remarks.length, 1)
  t.match(
    remarks[0],
    /^example\.test\.zone:5:\d+: left out: 5 RRs of types RRSIG, .* of zone example\.test: .*"pooldns dnssec import-key"/,
  )
})

t.test('what is no sentence is refused, with file, line and column', async (t) => {
  const zone = { 'zones/example.test': soa }
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'an open hash',
      async () => convertGdnsd(await folderOf({ ...zone, config: 'plugins => {\n  multifo => {' })),
      /config:2:14: a hash is not closed/,
    ],
    [
      'no arrow',
      async () => convertGdnsd(await folderOf({ ...zone, config: 'plugins multifo' })),
      /config:1:9: "=>" is missing/,
    ],
    [
      'twice',
      async () => convertGdnsd(await folderOf({ ...zone, config: 'plugins => {}\nplugins => {}' })),
      /config:2:1: the key "plugins" is there twice/,
    ],
    [
      'something else',
      async () => convertGdnsd(await folderOf({ ...zone, config: 'server => {}' })),
      /config:1:1: server is none of options/,
    ],
    [
      'a broken zone',
      async () =>
        convertGdnsd(await folderOf({ 'zones/example.test': `${soa}www 60 DYNA a!b\nbad A 192.0.2.300\n` })),
      /zones\/example\.test:5:7: /,
    ],
    [
      'no zones',
      async () => convertGdnsd(await folderOf({ config: '' })),
      /DIR is the folder that has "config" and "zones"/,
    ],
    [
      'a name that is none',
      async () => convertGdnsd(await folderOf({ 'zones/a..b': soa })),
      /zones\/a\.\.b is not named for a zone/,
    ],
    [
      'a circle of resources',
      async () =>
        convertGdnsd(
          await folderOf({
            'zones/example.test': `${soa}www DYNA metafo!a\n`,
            config:
              'plugins => { metafo => { resources => { a => { datacenters => [ x ], dcmap => { x => %metafo!a } } } } }',
          }),
        ),
      /config:1:\d+: metafo!a\/?x? leads back to itself/,
    ],
    [
      'no SOA',
      async () =>
        convertPowerdns(
          [join(await folderOf({ 'example.test': '$TTL 60\nwww A 192.0.2.1\n' }), 'example.test')],
          { locations: null },
        ),
      /example\.test:2:1: @ SOA: the file has none/,
    ],
    [
      'no JSON',
      async () =>
        convertRoute53([join(await folderOf({ 'a.json': '{\n  "ResourceRecordSets": [\n}' }), 'a.json')]),
      /a\.json:3:1: /,
    ],
    [
      'other JSON',
      async () => convertRoute53([join(await folderOf({ 'a.json': '{"Items": []}' }), 'a.json')]),
      /a\.json:1:1: there is neither a list ResourceRecordSets/,
    ],
    [
      'a set without data',
      async () =>
        convertRoute53([
          join(
            await folderOf({ 'a.json': '{"ResourceRecordSets": [\n{"Name": "a.test.", "Type": "A"}]}' }),
            'a.json',
          ),
        ]),
      /a\.json:2:1: a\.test A has either ResourceRecords/,
    ],
    [
      'a part of a list',
      async () =>
        convertRoute53([
          join(await folderOf({ 'a.json': '{"IsTruncated": true, "ResourceRecordSets": []}' }), 'a.json'),
        ]),
      /the list goes on/,
    ],
    [
      'an open block',
      async () =>
        convertBind(join(await folderOf({ 'named.conf': 'options {\n  directory "x";' }), 'named.conf'), {
          folder: null,
        }),
      /named\.conf:1:9: a block is not closed/,
    ],
    [
      'no semicolon',
      async () =>
        convertBind(join(await folderOf({ 'named.conf': 'options { recursion no }\n;' }), 'named.conf'), {
          folder: null,
        }),
      /named\.conf:1:24: ";" is missing/,
    ],
    [
      'an open comment',
      async () =>
        convertBind(join(await folderOf({ 'named.conf': '\n /* for ever' }), 'named.conf'), { folder: null }),
      /named\.conf:2:2: a comment is not closed/,
    ],
    [
      'no zone file',
      async () =>
        convertBind(
          join(await folderOf({ 'named.conf': 'zone "a.test" { type primary; file "a"; };' }), 'named.conf'),
          { folder: null },
        ),
      /named\.conf:1:1: zone a\.test: .*ENOENT/,
    ],
    [
      'no file at all',
      async () => convertBind(join(folder, 'none.conf'), { folder: null }),
      /none\.conf: ENOENT/,
    ],
  ]
  for (const [what, work, message] of cases) await t.rejects(work(), { message }, what)
})

t.test('files lie inside of their folder, and in no circle', async (t) => {
  const outside = await folderOf({ secret: 'www A 192.0.2.1\n', 'secret.conf': 'options { };' })
  const up = join(outside, 'secret')
  const zone = (line: string) => ({ 'zones/example.test': `${soa}${line}\n` })
  const bindOf = async (files: Record<string, string>) =>
    convertBind(join(await folderOf(files), 'named.conf'), { folder: null })
  const linked = await folderOf({ 'named.conf': 'zone "a.test" { type primary; file "link"; };' })
  await symlink(up, join(linked, 'link'))
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      '$INCLUDE',
      async () => convertGdnsd(await folderOf(zone(`$INCLUDE ${up}`))),
      /zones\/example\.test:4:1: \$INCLUDE: .*outside/,
    ],
    [
      'a circle of zone files',
      async () => convertGdnsd(await folderOf({ ...zone('$INCLUDE sub/a'), 'zones/sub/a': '$INCLUDE a\n' })),
      /zones\/sub\/a:1:1: .*includes itself/,
    ],
    [
      '$include',
      async () => convertGdnsd(await folderOf({ ...zone(''), config: `$include{${up}}` })),
      /config:1:1: .*outside/,
    ],
    [
      'a circle',
      async () =>
        convertGdnsd(await folderOf({ ...zone(''), config: '$include{other}', other: '\n$include{config}' })),
      /other:2:1: config includes itself/,
    ],
    [
      'a pattern',
      async () => convertGdnsd(await folderOf({ ...zone(''), config: '$include{*.cfg}' })),
      /config:1:1: .*is a pattern/,
    ],
    [
      'nets',
      async () =>
        convertGdnsd(
          await folderOf({
            ...zone(''),
            config: 'plugins => { geoip => { maps => { m => { nets => ../config } } } }',
          }),
        ),
      /config:1:50: .*outside/,
    ],
    [
      'include',
      async () => bindOf({ 'named.conf': `include "${outside}/secret.conf";` }),
      /named\.conf:1:1: .*outside.*--folder/,
    ],
    [
      'a circle of includes',
      async () => bindOf({ 'named.conf': 'include "a";', a: 'include "named.conf";' }),
      /a:1:1: named\.conf includes itself/,
    ],
    [
      'a zone file',
      async () => bindOf({ 'named.conf': `zone "a.test" { type primary; file "${up}"; };` }),
      /named\.conf:1:1: zone a\.test: .*outside/,
    ],
    ['a link', async () => convertBind(join(linked, 'named.conf'), { folder: null }), /outside/],
  ]
  for (const [what, work, message] of cases) await t.rejects(work(), { message }, what)
})

t.test('what is hostile is bounded', async (t) => {
  const own = await folderOf({ 'huge.json': '', 'named.conf': `${'a {'.repeat(100)}` })
  await truncate(join(own, 'huge.json'), 65 * 1024 * 1024)
  await t.rejects(convertRoute53([join(own, 'huge.json')]), { message: /more than 67108864 octets/ })
  await t.rejects(convertBind(join(own, 'named.conf'), { folder: null }), { message: /nested deeper/ })
  await t.rejects(convertRoute53(['/dev/zero']), { message: /is no regular file/ })
  const deep = await folderOf({ 'zones/example.test': soa, config: `a => ${'['.repeat(200)}` })
  await t.rejects(convertGdnsd(deep), { message: /nested deeper/ })
  const many = await folderOf({ 'example.test': `$TTL 60\n${soa}$GENERATE 1-300000 a$ A 192.0.2.1\n` })
  await t.rejects(convertPowerdns([join(many, 'example.test')], { locations: null }), {
    message: /more than 200000 RRs/,
  })
  const lua = await folderOf({ 'example.test': `$TTL 60\n${soa}www LUA A "${'pickrandom('.repeat(200)}"\n` })
  const told = await converted(convertPowerdns([join(lua, 'example.test')], { locations: null }), lua)
  t.match(told.remarks, [/example\.test:5:1: left out: www\.example\.test LUA A .*nested deeper/])
  const control = await folderOf({ 'example.test': `$TTL 60\n${soa}www LUA A "\u001b[2J()"\n` })
  const shown = await converted(
    convertPowerdns([join(control, 'example.test')], { locations: null }),
    control,
  )
  t.notOk(shown.text.includes('\u001b'), 'a terminal obeys nothing')
})

t.test('PowerDNS: nearest by location data, conditions, and what pdnsutil prints', async (t) => {
  const record = async (lines: string, locations: string | null = null) => {
    const own = await folderOf({ 'example.test': `$TTL 60\n${soa}${lines}` })
    return converted(convertPowerdns([join(own, 'example.test')], { locations }), own)
  }
  const at = (latitude: number, longitude: number) => ({ location: { latitude, longitude } })
  const database = join(await folderOf({}), '..', 'places.mmdb')
  await writeFile(
    database,
    mmdbFile([
      ['192.0.2.0/24', at(50, 8)],
      ['198.51.100.0/24', at(40, -74)],
    ]),
  )
  const near = await record(
    `near LUA A "pickclosest({'192.0.2.1', '198.51.100.1', '192.0.2.2'})"\n`,
    database,
  )
  t.same(near.document.services!['near.example.test'], {
    ttl: '1m',
    steer: 'nearest',
    pools: [
      { pool: 'near.example.test', location: { latitude: 50, longitude: 8 } },
      { pool: 'near.example.test-2', location: { latitude: 40, longitude: -74 } },
    ],
    whenAllDown: 'serve-all',
  })
  t.equal(Object.keys(near.document.pools!['near.example.test']!.members as object).length, 2)
  const unknown = await record(`near LUA A "pickclosest({'192.0.2.1', '203.0.113.1'})"\n`, database)
  t.match(unknown.remarks, [/do not know where 203\.0\.113\.1 is/])

  const others = "elseif country('DE') then return '192.0.2.2' else return '192.0.2.3' end"
  const refused: [string, RegExp][] = [
    ["country('DE') then return '192.0.2.1' end", /no condition holds for/],
    [`continent('EU') then return '192.0.2.1' ${others}`, /continent EU stands before country DE/],
    [
      "netmask({'10.0.0.0/8'}) then return '192.0.2.1' elseif netmask({'10.1.0.0/16'}) then return '192.0.2.2' else return '192.0.2.3' end",
      /more exact/,
    ],
    [`region('CA') then return '192.0.2.1' ${others}`, /of which country/],
    [`weekday('Monday') then return '192.0.2.1' ${others}`, /condition weekday is not known/],
  ]
  for (const [code, why] of refused) t.match((await record(`a LUA A ";if ${code}"\n`)).remarks, [why], code)
  const placed = await record(
    `a LUA A ";if netmask({'10.1.0.0/16', '10.1.2.3'}) then return '192.0.2.1' elseif netmask({'10.0.0.0/8'}) or asnum('64500') then return '192.0.2.2' else return '192.0.2.3' end"\n`,
  )
  t.match(placed.document.services!['a.example.test'], {
    steer: 'geo',
    geo: {
      cidr: {
        '10.1.0.0/16': ['a.example.test-1'],
        '10.1.2.3/32': ['a.example.test-1'],
        '10.0.0.0/8': ['a.example.test-2'],
      },
      asn: { 64500: ['a.example.test-2'] },
    },
  })

  const listed = await folderOf({
    listed: `$ORIGIN .\nexample.test\t60\tIN\tSOA\tns1.example.test hostmaster.example.test 1 3600 600 1209600 60\nexample.test\t60\tIN\tNS\tns1.example.test.\nns1.example.test\t60\tIN\tA\t192.0.2.53\nwww.example.test\t30\tIN\tLUA\tA "pickrandom({'192.0.2.1','192.0.2.2'})"\nsig.example.test\t30\tIN\tNSEC3PARAM\t1 0 0 -\n`,
  })
  const printed = await converted(convertPowerdns([join(listed, 'listed')], { locations: null }), listed)
  t.match(printed.document.services, { 'www.example.test': { ttl: '30s' } })
  t.match(printed.document.zones, { 'example.test': { soa: { mname: 'ns1.example.test.' } } })
  t.match(printed.remarks, [/listed:6:1: left out: 1 RRs of types .*take the DS out/])
})

t.test('Route 53: policies that are made of several, and checks of checks', async (t) => {
  const set = (name: string, type: string, more: object, values?: readonly string[]) => ({
    Name: name,
    Type: type,
    ...more,
    ...(values === undefined ? {} : { TTL: 60, ResourceRecords: values.map((Value) => ({ Value })) }),
  })
  const check = (Id: string, HealthCheckConfig: object) => ({ Id, HealthCheckConfig })
  const sets = [
    set('a.test.', 'SOA', {}, ['ns.a.test hostmaster.a.test 1 7200 900 1209600 60']),
    set('a.test.', 'NS', {}, ['ns.a.test']),
    set('ns.a.test.', 'A', {}, ['192.0.2.53']),
    set('w.a.test.', 'A', { SetIdentifier: 'x', Weight: 1, HealthCheckId: 'tcp' }, [
      '192.0.2.1',
      '192.0.2.2',
    ]),
    set('w.a.test.', 'A', {
      SetIdentifier: 'y',
      Weight: 0,
      AliasTarget: { DNSName: 'm.a.test.', HostedZoneId: 'Z' },
    }),
    set('m.a.test.', 'A', { SetIdentifier: 'one', MultiValueAnswer: true, HealthCheckId: 'both' }, [
      '192.0.2.3',
    ]),
    set('not.a.test.', 'A', { SetIdentifier: 'one', Failover: 'PRIMARY', HealthCheckId: 'not' }, [
      '192.0.2.4',
    ]),
    set('not.a.test.', 'A', { SetIdentifier: 'two', Failover: 'SECONDARY', HealthCheckId: 'off' }, [
      '192.0.2.5',
    ]),
    set('circle.a.test.', 'A', { AliasTarget: { DNSName: 'circle.a.test.', HostedZoneId: 'Z' } }),
    set('gone.a.test.', 'A', { AliasTarget: { DNSName: 'nowhere.a.test.', HostedZoneId: 'Z' } }),
    set('mx.a.test.', 'MX', {}, ['10 mail.a.test']),
    set('mixed.a.test.', 'A', { SetIdentifier: 'one', MultiValueAnswer: true, HealthCheckId: 'tcp' }, [
      '192.0.2.6',
    ]),
    set('mixed.a.test.', 'A', { SetIdentifier: 'two', MultiValueAnswer: true }, ['192.0.2.7']),
    set('both.a.test.', 'A', { SetIdentifier: 'one', Weight: 1, GeoProximity: {} }, ['192.0.2.8']),
  ]
  const checks = [
    check('tcp', { Type: 'TCP', IPAddress: '192.0.2.1', Port: 25 }),
    check('page', { Type: 'HTTPS_STR_MATCH', IPAddress: '192.0.2.1', Port: 25, SearchString: 'fine' }),
    check('both', { Type: 'CALCULATED', ChildHealthChecks: ['tcp', 'page'], HealthThreshold: 1 }),
    check('not', { Type: 'TCP', IPAddress: '192.0.2.1', Port: 25, Inverted: true }),
    check('off', { Type: 'TCP', IPAddress: '192.0.2.1', Port: 25, Disabled: true }),
  ]
  const own = await folderOf({
    'all.json': JSON.stringify({ ResourceRecordSets: sets, HealthChecks: checks }, null, 1),
  })
  const told = await converted(convertRoute53([join(own, 'all.json')]), own)
  const { services, pools, monitors, zones } = told.document
  t.match(services!['w.a.test'], {
    steer: 'weighted',
    pools: [
      { pool: 'w.a.test-a-x', weight: 1 },
      { service: 'm.a.test', weight: 0 },
    ],
  })
  t.match(pools!['w.a.test-a-x'], { members: { m1: { address: '192.0.2.1', probe: { port: 25 } } } })
  t.match(monitors, {
    'check-tcp': { type: 'tcp', interval: '30s', rise: 3, fall: 3 },
    'check-page': { type: 'https', expect: { body: 'fine' } },
    'calculated-both': { type: 'composite', monitors: ['check-tcp', 'check-page'], require: 1 },
    'not-check-tcp': { type: 'composite', invert: true },
    'always-up': { type: 'static' },
  })
  t.match(zones!['a.test'], { soa: { mname: 'ns.a.test.' } })
  const data = (zones!['a.test']!.rrsets as { name: string; data: string[] }[]).find(
    ({ name }) => name === 'mx',
  )!.data
  t.same(data, ['10 mail.a.test.'], 'Route 53 takes names for absolute')
  t.same(Object.keys(services!).sort(), ['both.a.test', 'm.a.test', 'not.a.test', 'w.a.test'])
  for (const why of [
    /circle\.a\.test/,
    /gone\.a\.test A \(simple\): its alias leads nowhere/,
    /mixed\.a\.test A \(multivalue\): its sets are watched in several ways/,
    /both\.a\.test A: GeoProximity: it is not known here/,
  ])
    t.ok(
      told.remarks.some((remark) => /left out/.test(remark) && why.test(remark)),
      String(why),
    )
})

t.test('gdnsd: files of networks, coordinates, texts that are too long for DNS', async (t) => {
  const own = await folderOf({
    'zones/example.test': `${soa}near 60 DYNA geoip!near\nnets 60 DYNA geoip!nets\nlong TXT "${'x'.repeat(300)}"\nmany 10 DYNA multifo!many\n`,
    'geoip/office': '10.0.0.0/8 => us\n2001:db8::/32 => [ eu, us ]\n',
    config: `plugins => {
  multifo => { many => { addrs_v4 => [ 192.0.2.1 ], addrs_v6 => [ 2001:db8::1 ] } }
  geoip => {
    maps => {
      auto => { datacenters => [ eu, us ], auto_dc_coords => { eu => [ 50, 8 ], us => [ 40, -74 ] } }
      office => { datacenters => [ eu, us ], nets => office }
    }
    resources => {
      near => { map => auto, dcmap => { eu => 192.0.2.1, us => 192.0.2.2 } }
      nets => { map => office, dcmap => { eu => 192.0.2.1, us => !many } }
    }
  }
}`,
  })
  const { document, complete, remarks } = await converted(convertGdnsd(own), own)
  t.equal(complete, true, remarks.join('\n'))
  t.match(document.services, {
    'near.example.test': {
      steer: 'nearest',
      pools: [{ pool: 'near-eu', location: { latitude: 50, longitude: 8 } }, { pool: 'near-us' }],
    },
    'nets.example.test': {
      geo: {
        cidr: { '10.0.0.0/8': ['many'], '2001:db8::/32': ['nets-eu', 'many'] },
        default: ['nets-eu', 'many'],
      },
    },
  })
  t.match(document.pools!.many, {
    members: { 'v4-1': { address: '192.0.2.1' }, 'v6-1': { address: '2001:db8::1' } },
  })
  const rrsets = document.zones!['example.test']!.rrsets as { name: string; data: string[] }[]
  t.same(rrsets.find(({ name }) => name === 'long')!.data, [`"${'x'.repeat(255)}" "${'x'.repeat(45)}"`])
})
