/** The README as tests read it: its fenced blocks, in order, each with the heading that it stands under. */
import { readFileSync } from 'node:fs'

export interface Block {
  /** The nearest heading above, without its number signs. */
  readonly heading: string
  /** The word behind the opening fence. */
  readonly language: string
  /** Without the fences, with its last line end. */
  readonly text: string
  /** Number of the first line of the text, from 1. */
  readonly line: number
}

export const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

export function readmeBlocks(): Block[] {
  const blocks: Block[] = []
  let heading = ''
  let open: { language: string; line: number; lines: string[] } | undefined
  readme.split('\n').forEach((text, index) => {
    if (open !== undefined && text === '```') {
      const { language, line, lines } = open
      blocks.push({ heading, language, line, text: lines.map((each) => `${each}\n`).join('') })
      open = undefined
    } else if (open !== undefined) {
      open.lines.push(text)
    } else if (text.startsWith('```')) {
      open = { language: text.slice(3), line: index + 2, lines: [] }
    } else if (/^#+ /.test(text)) {
      heading = text.replace(/^#+ /, '')
    }
  })
  if (open !== undefined) throw new Error(`README.md: the block at line ${open.line} has no end`)
  return blocks
}

/** The README's text for a daemon on other addresses than the defaults: the DNS port and the HTTP address replaced. */
export function onPorts(text: string, dnsPort: number, http: string): string {
  return text
    .replaceAll(/\b9999\b/g, String(dnsPort))
    .replaceAll('127.0.0.1:3000', http.replace('http://', ''))
}
