import t from 'tap'
import { parseZone } from '../../../src/controlplane/document/zone.ts'
import type { Problem } from '../../../src/controlplane/errors.ts'
import { compileZone } from '../../../src/controlplane/publish/zone-images.ts'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { parseType } from '../../../src/dataplane/wire/rdata.ts'
import { compileDirectory } from '../../../src/dataplane/zone/directory.ts'
import { ServingState } from '../../../src/dataplane/zone/state.ts'
import { rdataExamples } from '../../dataplane/wire/rdata-examples.ts'
import { query } from '../../support/dns-client.ts'
import { readRrs } from '../../support/rr-reader.ts'

const apex = 'example.test'
const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }

/** Of the first RR of that owner and type in the response of a zone's image. */
function ask(image: SharedArrayBuffer, owner: string, type: number): string | undefined {
  const state = new ServingState()
  const directory = compileDirectory(new Map([[0, hostnameToWire(apex)]]))
  state.apply({ generation: 1, directory, zones: [[0, image]], plans: [] })
  const responder = new Responder(state, new Counters(allocateCounters()), { stream: true })
  const out = Buffer.alloc(65535)
  const request = query(`${owner}.${apex}`, type)
  const length = responder.respond(request, request.length, new Client(), out)
  const found = readRrs(out.subarray(0, length)).find((rr) => rr.type === type)
  return found?.rdata.toString('hex')
}

t.test('every type goes from the document to a response', async (t) => {
  const examples = rdataExamples.filter(({ type }) => type !== 'SOA')
  const rrsets = examples.map(({ type, text }, index) => ({ name: `o${index}`, type, data: [text] }))
  const problems: Problem[] = []
  const zone = parseZone(apex, { soa, rrsets }, '', problems)
  t.same(problems, [])
  if (zone === null) return
  t.equal(zone.rrsets.at(-1)?.type, 'A', 'TYPE1 is a spelling of A')
  const bad: string[] = []
  const image = await compileZone({ ...zone, serial: 1 }, [zone.rrsets], [], (message) => bad.push(message))
  t.same(bad, [])
  for (const [index, { type, text, octets }] of examples.entries()) {
    t.equal(ask(image, `o${index}`, parseType(type)), octets, `${type} ${text}`)
  }
})

t.test('a row whose type or data is none of ours is left out and told', async (t) => {
  const head = parseZone(apex, { soa }, '', [])
  if (head === null) throw new Error('no zone')
  const rrset = (type: string, data: string) => ({ owner: 'a', type, ttlSeconds: null, data: [data] })
  const rows = [
    rrset('NOPE', 'x'),
    rrset('OPT', '\\# 0'),
    rrset('HTTPS', '1 . port=x'),
    rrset('A', '192.0.2.1'),
  ]
  const bad: string[] = []
  const image = await compileZone({ ...head, serial: 1 }, [rows], [], (message) => bad.push(message))
  t.same(bad, [
    'zone example.test, owner a, type NOPE: type NOPE is not known; one without a name here is written TYPE123',
    'zone example.test, owner a, type OPT: type OPT stands for no data, so no RRset has it',
    'zone example.test, owner a, type HTTPS: HTTPS params: port: "x" is not a number from 0 to 65535',
  ])
  t.equal(ask(image, 'a', 1), 'c0000201')
})
