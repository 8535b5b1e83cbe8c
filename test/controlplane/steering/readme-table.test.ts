import t from 'tap'
import { readme } from '../../support/readme.ts'
import { withTable } from './readme-table.ts'

t.test('the table in the README is the one that steering is held against', async (t) => {
  t.equal(readme, withTable(readme), 'see readme-table.ts for how it is written')
})

t.test('a README without marks is told', async (t) => {
  t.throws(() => withTable('# pooldns\n'), /lacks the marks/)
})
