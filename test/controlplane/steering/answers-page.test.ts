import t from 'tap'
import { page } from '../../support/pages.ts'
import { withTable } from './answers-page.ts'

t.test('the table in the page is the one that steering is held against', async (t) => {
  const text = page('docs/what-is-answered.md')
  t.equal(text, withTable(text), 'see answers-page.ts for how it is written')
})

t.test('a page without marks is told', async (t) => {
  t.throws(() => withTable('# pooldns\n'), /lacks the marks/)
})
