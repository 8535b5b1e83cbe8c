/** The README and the pages in `docs/` as tests read them: their text, and their fenced blocks, each with where it stands. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Block {
  /** Path of the page from the root of the repository. */
  readonly page: string
  /** The nearest heading above, without its number signs. */
  readonly heading: string
  /** The word behind the opening fence. */
  readonly language: string
  /** Without the fences, with its last line end. */
  readonly text: string
  /** Number of the first line of the text, from 1. */
  readonly line: number
}

/** Text of each page, by its path: the README first, then those in `docs/` and its folders. */
export const pages: ReadonlyMap<string, string> = new Map(
  ['README.md', ...globSync('docs/**/*.md', { cwd: root }).sort()].map((path) => [
    path,
    readFileSync(join(root, path), 'utf8'),
  ]),
)

/** The text of one page. */
export function page(path: string): string {
  const text = pages.get(path)
  if (text === undefined) throw new Error(`there is no ${path}`)
  return text
}

/** The blocks of all pages, or of those that are named, in order. */
export function pageBlocks(...paths: readonly string[]): Block[] {
  const wanted = paths.length === 0 ? [...pages.keys()] : paths
  return wanted.flatMap((path) => blocksOf(path, page(path)))
}

function blocksOf(path: string, text: string): Block[] {
  const blocks: Block[] = []
  let heading = ''
  let open: { language: string; line: number; lines: string[] } | undefined
  text.split('\n').forEach((each, index) => {
    if (open !== undefined && each === '```') {
      const { language, line, lines } = open
      blocks.push({ page: path, heading, language, line, text: lines.map((one) => `${one}\n`).join('') })
      open = undefined
    } else if (open !== undefined) {
      open.lines.push(each)
    } else if (each.startsWith('```')) {
      open = { language: each.slice(3), line: index + 2, lines: [] }
    } else if (/^#+ /.test(each)) {
      heading = each.replace(/^#+ /, '')
    }
  })
  if (open !== undefined) throw new Error(`${path}: the block at line ${open.line} has no end`)
  return blocks
}

/** A page's text for a daemon on other addresses than the defaults: the DNS port and the HTTP address replaced. */
export function onPorts(text: string, dnsPort: number, http: string): string {
  return text
    .replaceAll(/\b9999\b/g, String(dnsPort))
    .replaceAll('127.0.0.1:3000', http.replace('http://', ''))
}
