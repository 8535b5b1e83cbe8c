/** A plan as people read it: on a terminal, and in a comment of a pull request. */

import type { GradualCourseReply } from '../../controlplane/api/operations/gradual-view.ts'
import type { Effect } from '../../controlplane/apply/effect.ts'
import type { FieldChange, PlannedChange, PlanView } from '../../controlplane/apply/plan-view.ts'
import type { ReplayView } from '../../controlplane/apply/replay/replay-view.ts'
import { printable } from '../../terminal-text.ts'
import { type Paint, plain } from '../frame/terminal.ts'
import { courseLines } from '../gradual-text.ts'
import { replayLines } from './replay-text.ts'

/** A plan, and what a server that was asked knows of its effect. */
export type PlannedEffect = PlanView & {
  readonly effect?: Effect
  readonly replay?: ReplayView
  /** The steps of a gradual change. */
  readonly gradual?: GradualCourseReply
  /** Gradual changes that it would halt. */
  readonly halts?: readonly { readonly id: number; readonly moves: string }[]
}

const marks = { add: '+', change: '~', remove: '-', restate: '=' } as const
const styles = { add: 'green', change: 'yellow', remove: 'red', restate: 'dim' } as const
/** Fields of what is new or goes are no news one by one. */
const shownOfWhole = 6

/**
 * @param does `would` for what is only planned
 * @param all every field, and values whole
 */
export function planText(
  plan: PlannedEffect,
  paint: Paint = plain,
  does: 'would' | 'did' = 'would',
  all = false,
): string[] {
  if (!plan.changed) return ['nothing to do: everything is so already', ...leftLines(plan)]
  return [
    ...plan.changes.flatMap((change) => changeLines(change, paint, all)),
    ...(plan.moreChanges > 0 ? [`  and ${plan.moreChanges} more`] : []),
    ...effectLines(plan),
    ...(plan.replay === undefined ? [] : replayLines(plan.replay)),
    ...(plan.gradual === undefined ? [] : courseLines(plan.gradual)),
    summaryLine(plan, does),
    ...leftLines(plan),
  ]
}

/** What happens to answers, in the words of those who give them. */
function effectLines({ effect, halts = [] }: PlannedEffect): string[] {
  const halted = halts.map(({ id, moves }) =>
    printable(`gradual change ${id} would be halted, which moves the weights of ${moves}`),
  )
  if (effect === undefined) return halted
  const lines = effect.services.map(serviceLine)
  const leaving = effect.leaving.map(({ pool, member, address, safeAfterSeconds }) => {
    const what = `${pool}/${member}${address === undefined ? '' : ` at ${address}`}`
    return printable(`${what} would be answered no more, and be in no cache ${safeAfterSeconds} s later`)
  })
  return [
    ...lines,
    ...(effect.moreServices > 0 ? [`and those for ${effect.moreServices} more services`] : []),
    ...(effect.unseenServices > 0
      ? [`${effect.unseenServices} more services may be concerned: too many to look at; see --replay`]
      : []),
    ...leaving,
    ...halted,
  ]
}

/** Members that are told of one service. */
const shownMembers = 6

function serviceLine({
  service,
  types,
  clients,
  pools,
  members,
  moreMembers,
}: Effect['services'][number]): string {
  const what = types.length === 2 ? '' : ` ${types[0]}`
  const percent = (share: number) => `${Math.round(share * 1000) / 10} %`
  const move = ({ before, after }: { readonly before: number; readonly after: number }) =>
    `${percent(before)} -> ${percent(after)}`
  const hidden = moreMembers + Math.max(0, members.length - shownMembers)
  const moves = [
    ...pools.map((change) => `${change.pool} ${move(change)}`),
    ...members.slice(0, shownMembers).map((change) => `${change.pool}/${change.member} ${move(change)}`),
    ...(hidden > 0 ? [`and ${hidden} more members`] : []),
  ]
  return printable(`answers${what} for ${service}${whom(clients)}: ${moves.join(', ')}`)
}

function whom(clients: Effect['services'][number]['clients']): string {
  if (clients === undefined) return ''
  const { networks, moreNetworks, allBut } = clients
  const named = networks.join(', ')
  if (allBut) return `, to all clients but those in ${named}`
  return moreNetworks === 0
    ? `, to clients in ${named}`
    : `, to clients in ${networks.length + moreNetworks} networks such as ${networks.slice(0, 3).join(', ')}`
}

