/** Messages to `respond`, over both kinds of transport, held against what dns-packet makes of them. */
import { type DecodedPacket, decode } from 'dns-packet'
import fc from 'fast-check'
import { Served } from '../../dataplane/answer/served.ts'
import { optRecord, query, typeNumbers, u16Octets, wireName } from '../../support/dns-client.ts'
import { mutatedOctets } from '../mutations.ts'
import { hexCorpus, type Target, targetOf } from '../target.ts'
import { servedPlans, servedZones } from '../world.ts'

const names = [
  'example.test',
  'www.example.test',
  'tree.example.test',
  'a.example.test',
  'q.wild.example.test',
  'x.sub.example.test',
  'big.example.test',
  'svcb.example.test',
  'd.dname.example.test',
  'nowhere.example.test',
  'www.example.org',
  'example.net',
  '.',
]
const options = fc
  .array(
    fc.tuple(
      fc.constantFrom(3, 8, 10, 11, 12, 15, 65_001),
      fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc.constantFrom(Buffer.from('000118 00cb0071'.replace(' ', ''), 'hex'), Buffer.alloc(8, 7)),
      ),
    ),
    { maxLength: 3 },
  )
  .map((all) =>
    Buffer.concat(all.flatMap(([code, data]) => [u16Octets(code, data.length), Buffer.from(data)])),
  )
const edns = fc.record({
  payload: fc.constantFrom(0, 511, 512, 1232, 4096, 65_535),
  version: fc.constantFrom(0, 0, 0, 1),
  options,
})
const built = fc
  .tuple(
    fc.constantFrom(...names),
    fc.constantFrom(...Object.values(typeNumbers)),
    fc.option(edns),
    fc.constantFrom(1, 1, 1, 3, 255),
    fc.nat(0x7ff),
  )
  .map(([name, type, opt, qclass, flags]) =>
    query(name, type, { class: qclass, flags, ...(opt === null ? {} : { edns: opt }) }),
  )

export const message = mutatedOctets(fc.oneof(built, fc.constantFrom(...hexCorpus('queries'))), [
  wireName('www.example.test'),
  Buffer.of(0xc0, 0x0c),
  Buffer.of(0xc0, 0x00),
  optRecord({ payload: 1232 }),
  Buffer.concat([Buffer.of(0), u16Octets(1, 1, 0, 60, 4), Buffer.of(192, 0, 2, 1)]),
  u16Octets(0, 1),
])

/** Null where dns-packet can make nothing of it. */
function decoded(octets: Buffer): DecodedPacket | null {
  try {
    return decode(octets)
  } catch {
    return null
  }
}

const formErr = 1
const opcodeOf = (octets: Buffer) => (octets[2]! >>> 3) & 15

export function judge(request: Buffer, response: Buffer | null, stream: boolean): string | null {
  const silent = request.length < 12 || (request[2]! & 0x80) !== 0
  if (response === null) return silent ? null : 'no response'
  if (silent) return 'a response to what must get silence'
  if (response.length > (stream ? 65_535 : 1232)) return `${response.length} octets`
  if (response.readUInt16BE(0) !== request.readUInt16BE(0)) return 'another ID'
  if (opcodeOf(response) !== opcodeOf(request)) return 'another opcode'
  let read: DecodedPacket
  try {
    read = decode(response)
  } catch (error) {
    return `dns-packet can not read the response ${response.toString('hex')}: ${error}`
  }
  if (decode.bytes !== response.length) return `${response.length - decode.bytes} octets behind the response`
  const rcode = response[3]! & 15
  const asked = decoded(request)
  return asked === null ? null : judgeRead(asked, request, read, rcode, response.length, stream)
}

/** The first name of a message has nothing before it to point at but the header, which dns-packet reads as a name. */
function isCompressed(request: Buffer): boolean {
  let at = 12
  while (request[at]! > 0 && request[at]! < 0x40) at += 1 + request[at]!
  return request[at]! >= 0x40
}

/** What dns-packet can read, too. */
function judgeRead(
  asked: DecodedPacket,
  request: Buffer,
  read: DecodedPacket,
  rcode: number,
  length: number,
  stream: boolean,
): string | null {
  const isQuery = opcodeOf(request) === 0
  const [question, ...more] = asked.questions ?? []
  const others = [asked.answers, asked.authorities, asked.additionals].flatMap((section) => section ?? [])
  if (!stream && others.length === 0 && length > 512) return `${length} octets without EDNS`
  if (!isQuery || question === undefined || more.length > 0) return null
  if (others.length === 0 && rcode === formErr && !isCompressed(request)) return 'FORMERR for a plain query'
  if (rcode === 0 || rcode === 3) {
    const [echoed, ...rest] = read.questions ?? []
    const same =
      rest.length === 0 &&
      echoed !== undefined &&
      echoed.type === question.type &&
      echoed.name === question.name
    if (!same)
      return `the question ${JSON.stringify(question)} came back as ${JSON.stringify(read.questions)}`
  }
  return null
}

export function queries(): Target {
  const servers = [false, true].map((stream) => new Served(servedZones, servedPlans, { seed: 1, stream }))
  return targetOf(5000, message, (request) => {
    for (const [index, server] of servers.entries()) {
      const before = Buffer.from(request)
      const response = server.respond(request)
      if (!before.equals(request)) return 'the request was changed'
      const problem = judge(request, response, index === 1)
      if (problem !== null) return `${index === 1 ? 'stream' : 'datagram'}: ${problem}`
    }
    return null
  })
}
