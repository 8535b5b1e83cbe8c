import t from 'tap'
import { BatchClock } from '../../../src/dataplane/answer/batch-clock.ts'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { Cookies } from '../../../src/dataplane/answer/cookies.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

/** RFC 9018 appendix A: client, its cookie, time of the server, secret, the server's cookie. */
const vectors = [
  [
    '198.51.100.100',
    '2464c4abcf10c957',
    1559731985,
    'e5e973e5a6b2a43f48e7dc849e37bfcf',
    '010000005cf79f111f8130c3eee29480',
  ],
  [
    '198.51.100.100',
    '2464c4abcf10c957',
    1559734385,
    'e5e973e5a6b2a43f48e7dc849e37bfcf',
    '010000005cf7a871d4a564a1442aca77',
  ],
  [
    '203.0.113.203',
    'fc93fc62807ddb86',
    1559734700,
    'e5e973e5a6b2a43f48e7dc849e37bfcf',
    '010000005cf7a9acf73a7810aca2381e',
  ],
  [
    '2001:db8:220:1:59de:d0f4:8769:82b8',
    '22681ab97d52c298',
    1559741817,
    'dd3bdf9344b678b185a6f5cb60fca715',
    '010000005cf7c57926556bd0934c72f8',
  ],
] as const

function setUp(address: string, secrets: readonly string[], seconds: number) {
  const client = new Client()
  client.set(address, address.includes(':'))
  const clock = new BatchClock()
  const at = (seconds: number) => {
    clock.nowMs = 1000 * seconds
  }
  at(seconds)
  const cookies = new Cookies(clock)
  cookies.keys = secrets.map(hex)
  return { client, cookies, at }
}

t.test('the vectors of RFC 9018', async (t) => {
  for (const [address, clientCookie, seconds, secret, serverCookie] of vectors) {
    const { client, cookies } = setUp(address, [secret], seconds)
    const out = new Uint8Array(24)
    cookies.write(hex(clientCookie), 0, client, out)
    t.equal(Buffer.from(out).toString('hex'), clientCookie + serverCookie)
    t.ok(cookies.accepts(out, 0, 24, client))
  }
})

t.test('what is not accepted', async (t) => {
  const [address, clientCookie, seconds, secret] = vectors[0]
  const { client, cookies, at } = setUp(address, [secret], seconds)
  const cookie = new Uint8Array(24)
  cookies.write(hex(clientCookie), 0, client, cookie)
  const accepts = (changed: Uint8Array, length = 24, now: number = seconds) => {
    at(now)
    return cookies.accepts(changed, 0, length, client)
  }

  t.ok(accepts(cookie, 24, seconds + 3600), 'an hour old')
  t.notOk(accepts(cookie, 24, seconds + 3601), 'older')
  t.ok(accepts(cookie, 24, seconds - 300), 'five minutes ahead of our clock')
  t.notOk(accepts(cookie, 24, seconds - 301), 'further ahead')
  t.notOk(accepts(cookie, 16), 'of another length')
  for (let at = 0; at < 24; at++) {
    const changed = cookie.with(at, cookie[at]! ^ 0x10)
    t.notOk(accepts(changed), `octet ${at} changed`)
  }
  client.set('198.51.100.101', false)
  t.notOk(accepts(cookie), 'from another address')
})

t.test('a cookie of the key before is still accepted, one of an unknown key is not', async (t) => {
  const [address, clientCookie, seconds, secret] = vectors[0]
  const before = setUp(address, [secret], seconds)
  const cookie = new Uint8Array(24)
  before.cookies.write(hex(clientCookie), 0, before.client, cookie)
  const other = '00112233445566778899aabbccddeeff'
  const after = setUp(address, [other, secret], seconds)
  t.ok(after.cookies.accepts(cookie, 0, 24, after.client))
  const forgotten = setUp(address, [other], seconds)
  t.notOk(forgotten.cookies.accepts(cookie, 0, 24, forgotten.client))
})

t.test('timestamps wrap in 2106', async (t) => {
  const { client, cookies, at } = setUp('192.0.2.1', [vectors[0][3]], 2 ** 32 - 10)
  const cookie = new Uint8Array(24)
  cookies.write(hex(vectors[0][1]), 0, client, cookie)
  at(2 ** 32 + 10)
  t.ok(cookies.accepts(cookie, 0, 24, client))
})
