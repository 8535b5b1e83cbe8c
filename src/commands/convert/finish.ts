/**
 * From a draft to the text of a document that `check` accepts. What the rules of documents refuse is taken out, with all that hangs on
 * it, and told like everything else that could not be carried over.
 */

import { kinds, parseConfiguration } from '../../controlplane/document/configuration.ts'
import { splitPath } from '../../controlplane/document/path.ts'
import { formatYaml } from '../../controlplane/document/yaml-text.ts'
import type { Problem } from '../../controlplane/model/errors.ts'
import { printable } from '../../terminal-text.ts'
import { type Body, type Draft, type Kind, type Part, placeText, type Remark } from './draft.ts'

export interface Converted {
  /** YAML, its remarks as comments at the top. */
  readonly text: string
  /** In the order of files and lines, as they are told on standard error. */
  readonly remarks: readonly string[]
  readonly complete: boolean
}

/** @param from what was converted, for the first line */
export function finish(draft: Draft, from: string): Converted {
  for (let input = documentOf(draft); ; input = documentOf(draft)) {
    const read = parseConfiguration(input)
    if (read.ok) break
    // Each round takes something away, so that it comes to an end.
    if (!takeOutAll(draft, read.problems))
      throw new Error(`no document comes of it: ${read.problems[0]?.message}`)
  }
  forgetUnused(draft)
  const remarks = inOrder(draft.remarks).map(lineOf)
  const complete = !draft.remarks.some(({ kind }) => kind === 'left out')
  return { text: `${headOf(from, remarks, complete)}${bodyOf(draft)}`, remarks, complete }
}

function documentOf({ parts }: Draft): Body {
  const entries = kinds.flatMap((kind): [string, Body][] => {
    const { size } = parts[kind]
    if (size === 0) return []
    return [[kind, Object.fromEntries([...parts[kind]].map(([name, { body }]) => [name, body]))]]
  })
  return Object.fromEntries(entries)
}

/**
 * Takes out the smallest part that has a problem, an RRset of a zone or else the whole part, each once however many it has: what lies
 * behind it in a list moves up. @returns whether there was any
 */
function takeOutAll(draft: Draft, problems: readonly Problem[]): boolean {
  const whole = new Map<string, () => boolean>()
  const rrsets = new Map<Part, Map<number, string>>()
  for (const { path, message } of problems) {
    const [kind, name, field, index] = splitPath(path)
    const part = draft.parts[kind as Kind]?.get(String(name))
    if (part === undefined) continue
    if (field === 'rrsets' && typeof index === 'number' && part.body.rrsets !== undefined) {
      const ofZone = rrsets.get(part) ?? new Map<number, string>()
      rrsets.set(part, ofZone)
      if (!ofZone.has(index)) ofZone.set(index, message)
      continue
    }
    const key = `${kind} ${name}`
    if (whole.has(key)) continue
    const where = field === undefined ? '' : ` (${path})`
    whole.set(key, () => {
      draft.leftOut(part.place, `${String(kind).slice(0, -1)} ${name}`, `${message}${where}`)
      return draft.parts[kind as Kind].delete(String(name))
    })
  }
  let taken = false
  for (const [part, found] of rrsets) {
    const list = part.body.rrsets as { name: string; type: string }[]
    for (const [index, message] of [...found].sort(([a], [b]) => b - a)) {
      const [rrset] = list.splice(index, 1)
      if (rrset === undefined) continue
      taken = true
      draft.leftOut(part.place, `${rrset.name} ${rrset.type} of zone ${zoneOf(draft, part)}`, message)
    }
  }
  for (const take of whole.values()) taken = take() || taken
  return taken
}

function zoneOf({ parts }: Draft, zone: Part): string {
  for (const [name, part] of parts.zones) if (part === zone) return name
  return ''
}

/** Pools that no service leads to any more, and their monitors: what was asked of them is told with the service. */
function forgetUnused({ parts }: Draft): void {
  const used = new Set<string>()
  for (const { body } of parts.services.values()) {
    for (const choice of body.pools as (string | { pool?: string })[]) {
      const pool = typeof choice === 'string' ? choice : choice.pool
      if (pool !== undefined) used.add(pool)
    }
    if (typeof body.fallback === 'string') used.add(body.fallback)
  }
  for (const pool of used) {
    const fallback = parts.pools.get(pool)?.body.fallback
    if (typeof fallback === 'string') used.add(fallback)
  }
  for (const name of parts.pools.keys()) if (!used.has(name)) parts.pools.delete(name)
  const monitors = new Set(Array.from(parts.pools.values(), ({ body }) => body.monitor))
  for (const name of monitors) {
    const inner = parts.monitors.get(String(name))?.body.monitors
    if (Array.isArray(inner)) for (const each of inner) monitors.add(each)
  }
  for (const name of parts.monitors.keys()) if (!monitors.has(name)) parts.monitors.delete(name)
}

function inOrder(remarks: readonly Remark[]): Remark[] {
  const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  return remarks.toSorted(
    ({ place: a }, { place: b }) =>
      byText(a.file, b.file) || a.line - b.line || (a.column ?? 1) - (b.column ?? 1),
  )
}

function lineOf({ kind, place, what, why }: Remark): string {
  return printable(`${placeText(place)}: ${kind}: ${what}: ${why}`)
}

function headOf(from: string, remarks: readonly string[], complete: boolean): string {
  const summary = complete
    ? 'Everything was carried over.'
    : 'Not everything was carried over; see "left out" below.'
  const lines = [`Made by "pooldns convert" from ${printable(from)}. ${summary}`, ...remarks]
  return lines.map((line) => `# ${line}\n`).join('')
}

function bodyOf(draft: Draft): string {
  const document = documentOf(draft)
  if (Object.keys(document).length === 0) return '{}\n'
  return formatYaml(document)
}
