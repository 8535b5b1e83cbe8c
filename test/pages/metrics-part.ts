/** Every metric with its type, its labels and what it says, as a node shows it on which something of each kind has happened. */
import { busyMetrics } from '../telemetry/metrics/sources.ts'
import { cell, markdownTable, type Part } from './part.ts'

export const metricsPart: Part = {
  page: 'docs/metrics.md',
  name: 'Metrics',
  async make() {
    const rows = (await describedMetrics()).map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      [...labels].map((label) => `\`${label}\``).join(', '),
      cell(help),
    ])
    return markdownTable([['metric', 'type', 'labels', 'says'], ...rows])
  },
}

/** Every metric of the program, by name, without what prom-client brings. */
export async function describedMetrics(): Promise<readonly Described[]> {
  return metricsOf(await everything())
}

interface Described {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly labels: Set<string>
}

/** The page of a node with a series of each metric. */
async function everything(): Promise<string> {
  const metrics = busyMetrics()
  const key = { pool: 'p', member: 'a' }
  metrics.members.retain([key])
  metrics.members.state(key, 'up')
  metrics.members.probe(key, 5, 'timeout')
  metrics.members.transition(key, 'up')
  metrics.lookups.used('a.test', true, 0.1)
  metrics.webhooks.retain(['chat'])
  metrics.webhooks.delivery('chat', 'delivered')
  metrics.feeds.retain(['load'])
  metrics.feeds.read('load', 3, 1)
  metrics.http.ended('quiet')
  metrics.faults.own('probe')
  metrics.faults.internal('probe', 1)
  metrics.historyBroken('back')
  return metrics.text()
}

/** Those of the program by name, without what prom-client brings. @throws Error when one shows nothing */
async function metricsOf(text: string): Promise<Described[]> {
  const found = new Map<string, Described>()
  for (const [, name, help] of text.matchAll(/^# HELP (\S+) (.*)$/gm)) {
    if (!/^(process|nodejs)_/.test(name!))
      found.set(name!, { name: name!, help: help!, type: '', labels: new Set() })
  }
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const metric = found.get(name!)
    if (metric !== undefined) found.set(name!, { ...metric, type: type! })
  }
  const shown = new Set<string>()
  for (const [, series, labels = ''] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const metric = found.get(series!) ?? found.get(series!.replace(/_(bucket|sum|count)$/, ''))
    if (metric === undefined) continue
    shown.add(metric.name)
    for (const [, label] of labels.matchAll(/(\w+)="/g)) if (label !== 'le') metric.labels.add(label!)
  }
  const silent = [...found.keys()].filter((name) => !shown.has(name))
  if (silent.length > 0)
    throw new Error(`${silent.join(', ')}: no series; test/telemetry/metrics/sources.ts is to give each one`)
  return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
}
