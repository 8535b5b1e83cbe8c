import t from 'tap'
import { needsAddresses, type Pool } from '../../../src/controlplane/model/pool.ts'
import { buildPool } from '../steering/world.ts'

t.test("a host's addresses are needed to answer with it, or to probe it", async (t) => {
  const [host] = buildPool('web', 'a lost').members
  const [address] = buildPool('web', 'a up').members
  const elsewhere = { ...host!, probeAddress: '192.0.2.1' }
  const pool = (changes: Partial<Pool>) => buildPool('p', '', changes)
  t.notOk(needsAddresses(pool({}), address!))
  t.ok(needsAddresses(pool({ monitor: null }), host!), 'to answer')
  t.ok(needsAddresses(pool({ hosts: 'cname' }), host!), 'to probe')
  t.notOk(needsAddresses(pool({ hosts: 'cname', monitor: null }), host!))
  t.notOk(needsAddresses(pool({ hosts: 'cname' }), elsewhere))
  t.ok(needsAddresses(pool({}), elsewhere))
})
