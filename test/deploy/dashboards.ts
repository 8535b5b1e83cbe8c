/** The dashboards in `deploy/grafana/` as data. */
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { repository } from '../support/daemon.ts'

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly uid: string }
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } }
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[]
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly Panel[]
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] }
  readonly templating: {
    readonly list: readonly {
      readonly name: string
      readonly type: string
      readonly query: string | { readonly query: string }
    }[]
  }
}

/** By the names of their files, without `.json`. */
export const dashboards: ReadonlyMap<string, Dashboard> = new Map(
  globSync('deploy/grafana/*.json', { cwd: repository })
    .sort()
    .map((path) => [
      basename(path, '.json'),
      JSON.parse(readFileSync(join(repository, path), 'utf8')) as Dashboard,
    ]),
)

export interface Query {
  /** Where it stands. */
  readonly of: string
  readonly expression: string
}

/**
 * All that a dashboard asks Prometheus, its variables filled in.
 *
 * @param values of its variables, by name
 */
export function queriesOf(
  { panels, annotations, templating }: Dashboard,
  values: Readonly<Record<string, string>>,
): Query[] {
  const filled = (text: string) =>
    text.replaceAll(/\$(\w+)/g, (_, name: string) => {
      const value = values[name]
      if (value === undefined) throw new Error(`$${name} in ${text} is no variable`)
      return value
    })
  const ofPanels = panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => ({ of: `${title}, ${refId}`, expression: filled(expr) })),
  )
  const ofAnnotations = annotations.list.map(({ name, expr }) => ({ of: name, expression: filled(expr) }))
  const ofVariables = templating.list.flatMap(({ name, type, query }) => {
    if (type !== 'query') return []
    const text = typeof query === 'string' ? query : query.query
    const parts = /^label_values\((.*), (\w+)\)$/.exec(text)
    if (parts === null) throw new Error(`${name}: ${text} is not understood here`)
    return [{ of: `variable ${name}`, expression: `count by (${parts[2]}) (${filled(parts[1]!)})` }]
  })
  return [...ofPanels, ...ofAnnotations, ...ofVariables]
}
