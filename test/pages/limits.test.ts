/** The figures of docs/limits.md are those of the constants that it names. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { repository } from '../support/daemon.ts'
import { page } from '../support/pages.ts'

const units: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const row = /^\| (.*) \| ([\d,]+)(?: (KiB|MiB|GiB))? \| `(src\/[^`]+)` `(\w+)` \|$/gm

t.test('every figure is that of the code', async (t) => {
  const text = page('docs/limits.md')
  const rows = [...text.matchAll(row)]
  t.equal(rows.length, text.split('\n').filter((line) => line.includes('`src/')).length, 'every row is read')
  for (const [, what, digits, unit, path, name] of rows) {
    const value = Number(digits!.replaceAll(',', '')) * (units[unit ?? ''] ?? 1)
    const source = await readFile(join(repository, path!), 'utf8')
    const found = new RegExp(String.raw`\b${name}(?: =|:) ([\d_]+(?: (?:\*\*?|<<) [\d_]+)*)`).exec(source)
    t.equal(found === null ? null : evaluate(found[1]!), value, `${what}: ${name}`)
  }
})

/** A product, power or shift of whole numbers, from left to right. */
function evaluate(expression: string): number {
  const [first, ...rest] = expression.replaceAll('_', '').split(' ')
  let value = Number(first)
  for (let at = 0; at < rest.length; at += 2) {
    const next = Number(rest[at + 1])
    if (rest[at] === '*') value *= next
    else if (rest[at] === '**') value **= next
    else value *= 2 ** next
  }
  return value
}
