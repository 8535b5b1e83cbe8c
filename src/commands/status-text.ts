/**
 * What `pooldns status` shows: first whether all is well, then what is not, the worst first, each with since when and why, and what
 * is answered instead. Colour only repeats what a word says.
 */
import type { OverviewReply } from '../controlplane/api/operations/overview.ts'
import { printable } from '../terminal-text.ts'
import { type Cell, type Paint, type Row, type Styled, table } from './frame/terminal.ts'
import { timeLeft, timeSince } from './frame/times.ts'
import { gradualRow } from './gradual-text.ts'

/** Rows of each table; what more there is, is counted. */
const mostRows = 15

const styles: Readonly<Record<string, Styled['style']>> = {
  down: 'red',
  degraded: 'yellow',
  unknown: 'yellow',
  drain: 'yellow',
  up: 'green',
  healthy: 'green',
}

/** @param origin of the server */
export function statusText(overview: OverviewReply, origin: string, paint: Paint): string {
  const sections = [
    head(overview, origin, paint),
    section('Nodes', nodeRows(overview), overview.more.nodes, paint),
    section('Services', serviceRows(overview), overview.more.services, paint),
    section('Pools', poolRows(overview), overview.more.pools, paint),
    section('Members', memberRows(overview), overview.more.members, paint),
    section(
      'Overrides',
      overrideRows(overview),
      overview.more.overrides + overview.more.serviceOverrides,
      paint,
    ),
    section('Gradual changes', gradualRows(overview), overview.more.gradualChanges, paint),
  ]
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

function head(overview: OverviewReply, origin: string, paint: Paint): string[] {
  const { node, revision, at, counts, nodes, more } = overview
  const live = nodes.filter((each) => each.live).length
  const lines = [
    `${paint('bold', `pooldns ${node.version}`)} at ${printable(origin)}, revision ${revision}, ${at.slice(0, 19).replace('T', ' ')} UTC`,
    ...table(
      [
        ['Nodes', `${live} live of ${nodes.length + more.nodes}`],
        ['Services', countsText(counts.services!)],
        ['Pools', countsText(counts.pools!)],
        ['Members', countsText(counts.members!)],
      ],
      0,
    ),
  ]
  const trouble = [
    ...(overview.database === 'up'
      ? []
      : ['the database is away: this node serves what it has, and takes overrides alone']),
    ...(overview.suspicion === null ? [] : [`this node doubts its own network: ${overview.suspicion}`]),
    ...overview.missing.map((text) => `not ready: ${text}`),
    ...overview.warnings,
  ]
  return [...lines, ...trouble.map((text) => `${paint(['bold', 'yellow'], 'warning:')} ${printable(text)}`)]
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const said = Object.entries(counts).flatMap(([state, count]) => (count === 0 ? [] : [`${count} ${state}`]))
  return said.length === 0 ? 'none' : said.join(', ')
}

function section(title: string, rows: readonly Row[], more: number, paint: Paint): string[] {
  if (rows.length === 0) return []
  const left = more + Math.max(0, rows.length - mostRows)
  return [
    paint('bold', title),
    ...table(rows.slice(0, mostRows), 2, paint),
    ...(left === 0 ? [] : [`  and ${left} more`]),
  ]
}

export const stateCell = (state: string): Cell => ({ text: state, style: styles[state] ?? 'reset' })

/** One that is well and alone has nothing to tell. */
function nodeRows({ nodes, revision, at }: OverviewReply): Row[] {
  const isWell = nodes.every((node) => node.live && !node.suspect && node.revision >= revision)
  if (isWell && nodes.length < 2) return []
  return nodes.map((node) => ({
    state: stateCell(node.live ? 'up' : 'down'),
    node: `${node.name ?? node.id}${node.self ? ' (asked)' : ''}`,
    seen: node.live ? '' : `${timeSince(node.seenAt, at)} ago`,
    revision: node.revision === revision ? '' : `serves revision ${node.revision}`,
    doubts: node.suspect ? 'doubts its own network' : '',
    version: node.version,
  }))
}

function serviceRows({ services, at }: OverviewReply): Row[] {
  return services.map(({ state, name, since, reason, pools }) => ({
    state: stateCell(state),
    service: name,
    for: since === null ? '' : timeSince(since, at),
    answered: pools.length === 0 ? '' : `from ${pools.join(', ')}`,
    why: reason,
  }))
}

/** Those that are healthy are seen with their services. */
function poolRows({ pools, at }: OverviewReply): Row[] {
  const bad = pools.filter(({ state }) => state !== 'healthy')
  return bad.map(({ state, name, since, reason }) => ({
    state: stateCell(state),
    pool: name,
    for: since === null ? '' : timeSince(since, at),
    why: reason,
  }))
}

function memberRows({ members, at }: OverviewReply): Row[] {
  return members.map(({ pool, member, address, waitsForFailBack, status }) => {
    const { state, since, reason, override, answered } = status
    return {
      state: stateCell(state),
      member: `${pool}/${member}`,
      address,
      for: since === null ? '' : timeSince(since, at),
      override: override === null ? '' : stateCell(override.state),
      answered: answered === true ? 'answered' : 'not answered',
      why: waitsForFailBack ? `${reason}; answers again, "pooldns fail-back" lets it back` : reason,
    }
  })
}

function overrideRows({ overrides, serviceOverrides, at }: OverviewReply): Row[] {
  const ofMembers = overrides.map(({ pool, member, status, ...word }) => ({
    what: `${pool}/${member}`,
    ...wordCells(word, status, at),
    members: status.matches === 1 ? '' : `${status.matches} members`,
    caches: word.state === 'drain' ? drainText(status, at) : '',
  }))
  const ofServices = serviceOverrides.map(({ service, status, ...word }) => ({
    what: service,
    ...wordCells(word, status, at),
    members: '',
    caches: '',
  }))
  return [...ofMembers, ...ofServices].map(({ state, ...cells }) => ({ state, ...cells }))
}

function gradualRows({ gradualChanges, at }: OverviewReply): Row[] {
  return gradualChanges.map((change) => gradualRow(change, at))
}

interface Word {
  readonly state: string
  readonly until: string | null
  readonly reason: string
}
interface Origin {
  readonly since: string
  readonly actor: string
  readonly pending?: boolean | undefined
}

function wordCells({ state, until, reason }: Word, { since, actor, pending }: Origin, at: string) {
  return {
    state: stateCell(state),
    for: timeSince(since, at),
    ends: until === null ? 'when taken back' : `in ${timeLeft(until, at)}`,
    by: pending === true ? `${actor}, not yet in the database` : actor,
    reason,
  }
}

/** Whether clients may still have the members. */
export function drainText(
  { answered, safeAt }: { readonly answered?: boolean; readonly safeAt?: string | null },
  at: string,
): string {
  if (answered === true) return 'still answered'
  if (safeAt === undefined || safeAt === null || safeAt <= at) return 'forgotten by caches'
  return `in caches for ${timeLeft(safeAt, at)} more`
}
