/** Parts of pages that are made from the code: each stands between two marks, which name what makes it. */

export interface Part {
  /** Path of the page from the root of the repository. */
  readonly page: string
  /** What stands in the marks. */
  readonly name: string
  /** Markdown, with its last line end. @param now what stands between the marks */
  make(now: string): Promise<string> | string
}

const by = 'written by `npm run pages`'

/** The page with the part as it is now. @throws Error when the marks are not there */
export async function withPart(text: string, { page, name, make }: Part): Promise<string> {
  const begin = `<!-- ${name}: ${by} -->\n`
  const end = `<!-- End of ${name} -->`
  const from = text.indexOf(begin) + begin.length
  const to = text.indexOf(end)
  if (from < begin.length || to < from) throw new Error(`${page} lacks the marks ${begin.trim()} and ${end}`)
  return `${text.slice(0, from)}\n${await make(text.slice(from, to))}\n${text.slice(to)}`
}

/** Rows as a table in Markdown; the first is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows.map((cells) => `| ${cells.join(' | ')} |`)
  return `${[head, `|${' --- |'.repeat(rows[0]!.length)}`, ...body].join('\n')}\n`
}

/** Text that is no Markdown, for a cell. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}
