import t from 'tap'
import { rcodeName, rcodes } from '../../../src/dataplane/wire/constants.ts'

t.test('every rcode that code speaks of has its mnemonic, any other its number', async (t) => {
  for (const [name, rcode] of Object.entries(rcodes)) t.equal(rcodeName(rcode), name.toUpperCase())
  t.equal(rcodeName(12), 'RCODE12')
})
