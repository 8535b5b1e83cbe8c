/** What the README and the pages in `docs/` name is there: files, other pages, and headings within them. */
import { globSync, readFileSync, statSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { describedMetrics } from './pages/metrics-part.ts'
import { pages } from './support/pages.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

t.test('every file that a page names is there', async (t) => {
  for (const [page, text] of pages) {
    const paths = new Set(
      Array.from(text.matchAll(/`((?:src|test|deploy|schema)\/[^`*]*)`/g), ([, path]) => path!),
    )
    for (const path of paths) await t.resolves(access(join(root, path)), `${page}: ${path}`)
  }
})

t.test('every file that deploy/, compose.yaml and the workflows name is there', async (t) => {
  const named = ['deploy/**/*.*', '.github/**/*.yaml', '.ci/*', 'compose.yaml', 'Containerfile']
  for (const path of globSync(named, { cwd: root })) {
    if (/\.(?:json|csv)$/.test(path) || !statSync(join(root, path)).isFile()) continue
    const paths = readFileSync(join(root, path), 'utf8').matchAll(
      /(?<![\w./-])((?:docs|deploy|test|\.github|\.ci)\/[\w./-]+\.(?:md|ts|mjs|ya?ml|sql|sh|json|service|socket))\b/g,
    )
    for (const [, name] of paths) await t.resolves(access(join(root, name!)), `${path}: ${name}`)
  }
})

t.test('every metric that a page names is exported, or recorded by the rules', async (t) => {
  const rules = readFileSync(join(root, 'deploy/prometheus/rules.yaml'), 'utf8')
  const metrics = (await describedMetrics()).map(({ name }) => name)
  const known = new Set(metrics.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]))
  // Of PostgreSQL, docker and systemd.
  for (const name of ['pooldns_owner', 'pooldns_postgres', 'pooldns_data']) known.add(name)
  for (const [page, text] of pages) {
    // Not the names of files of a release, nor the beginnings of names, such as `pooldns_feed_*`.
    for (const [name] of text.matchAll(/(?<![\w:/-])pooldns_[a-z_]*[a-z](?![\w:@]|_?\*)/g))
      t.ok(known.has(name) || rules.includes(name), `${page}: ${name}`)
  }
})

t.test('every link leads to a page that is there, and to a heading of it', async (t) => {
  for (const [page, text] of pages) {
    for (const [, link] of text.matchAll(/\]\(([^):\s]+)\)/g)) {
      const [path = '', anchor] = link!.split('#')
      const target = path === '' ? page : normalize(join(dirname(page), path))
      await t.resolves(access(join(root, target)), `${page}: ${link}`)
      if (anchor !== undefined)
        t.ok(anchorsOf(pages.get(target) ?? '').includes(anchor), `${page}: ${link} is a heading`)
    }
  }
})

t.test('every page can be found from the README', async (t) => {
  const found = new Set<string>(['README.md'])
  for (const page of found) {
    for (const [, path] of pages.get(page)!.matchAll(/\]\(([^):#\s]+\.md)/g)) {
      const target = normalize(join(dirname(page), path!))
      if (pages.has(target)) found.add(target)
    }
  }
  t.same(
    [...pages.keys()].filter((page) => !found.has(page)),
    [],
  )
})

t.test('the README is short', async (t) => {
  t.ok(pages.get('README.md')!.split('\n').length <= 201, 'at most 200 lines: details go to pages')
})

t.test('the figures that the README compares by are those that were measured', async (t) => {
  const measured = pages.get('docs/performance.md')!
  const lb = (server: string) => {
    const row = measured.split('\n').find((line) => line.startsWith(`| ${server} |`))!
    return Number.parseFloat(row.split(' | ')[3]!).toFixed(1)
  }
  const [, dearest] = /pdns [\d.]+ [\d.]+ and (\d+)/.exec(measured)!
  const row = pages
    .get('README.md')!
    .split('\n')
    .find((line) => line.startsWith('| CPU for one balanced answer'))!
  t.same(row.match(/[\d.]+(?= µs)/g), [lb('pooldns batch'), lb('gdnsd 3.8.1'), dearest])
})

/** The anchors that GitHub gives to headings: lower case, words with hyphens, punctuation gone. */
function anchorsOf(text: string): string[] {
  const withoutBlocks = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return Array.from(withoutBlocks.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-'),
  )
}
