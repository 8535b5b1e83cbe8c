/** `pooldns history`, `show`, `diff` and `rollback`: what was changed, by whom and why, and the way back. */
import { UsageError } from '../../config.ts'
import type { PlanView } from '../../controlplane/apply/plan-view.ts'
import type { PartDifference } from '../../controlplane/apply/revisions.ts'
import { printable } from '../../terminal-text.ts'
import { defineCommand } from '../frame/command.ts'
import { jsonOption } from '../frame/shared-options.ts'
import { paintFor, printJson, table } from '../frame/terminal.ts'
import { serverOptions, theServer } from '../server-choice.ts'
import { allOption, askFirst, changesCode, needsDryRun, replayOption } from './apply.ts'
import { changeLines, planText } from './plan-text.ts'

interface Revision {
  readonly revision: number
  readonly at: string
  readonly actor: string
  readonly source: string
  readonly message: string | null
}

interface Changes {
  readonly changes: readonly PartDifference[]
  readonly more: number
}

const number = { summary: 'the number of a revision, as "pooldns history" lists it' } as const

export const history = defineCommand({
  arguments: {},
  options: {
    limit: { type: 'string', value: 'N', short: 'n', summary: 'how many; 20 when left out' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [{ line: 'pooldns history', does: 'who changed what of late, and why' }],
  async run(_words, { limit = '20', json = false, ...given }) {
    if (!/^[1-9]\d{0,2}$/.test(limit))
      throw new UsageError(`--limit: ${JSON.stringify(limit)} is not a number from 1 to 999`)
    const server = theServer(given, process.env)
    const { items } = (await (await server.ask(`/v1/revisions?limit=${limit}`)).json()) as {
      items: Revision[]
    }
    if (json) return printJson(items)
    const rows = items.map(({ revision, at, actor, source, message }) => ({
      revision: String(revision),
      at: at.replace('T', ' ').slice(0, 19),
      by: actor,
      how: source,
      why: message ?? '',
    }))
    if (rows.length === 0) process.stdout.write('nothing was changed yet\n')
    else process.stdout.write(`${table(rows, 0, paintFor(process.stdout)).join('\n')}\n`)
  },
})

const nothingOfDocuments =
  'nothing that a document says: an override, a webhook or a member that was let back; GET /v1/audit tells which'

export const show = defineCommand({
  arguments: { revision: number },
  options: { ...allOption, ...jsonOption, ...serverOptions },
  examples: [{ line: 'pooldns show 42', does: 'what revision 42 changed' }],
  async run({ revision }, { json = false, all = false, ...given }) {
    const server = theServer(given, process.env)
    const shown = (await (await server.ask(`/v1/revisions/${numberOf(revision)}`)).json()) as Revision &
      Changes
    if (json) return printJson(shown)
    const { at, actor, source, message } = shown
    const head = `revision ${shown.revision} by ${printable(actor)} (${source}) at ${at}`
    const lines = linesOf(shown, all)
    const body = lines.length === 0 ? [nothingOfDocuments] : lines
    process.stdout.write(`${[head, ...(message === null ? [] : [printable(message)]), ...body].join('\n')}\n`)
  },
})

export const diff = defineCommand({
  arguments: { from: number, to: { summary: 'another one; the last when left out', need: 'optional' } },
  options: { ...allOption, ...jsonOption, ...serverOptions },
  examples: [{ line: 'pooldns diff 40 42', does: 'what revisions 41 and 42 changed together' }],
  async run({ from, to }, { json = false, all = false, ...given }) {
    const server = theServer(given, process.env)
    const query = to === undefined ? '' : `?to=${numberOf(to)}`
    const found = (await (await server.ask(`/v1/revisions/${numberOf(from)}/diff${query}`)).json()) as Changes
    if (json) return printJson(found)
    process.stdout.write(`${linesOf(found, all).join('\n') || 'no difference'}\n`)
  },
})

export const rollback = defineCommand({
  arguments: { revision: { summary: 'the number of the revision to return to' } },
  options: {
    dryRun: { type: 'boolean', summary: 'tell what would change, and change nothing' },
    ...replayOption,
    ...allOption,
    message: { type: 'string', value: 'TEXT', short: 'm', summary: 'why, for the history' },
    yes: { type: 'boolean', short: 'y', summary: 'without a question' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns rollback 41 --dry-run', does: 'what returning to revision 41 would change' },
    { line: 'pooldns rollback 41 --yes -m "42 sent all to eu"', does: 'return to it, by a new revision' },
  ],
  notes:
    'Overrides, webhooks and tokens are no part of it, and stay as they are. With --dry-run it exits with 0 when there is nothing to do, ' +
    'and with 3 when there is.',
  async run(
    { revision },
    { dryRun = false, replay = false, all = false, message, yes = false, json = false, ...given },
  ) {
    if (replay && !dryRun) throw needsDryRun()
    const server = theServer(given, process.env)
    const path = `/v1/revisions/${numberOf(revision)}/rollback`
    const whole = all ? { all: 'true' } : {}
    const ask = async (query: Record<string, string>, headers: Record<string, string> = {}) => {
      const response = await server.ask(`${path}?${new URLSearchParams(query)}`, { method: 'POST', headers })
      return { plan: (await response.json()) as PlanView, etag: response.headers.get('etag') ?? '*' }
    }
    const { plan, etag } = await ask({ dryRun: 'true', ...(replay ? { replay: 'true' } : {}), ...whole })
    const paint = paintFor(process.stdout)
    if (dryRun && plan.changed) process.exitCode = changesCode
    if (dryRun || !plan.changed) {
      return json
        ? printJson(plan)
        : void process.stdout.write(`${planText(plan, paint, 'would', all).join('\n')}\n`)
    }
    if (!yes) await askFirst(plan, `return to revision ${revision}?`, all)
    const done = await ask({ ...(message === undefined ? {} : { message }), ...whole }, { 'if-match': etag })
    if (json) return printJson(done.plan)
    process.stdout.write(
      `${planText(done.plan, paint, 'did', all).join('\n')}\nas it was at revision ${revision}, by revision ${done.etag.replaceAll('"', '')}\n`,
    )
  },
})

function numberOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`${JSON.stringify(text)} is not the number of a revision`)
}

function linesOf({ changes, more }: Changes, all: boolean): string[] {
  const paint = paintFor(process.stdout)
  const lines = changes.flatMap((change) =>
    changeLines({ ...change, name: nameOf(change), moreFields: 0 }, paint, all),
  )
  return more > 0 ? [...lines, `and ${more} more`] : lines
}

/** An RRset as in a plan, behind its zone. */
function nameOf({ name, rrset }: PartDifference): string {
  return rrset === undefined ? name : `${rrset.zone} ${rrset.owner} ${rrset.type}`
}
