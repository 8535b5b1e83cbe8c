/** `npm run pages`: writes what pages have from the code, and what the OpenAPI document has from a server. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chartSchemaPath, withSettings } from './chart-schema.ts'
import { recordReplies, path as repliesPath } from './openapi-replies.ts'
import { withPart } from './part.ts'
import { parts } from './parts.ts'
import { rulesCopies, rulesPath } from './rules-copies.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

for (const part of parts) {
  const text = await readFile(join(root, part.page), 'utf8')
  await write(part.page, await withPart(text, part))
}

await write(chartSchemaPath, withSettings(await readFile(join(root, chartSchemaPath), 'utf8')))
for (const [path, text] of rulesCopies(await readFile(join(root, rulesPath), 'utf8'))) await write(path, text)

if (await recordReplies()) process.stdout.write(`${repliesPath}\n`)

/** Tells of what it changes. */
async function write(path: string, text: string): Promise<void> {
  const now = await readFile(join(root, path), 'utf8').catch(() => null)
  if (now === text) return
  await writeFile(join(root, path), text)
  process.stdout.write(`${path}\n`)
}
