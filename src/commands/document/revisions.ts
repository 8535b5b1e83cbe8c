/** `pooldns history`, `show`, `diff` and `rollback`: what was changed, by whom and why, and the way back. */
import { UsageError } from '../../config.ts'
import { documentDifferences } from '../../controlplane/apply/document-difference.ts'
import type { PartDifference } from '../../controlplane/apply/revisions.ts'
import { readDocument } from '../../controlplane/document/document.ts'
import { printable } from '../../terminal-text.ts'
import { defineCommand } from '../frame/command.ts'
import { jsonOption } from '../frame/shared-options.ts'
import { paintFor, printJson, table } from '../frame/terminal.ts'
import { allOption, askFirst, changesCode, needsDryRun, replayOption } from './apply.ts'
import { documentsOf, problemsOf } from './document-files.ts'
import { changeLines, planText } from './plan-text.ts'
import { type Changes, revisionTarget } from './revision-target.ts'
import { documentTarget, type Given, targetOptions } from './target-of.ts'

const number = { summary: 'the number of a revision, as "pooldns history" lists it' } as const

export const history = defineCommand({
  arguments: {},
  options: {
    limit: { type: 'string', value: 'N', short: 'n', summary: 'how many; 20 when left out' },
    ...jsonOption,
    ...targetOptions,
  },
  examples: [{ line: 'pooldns history', does: 'who changed what of late, and why' }],
  async run(_words, { limit = '20', json = false, ...given }) {
    if (!/^[1-9]\d{0,2}$/.test(limit))
      throw new UsageError(`--limit: ${JSON.stringify(limit)} is not a number from 1 to 999`)
    const items = await revisionTarget(given).list(Number(limit))
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
  'nothing that a document says: an override, a webhook or a member that was let back; GET /v1/audit tells all of it'

export const show = defineCommand({
  arguments: { revision: number },
  options: { ...allOption, ...jsonOption, ...targetOptions },
  examples: [{ line: 'pooldns show 42', does: 'what revision 42 changed' }],
  async run({ revision }, { json = false, all = false, ...given }) {
    const shown = await revisionTarget(given).show(numberOf(revision))
    if (json) return printJson(shown)
    const { at, actor, source, message } = shown
    const head = `revision ${shown.revision} by ${printable(actor)} (${source}) at ${at}`
    const lines = linesOf(shown, all)
    const body = lines.length === 0 ? [nothingOfDocuments] : lines
    process.stdout.write(`${[head, ...(message === null ? [] : [printable(message)]), ...body].join('\n')}\n`)
  },
})

export const diff = defineCommand({
  arguments: {
    from: { summary: 'the number of a revision; or a file or folder of documents, or -', completes: 'file' },
    to: {
      summary:
        'another one, the last when left out; with a file another file, and when left out FROM is compared to what the server has',
      need: 'optional',
      completes: 'file',
    },
  },
  options: { ...allOption, ...jsonOption, ...targetOptions },
  examples: [
    { line: 'pooldns diff 40 42', does: 'what revisions 41 and 42 changed together' },
    { line: 'pooldns diff config.yaml', does: 'what the file says otherwise than the server has it' },
    { line: 'pooldns diff old.yaml new.yaml', does: 'what two files say differently, without a server' },
  ],
  notes:
    'Of files it tells what they say, and not how. A file with an owner is compared to what belongs to that owner. A file that is named ' +
    'like a number is written with its folder: ./42.',
  async run({ from, to }, { json = false, all = false, ...given }) {
    const found = await changesOf(from, to, given)
    if (json) return printJson(found)
    process.stdout.write(`${linesOf(found, all).join('\n') || 'no difference'}\n`)
  },
})

async function changesOf(from: string, to: string | undefined, given: Given): Promise<Changes> {
  const [isNumber, isOther] = [isRevision(from), to === undefined ? null : isRevision(to)]
  if (isNumber && isOther !== false)
    return revisionTarget(given).diff(Number(from), to === undefined ? null : Number(to))
  if (isNumber || isOther === true)
    throw new UsageError('a revision is compared to another one, and a file to a file or to the server')
  const before = await documentsOf([from])
  if (to !== undefined) return between(before.document, (await documentsOf([to])).document)
  const { owner = null } = before.document as { readonly owner?: string | null }
  return between(await documentTarget(given).export(owner), before.document)
}

function between(...documents: readonly [unknown, unknown]): Changes {
  const [from, to] = documents.map((document) => {
    const read = readDocument(document)
    // Files were read before; a server of another version may have what is not known here.
    if (!read.ok)
      throw problemsOf(read.problems.map(({ path, message }) => `on the server: ${path} ${message}`))
    return read.document.configuration
  })
  return { changes: documentDifferences(from!, to!), more: 0 }
}

export const rollback = defineCommand({
  arguments: { revision: { summary: 'the number of the revision to return to' } },
  options: {
    dryRun: { type: 'boolean', summary: 'tell what would change, and change nothing' },
    ...replayOption,
    ...allOption,
    message: { type: 'string', value: 'TEXT', short: 'm', summary: 'why, for the history' },
    yes: { type: 'boolean', short: 'y', summary: 'without a question' },
    ...jsonOption,
    ...targetOptions,
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
    const target = revisionTarget(given)
    const wanted = numberOf(revision)
    const { plan, revision: since } = await target.planRollback(wanted, replay, all)
    const paint = paintFor(process.stdout)
    if (dryRun && plan.changed) process.exitCode = changesCode
    if (dryRun || !plan.changed) {
      return json
        ? printJson(plan)
        : void process.stdout.write(`${planText(plan, paint, 'would', all).join('\n')}\n`)
    }
    if (!yes) await askFirst(plan, `return to revision ${revision}?`, all)
    const done = await target.rollBack(wanted, since, message, all)
    if (json) return printJson(done.plan)
    process.stdout.write(
      `${planText(done.plan, paint, 'did', all).join('\n')}\nas it was at revision ${revision}, by revision ${done.revision}\n`,
    )
  },
})

const isRevision = (text: string) => /^\d{1,15}$/.test(text)

function numberOf(text: string): number {
  if (isRevision(text)) return Number(text)
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