function summaryLine(
  { summary: { add, change, remove, restate, same } }: PlanView,
  does: 'would' | 'did',
): string {
  const words = does === 'would' ? ['to add', 'to change', 'to remove'] : ['added', 'changed', 'removed']
  const restated = restate === 0 ? '' : `, ${restate} said in another way`
  return `${add} ${words[0]}, ${change} ${words[1]}, ${remove} ${words[2]}${restated}; ${same} the same already`
}

function leftLines({ summary, left }: PlanView): string[] {
  if (summary.left === 0) return []
  const names = left.slice(0, 5).map(({ kind, name }) => `${kind} ${printable(name)}`)
  const more = summary.left > names.length ? ` and ${summary.left - names.length} more` : ''
  return [`not in these files, and left alone: ${names.join(', ')}${more}`]
}

/** One change, its fields on lines of their own. */
export function changeLines(
  change: Omit<PlannedChange, 'kind'> & { readonly kind: string },
  paint: Paint,
  all = false,
): string[] {
  const { kind, name, action, owner } = change
  const head = paint(styles[action], `${marks[action]} ${action} ${kind} ${printable(name)}`)
  const isWhole = !all && (action === 'add' || action === 'remove')
  const fields = isWhole ? change.fields.slice(0, shownOfWhole) : change.fields
  const hidden = change.moreFields + change.fields.length - fields.length
  return [
    head,
    ...fields.map((field) => `    ${fieldText(field, all)}`),
    ...(hidden > 0 ? [`    and ${hidden} more fields${all ? '' : ': --all shows them'}`] : []),
    ...(change.rrsets === undefined ? [] : [`    ${goingText(change.rrsets)}`]),
    ...(change.rows === undefined ? [] : [`    ${goingRowsText(change.rows)}`]),
    ...(owner === undefined ? [] : [`    owner: ${owner.before ?? 'none'} -> ${owner.after ?? 'none'}`]),
  ]
}

/** RRsets that go with their zone, the first of them by name. */
function goingText({ count, first }: NonNullable<PlannedChange['rrsets']>): string {
  if (count === 0) return 'no RRsets'
  const named = first.slice(0, shownOfWhole)
  const more = count > named.length ? `, and ${counted(count - named.length)} more` : ''
  return printable(`and ${counted(count)} RRset${count === 1 ? '' : 's'}: ${named.join(', ')}${more}`)
}

function goingRowsText(rows: number): string {
  return rows === 0 ? 'no rows' : `and about ${counted(rows)} row${rows === 1 ? '' : 's'}`
}

const counted = (count: number) => count.toLocaleString('en-US')

function fieldText(field: FieldChange, all: boolean): string {
  const path = printable(field.path)
  const [before, after] = [field.before, field.after].map((value) => valueText(value, all))
  if (!('before' in field)) return `${path}: ${after}`
  if (!('after' in field)) return `${path}: ${before} -> none`
  return `${path}: ${before} -> ${after}`
}

const mostCharacters = 160

function valueText(value: unknown, all: boolean): string {
  if (value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return printable(!all && text.length > mostCharacters ? `${text.slice(0, mostCharacters - 3)}...` : text)
}

/** A list, in which what is indented lies below what is not. */
function replayMarkdown({ replay }: PlannedEffect): string[] {
  if (replay === undefined) return []
  const [head, ...lines] = replayLines(replay)
  return [`**${head}**`, '', ...lines.map((line) => line.replace(/^ {2}( *)/, '$1- ')), '']
}

/** For a comment of a pull request: the summary as a heading, what changes as a diff that is coloured there. */
export function planMarkdown(plan: PlannedEffect, all = false): string {
  const lines = plan.changes.flatMap((change) => {
    const sign = change.action === 'remove' ? '-' : change.action === 'add' ? '+' : '!'
    const [head, ...fields] = changeLines(change, plain, all)
    // A fence inside of a value would end the block.
    return [head!.replace(/^./, sign), ...fields].map((line) => line.replaceAll('```', "'''"))
  })
  if (!plan.changed) return ['### pooldns: nothing to do', '', ...leftLines(plan)].join('\n')
  return [
    `### pooldns: ${summaryLine(plan, 'would')}`,
    '',
    '```diff',
    ...lines,
    ...(plan.moreChanges > 0 ? [`  and ${plan.moreChanges} more`] : []),
    '```',
    '',
    ...effectLines(plan).map((line) => `- ${line}`),
    ...(plan.gradual === undefined ? [] : ['', '```text', ...courseLines(plan.gradual), '```']),
    '',
    ...replayMarkdown(plan),
    ...leftLines(plan),
  ].join('\n')
}
