/** `npm run pages`: writes what pages have from the code, and what the OpenAPI document has from a server. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chartSchemaPath, withSettings } from './chart-schema.ts'
import { recordReplies, path as repliesPath } from './openapi-replies.ts'
import { withPart } from './part.ts'
import { parts } from './parts.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

for (const part of parts) {
  const path = join(root, part.page)
  const text = await readFile(path, 'utf8')
  const made = await withPart(text, part)
  if (made === text) continue
  await writeFile(path, made)
  process.stdout.write(`${part.page}: ${part.name}\n`)
}

const schema = await readFile(join(root, chartSchemaPath), 'utf8')
const madeSchema = withSettings(schema)
if (madeSchema !== schema) {
  await writeFile(join(root, chartSchemaPath), madeSchema)
  process.stdout.write(`${chartSchemaPath}\n`)
}

if (await recordReplies()) process.stdout.write(`${repliesPath}\n`)
