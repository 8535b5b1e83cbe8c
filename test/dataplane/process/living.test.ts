import t from 'tap'
import { readLiving, writeLiving } from '../../../src/dataplane/process/living.ts'
import { share } from '../shared.ts'

t.test('the table names those that were written last', async (t) => {
  const { fd } = share(t)
  t.same(readLiving(fd), [])
  writeLiving(fd, [1, 7])
  t.same(readLiving(fd), [1, 7])
  writeLiving(fd, new Set([9]))
  t.same(readLiving(fd), [9])
  const many = Array.from({ length: 64 }, (_, index) => index + 1)
  writeLiving(fd, many)
  t.same(readLiving(fd), many)
  t.throws(() => writeLiving(fd, [...many, 65]), { message: '65 data planes at once' })
})
