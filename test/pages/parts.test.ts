import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readConfig, settingFlags } from '../../src/config.ts'
import { repository } from '../support/daemon.ts'
import { page } from '../support/pages.ts'
import { chartSchemaPath, withSettings } from './chart-schema.ts'
import { variableRows } from './configuration-part.ts'
import { withPart } from './part.ts'
import { parts } from './parts.ts'
import { rulesCopies, rulesPath } from './rules-copies.ts'

for (const part of parts) {
  t.test(`${part.page} has ${part.name} as the code has it`, async (t) => {
    const text = page(part.page)
    t.equal(text, await withPart(text, part), '`npm run pages` writes it')
  })
}

t.test('a page without marks is told', async (t) => {
  await t.rejects(withPart('# pooldns\n', parts[0]!), /lacks the marks/)
})

t.test('every variable says what it is for, and its default is the one of the code', async (t) => {
  const rows = variableRows(page('docs/configuration.md'))
  const unset = readConfig([], {})
  const known = settingFlags().map(({ variable }) => variable)
  let compared = 0
  for (const { variable, otherwise, text } of rows) {
    t.not(text, '', `${variable} says what it is for`)
    const [, value] = /^`([^`$]+)`$/.exec(otherwise) ?? []
    if (value === undefined || !known.includes(variable)) continue
    const { dnsListenAsked: _, publicToolsAnywhere: __, ...set } = readConfig([], { [variable]: value })
    t.match(unset, set, `${variable} is ${value} unless it is set`)
    compared++
  }
  t.ok(compared > 10, `${compared} defaults`)
})

t.test('the chart takes the variables that there are', async (t) => {
  const schema = await readFile(join(repository, chartSchemaPath), 'utf8')
  t.equal(schema, withSettings(schema), '`npm run pages` writes it')
})

t.test('Kubernetes is told the rules that there are', async (t) => {
  for (const [path, text] of rulesCopies(await readFile(join(repository, rulesPath), 'utf8')))
    t.equal(await readFile(join(repository, path), 'utf8'), text, `${path}: \`npm run pages\` writes it`)
})
