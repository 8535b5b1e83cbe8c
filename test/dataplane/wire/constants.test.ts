import t from 'tap'
import { rcodeName, rcodeNames, rcodes } from '../../../src/dataplane/wire/constants.ts'

t.test('every rcode has a name, even one that nobody has named', async (t) => {
  for (const [name, rcode] of Object.entries(rcodes)) t.equal(rcodeName(rcode), name.toUpperCase())
  t.equal(rcodeNames.length, 11)
  t.equal(rcodeName(11), 'DSOTYPENI')
  t.equal(rcodeName(23), 'BADCOOKIE')
  t.equal(rcodeName(12), 'RCODE12')
})
