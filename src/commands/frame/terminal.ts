/** What commands write for people and for programs. Colour adds to words and never stands for one. */
import { styleText } from 'node:util'
import { printable, printableJson } from '../../terminal-text.ts'

type Style = Parameters<typeof styleText>[0]

export type Paint = (style: Style, text: string) => string

/** Colours where the stream is a terminal that has them; NO_COLOR and FORCE_COLOR are honoured. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (style, text) => styleText(style, text, { stream, validateStream: true })
}

export const plain: Paint = (_style, text) => text

/** One line of JSON, for programs. */
export function printJson(value: unknown): void {
  process.stdout.write(`${printableJson(JSON.stringify(value))}\n`)
}

/** Text with a style that is put on after columns are aligned. */
export interface Styled {
  readonly text: string
  readonly style: Style
}

export type Cell = string | Styled
export type Row = readonly Cell[] | Readonly<Record<string, Cell>>

const textOf = (cell: Cell) => (typeof cell === 'string' ? cell : cell.text)

/**
 * Rows with their columns aligned; without the columns that are empty in every row. Records have their keys as a header. What
 * cells hold may come from members, and goes to a terminal: characters that act on one are replaced.
 */
export function table(rows: readonly Row[], indent: number, paint: Paint = plain): string[] {
  const [first] = rows
  if (first === undefined) return []
  const header: Cell[][] = Array.isArray(first)
    ? []
    : [Object.keys(first).map((text) => ({ text, style: 'dim' }))]
  const cells = rows.map((row) => Object.values<Cell>(row))
  // The mark keeps its place, so that all tables stand alike.
  const kept = cells[0]!.map(
    (_, column) => (header.length > 0 && column === 0) || cells.some((row) => textOf(row[column]!) !== ''),
  )
  const all = [...header, ...cells].map((row) => row.filter((_, column) => kept[column]))
  const texts = all.map((row) => row.map((cell) => printable(textOf(cell))))
  const widths = texts[0]!.map((_, column) => Math.max(1, ...texts.map((row) => row[column]!.length)))
  return all.map((row, index) => {
    const line = row.map((cell, column) => {
      const text = texts[index]![column]!
      const gap = ' '.repeat(widths[column]! - text.length)
      return (typeof cell === 'string' || text === '' ? text : paint(cell.style, text)) + gap
    })
    return `${' '.repeat(indent)}${line.join('  ')}`.trimEnd()
  })
}
