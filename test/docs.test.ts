/** What the pages in `docs/` name is there. */
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'))

for (const page of pages) {
  const text = await readFile(join(root, 'docs', page), 'utf8')

  t.test(`every file that ${page} names is there`, async (t) => {
    const paths = new Set(
      Array.from(text.matchAll(/`((?:src|test|deploy|schema)\/[^`*]*)`/g), ([, path]) => path!),
    )
    for (const path of paths) await t.resolves(access(join(root, path)), path)
  })

  t.test(`every page that ${page} links to is there`, async (t) => {
    const links = new Set(Array.from(text.matchAll(/\]\(([^):#]+)\)/g), ([, path]) => path!))
    for (const link of links) await t.resolves(access(join(root, 'docs', link)), link)
  })
}
