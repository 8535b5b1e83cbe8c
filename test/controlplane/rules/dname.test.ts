import t from 'tap'
import { checkRrset, checkZone } from '../../../src/controlplane/rules/zone-data.ts'

const rrset = (owner: string, type: string, ...data: string[]) => ({ owner, type, data })
const check = (...rrsets: ReturnType<typeof rrset>[]) =>
  checkZone({ apex: 'example.test', rrsets }).map(({ index, message }) => `${index} ${message}`)

t.test('one DNAME a name', async (t) => {
  t.same(checkRrset('example.test', rrset('a', 'DNAME', 'x.')), [])
  t.same(checkRrset('example.test', rrset('a', 'DNAME', 'x.', 'y.')), [
    'a DNAME: a name has one DNAME at the most (RFC 6672 section 2.4)',
  ])
})

t.test('what may stand beside a DNAME', async (t) => {
  t.same(check(rrset('a', 'DNAME', 'x.'), rrset('a', 'A', '192.0.2.1'), rrset('a', 'MX', '1 x.')), [])
  t.same(check(rrset('@', 'DNAME', 'x.'), rrset('@', 'NS', 'x.')), [])
  t.same(check(rrset('a', 'CNAME', 'x.'), rrset('a', 'DNAME', 'x.')), [
    '0 a CNAME: the name also has DNAME, and a CNAME stands alone (RFC 1034 section 3.6.2)',
  ])
  t.same(check(rrset('a', 'NS', 'x.'), rrset('a', 'DNAME', 'x.')), [
    '1 a DNAME: the name has NS too, and a DNAME belongs to the zone below such a cut (RFC 6672 section 2.3)',
  ])
})

t.test('nothing is below a DNAME', async (t) => {
  t.same(check(rrset('a', 'DNAME', 'x.'), rrset('b.a', 'A', '192.0.2.1'), rrset('d.c.a', 'DNAME', 'x.')), [
    '1 b.a A: a has a DNAME, below which nothing can be (RFC 6672 section 2.3)',
    '2 d.c.a DNAME: a has a DNAME, below which nothing can be (RFC 6672 section 2.3)',
  ])
  t.same(check(rrset('@', 'DNAME', 'x.'), rrset('ns1', 'A', '192.0.2.1')), [
    '1 ns1 A: @ has a DNAME, below which nothing can be (RFC 6672 section 2.3)',
  ])
  t.same(
    check(rrset('a', 'DNAME', 'x.'), rrset('b\\.a', 'A', '192.0.2.1'), rrset('aa', 'A', '192.0.2.1')),
    [],
  )
})

t.test('RRSIG and NSEC go with a CNAME', async (t) => {
  const rrsig = 'CNAME 13 3 60 20300101000000 20200101000000 1 example.test. AAAA'
  t.same(check(rrset('a', 'CNAME', 'x.'), rrset('a', 'NSEC', 'b. A'), rrset('a', 'RRSIG', rrsig)), [])
  t.same(
    check(rrset('a', 'CNAME', 'x.'), rrset('a', 'KEY', '512 255 3 AAAA')),
    [],
    'nor do keys of updates stand in its way',
  )
  t.same(check(rrset('a', 'CNAME', 'x.'), rrset('a', 'NSEC', 'b. A'), rrset('a', 'TYPE65280', '\\# 0')), [
    '0 a CNAME: the name also has TYPE65280, and a CNAME stands alone (RFC 1034 section 3.6.2)',
  ])
})
