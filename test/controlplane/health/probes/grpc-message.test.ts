import fc from 'fast-check'
import t from 'tap'
import {
  decodeHealthResponse,
  encodeHealthRequest,
} from '../../../../src/controlplane/health/probes/grpc-message.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

t.test('a request names its service, and leaves out the empty one', async (t) => {
  t.same(encodeHealthRequest(''), hex('00 00000000'))
  t.same(encodeHealthRequest('a.B'), hex('00 00000005 0a 03 612e42'))
  t.same(encodeHealthRequest('x'.repeat(200)).subarray(0, 8), hex('00 000000cb 0a c801'))
  t.same(encodeHealthRequest('ü'), hex('00 00000004 0a 02 c3bc'))
})

t.test('the status of a response is read by the grammar, and nothing else is', async (t) => {
  for (const [octets, status, what] of [
    ['00 00000000', 0, 'an absent field is 0'],
    ['00 00000002 0801', 1, 'SERVING'],
    ['00 00000002 0802', 2, 'NOT_SERVING'],
    ['00 00000003 08ac02', 300, 'a number of two octets'],
    ['00 00000004 0801 0802', 2, 'the last one counts'],
    ['00 00000006 1202 6162 0801', 1, 'a string that is not known is skipped'],
    ['00 00000007 15 00000000 0801', 1, '4 octets are skipped'],
    ['00 0000000b 19 0000000000000000 0801', 1, '8 octets are skipped'],
    ['00 00000005 10ff01 0801', 1, 'a varint is skipped'],
    ['', null, 'nothing'],
    ['00 000000', null, 'no whole head'],
    ['01 00000002 0801', null, 'compressed'],
    ['00 00000003 0801', null, 'shorter than it says'],
    ['00 00000001 0801', null, 'longer than it says'],
    ['00 00000001 08', null, 'a key without a value'],
    ['00 00000002 0880', null, 'a varint without an end'],
    ['00 0000000c 08 ffffffffffffffffffff01', null, 'a varint of more than ten octets'],
    ['00 00000003 1205 61', null, 'a string that leaves the message'],
    ['00 00000003 0a01 61', null, 'the status as a string'],
    ['00 00000001 0b', null, 'a wire type that is none'],
    ['00 00000002 0001', null, 'field 0'],
  ] as const) {
    t.equal(decodeHealthResponse(hex(octets)), status, what)
  }
})

t.test('any octets are a status or none', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (message) => {
      const frame = Buffer.concat([Buffer.of(0, 0, 0, 0, message.length), message])
      const status = decodeHealthResponse(frame)
      return status === null || status >= 0
    }),
  )
})
