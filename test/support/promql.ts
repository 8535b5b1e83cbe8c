/** What expressions of Prometheus select, by its own grammar. */
import { parser } from '@prometheus-io/lezer-promql'

export interface Selector {
  /** Of the metric. */
  readonly name: string
  /** The name with what its labels are to be, without a range or an offset. */
  readonly text: string
  /** Each label that it asks about, with its values: those of an alternative one by one. */
  readonly labels: ReadonlyMap<string, readonly string[]>
}

/** The selectors of an expression, in order. @throws Error where it is no expression, or selects by no name */
export function selectorsOf(expression: string): Selector[] {
  const found: Selector[] = []
  const textOf = ({ from, to }: { from: number; to: number }) => expression.slice(from, to)
  parser.parse(expression).iterate({
    enter(node) {
      if (node.type.isError)
        throw new Error(`no expression from character ${node.from + 1} on: ${expression}`)
      if (node.name !== 'VectorSelector') return
      const name = node.node.getChild('Identifier')
      if (name === null) throw new Error(`${textOf(node)}: no name of a metric`)
      const matchers = node.node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []
      const labels = matchers.map((matcher): [string, string[]] => {
        const value = textOf(matcher.getChild('StringLiteral')!).slice(1, -1)
        return [textOf(matcher.getChild('LabelName')!), value.split('|')]
      })
      found.push({ name: textOf(name), text: textOf(node), labels: new Map(labels) })
    },
  })
  if (found.length === 0) throw new Error(`nothing is selected: ${expression}`)
  return found
}
