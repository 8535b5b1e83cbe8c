/**
 * The variables and flags of `serve`. What each takes is said by the code; its default and what it is for are written by hand in the page,
 * and kept.
 */
import { secretVariables, settingFlags } from '../../src/config.ts'
import { cell, markdownTable, type Part } from './part.ts'

export interface VariableRow {
  readonly variable: string
  /** Markdown. */
  readonly otherwise: string
  /** Markdown; empty when nobody has said yet. */
  readonly text: string
}

export const configurationPart: Part = {
  page: 'docs/configuration.md',
  name: 'Variables',
  make(now) {
    const known = new Map(variableRows(now).map((row) => [row.variable, row]))
    const rows = [...settingFlags(), ...secretVariables()].map(({ variable, accepted }) => {
      const { otherwise = '', text = '' } = known.get(variable) ?? {}
      return [`\`${variable}\``, otherwise, cell(accepted), text]
    })
    return markdownTable([['variable', 'default', 'takes', 'for'], ...rows])
  },
}

/** The rows that are there. */
export function variableRows(text: string): VariableRow[] {
  return [...text.matchAll(/^\| `([A-Z_]+)` \| (.*) \|$/gm)].map(([, variable, rest]) => {
    const cells = rest!.split(/(?<!\\) \| ?/)
    return { variable: variable!, otherwise: cells[0]!, text: cells.at(-1)!.trim() }
  })
}
