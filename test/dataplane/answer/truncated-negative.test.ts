import t from 'tap'
import { query, readResponse, wireName } from '../../support/dns-client.ts'
import { serveLines } from './zone-lines.ts'

const label = 'l'.repeat(63)
const target = `${label}.${label}.${label}.${'n'.repeat(27)}.other.test`
const respond = serveLines({ 'example.test.': [`*.w 60 CNAME ${target}.`], 'other.test.': [] })

t.test('the rcode of the end of the chain stays when the SOA does not fit', async (t) => {
  const name = `${label}.${label}.${label}.${'q'.repeat(43)}.w.example.test`
  // The CNAME fills the 512 octets to the last one.
  t.equal(12 + wireName(name).length + 4 + 12 + wireName(target).length, 512)
  const { rcode, flags, answer, authority } = readResponse(respond(query(name, 'A')))
  t.equal(rcode, 3)
  t.equal(flags, 'qr aa tc rd')
  t.strictSame([...answer, ...authority], [])
  const alias = readResponse(respond(query(name, 'CNAME')))
  t.equal(alias.flags, 'qr aa rd')
  t.equal(alias.answer.length, 1)
})
