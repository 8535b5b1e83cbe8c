/** RDATA as it is told apart: names in lower case, wherever a type has them (RFC 4343). */
import t from 'tap'
import { foldedRdata, rdataIdentity } from '../../../src/dataplane/wire/rdata.ts'

t.test('two spellings have one identity, and what is no name keeps its case', async (t) => {
  const table: [type: string, text: string, identity: string][] = [
    ['MX', '10 Mail.Example.', '10 mail.example.'],
    ['TXT', '"Mail.Example."', '"Mail.Example."'],
    ['MX', '10 mail.example.', '10 mail.example.'],
    ['SRV', '1 2 3 A.Example.', '1 2 3 a.example.'],
    ['NAPTR', '1 2 "U" "E2U" "!a!B!" Re.Example.', '1 2 "U" "E2U" "!a!B!" re.example.'],
    ['IPSECKEY', '10 3 2 GW.Example. AQNR', '10 3 2 gw.example. AQNR'],
    ['IPSECKEY', '10 1 2 192.0.2.1 AQNR', '10 1 2 192.0.2.1 AQNR'],
    ['AMTRELAY', '10 0 3 Relay.Example.', '10 0 3 relay.example.'],
    ['AMTRELAY', '10 1 2 2001:db8::A', '10 1 2 2001:db8::a'],
  ]
  for (const [type, text, identity] of table) t.equal(rdataIdentity(type, text), identity, `${type} ${text}`)
})

t.test('octets of a type that nobody knows are told apart as they are', async (t) => {
  const octets = Uint8Array.of(1, 0x41, 0)
  t.equal(foldedRdata(65_280, octets), octets)
  t.same(foldedRdata(2, octets), Buffer.from([1, 0x61, 0]), 'an NS')
})
