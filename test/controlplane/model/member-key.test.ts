import t from 'tap'
import { formatMemberKey, parseMemberKey } from '../../../src/controlplane/model/member-key.ts'

t.test('a key is read as it was written, for names and for patterns', async (t) => {
  for (const key of [
    { pool: 'web', member: 'fra-1' },
    { pool: 'web.eu', member: 'a_b' },
    { pool: '*', member: 'fra-?' },
  ]) {
    t.same(parseMemberKey(formatMemberKey(key)), key)
  }
  t.equal(formatMemberKey({ pool: 'web', member: 'fra-1' }), 'web/fra-1')
})
