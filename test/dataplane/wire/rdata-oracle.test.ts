/**
 * RDATA held against other people's code: a zone with every example is loaded into NSD and Knot, and fetched by AXFR.
 * Their octets must be ours, and what dig makes of the octets as text must parse to them again. NSD gets the examples as
 * people write them and in our canonical text; Knot, which is stricter about spaces, only the latter.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType, rrTypes } from '../../../src/dataplane/wire/rdata.ts'
import { query, TcpClient } from '../../support/dns-client.ts'
import { missingPrograms } from '../../support/program.ts'
import { knot, nsd, type ReferenceServer } from '../../support/reference-server.ts'
import { readRrs } from '../../support/rr-reader.ts'
import { rdataExamples } from './rdata-examples.ts'

const origin = parseName('example.test.')
const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')

/** Words of what the programs in Debian 12 don't read as text yet: they get the octets (RFC 3597). */
const unread = {
  nsd: new Set(['AMTRELAY', 'HIP', 'DSYNC', 'RESINFO', 'WALLET', 'ohttp']),
  knot: new Set(
    'MB MG MR X25 PX DLV WKS HIP DSYNC AMTRELAY RESINFO WALLET ohttp dohpath="/dns-query{?dns}"'.split(' '),
  ),
} as const

/** The zone's own SOA stands for the type. */
const examples = [...rdataExamples.entries()].filter(([, { type }]) => type !== 'SOA')

/** Owners of NSEC3 are hashes, which dig insists on. */
function ownerOf(index: number, type: string): string {
  return type === 'NSEC3' ? String(index).padStart(32, '0') : `o${index}`
}

function masterFile(server: keyof typeof unread, form: 'text' | 'canonical'): string {
  const lines = examples.map(([index, example]) => {
    const known = ![example.type, ...example.canonical.split(' ')].some((word) => unread[server].has(word))
    const type = known ? example.type : `TYPE${parseType(example.type)}`
    return `${ownerOf(index, example.type)} 60 IN ${type} ${known ? example[form] : `\\# ${example.octets.length / 2} ${example.octets}`}`
  })
  return [
    '$ORIGIN example.test.',
    '@ 60 IN SOA ns1 hostmaster 2026112101 1h 15m 2w 1d12h',
    '@ 60 IN NS ns1',
    'ns1 60 IN A 192.0.2.1',
    ...lines,
    '',
  ].join('\n')
}

/** The whole zone, by AXFR: its SOA comes first and last (RFC 5936 section 2.2). */
async function transfer(server: ReferenceServer): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  using client = await TcpClient.open(server)
  client.send(query('example.test', 'AXFR'))
  // Its SOA, its NS, the address of that, and the examples.
  const whole = 3 + examples.length
  while (found.size < whole) {
    const message = await client.next()
    if (message === null || (message[3]! & 15) !== 0) throw new Error(`no transfer: ${server.output}`)
    for (const { owner, type, rdata } of readRrs(message)) found.set(`${owner} ${type}`, hex(rdata))
  }
  return found
}

/** Text of RDATA by owner and type, as dig has it. */
async function digTransfer({ host, port }: ReferenceServer): Promise<Map<string, string>> {
  const options = ['+noall', '+answer', '+nosplit', '+onesoa']
  const command = [`@${host}`, '-p', String(port), 'example.test', 'AXFR', ...options]
  const { stdout } = await promisify(execFile)('dig', command)
  const lines = stdout.split('\n').flatMap((line) => /^(\S+)\s+\d+\s+IN\s+(\S+)\s*(.*)$/.exec(line) ?? [])
  const found = new Map<string, string>()
  for (let at = 0; at < lines.length; at += 4) {
    found.set(`${lines[at + 1]} ${parseType(lines[at + 2]!)}`, lines[at + 3]!)
  }
  return found
}

const keyOf = (index: number, type: string) => `${ownerOf(index, type)}.example.test. ${parseType(type)}`

t.test('every type with a grammar has an example', async (t) => {
  const types = new Set(rdataExamples.map(({ type }) => type).filter((type) => !/^TYPE\d/.test(type)))
  t.same([...types].sort(), [...rrTypes.keys()].sort())
})

const runs = [
  { name: 'nsd', start: nsd, form: 'text' },
  { name: 'nsd', start: nsd, form: 'canonical' },
  { name: 'knot', start: knot, form: 'canonical' },
] as const

for (const { name, start, form } of runs) {
  t.test(`octets as ${name} has them, ${form}`, { skip: missingPrograms(start.program) }, async (t) => {
    await using server = await serve(t, name, start, form)
    const found = await transfer(server)
    const soa = rdataExamples.find(({ type }) => type === 'SOA')
    t.equal(found.get('example.test. 6'), soa?.octets, 'SOA')
    for (const [index, { type, text, octets }] of examples) {
      t.equal(found.get(keyOf(index, type)), octets, `${type} ${text}`)
    }
  })
}

t.test('text as dig writes it', { skip: missingPrograms('nsd', 'dig') }, async (t) => {
  await using server = await serve(t, 'nsd', nsd, 'text')
  const found = await digTransfer(server)
  for (const [index, { type, canonical }] of examples) {
    const text = found.get(keyOf(index, type)) ?? 'nothing'
    t.equal(formatRdata(parseType(type), parseRdata(type, text, origin)), canonical, `${type} ${text}`)
  }
})

async function serve(
  t: Test,
  name: keyof typeof unread,
  start: typeof nsd,
  form: 'text' | 'canonical',
): Promise<ReferenceServer> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-rdata-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'zone')
  await writeFile(file, masterFile(name, form))
  return start(join(folder, name), [{ apex: 'example.test', file }])
}
