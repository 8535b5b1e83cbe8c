/** `pooldns plan`, `apply` and `export`: the configuration as files. */
import { createInterface } from 'node:readline/promises'
import { UsageError } from '../../config.ts'
import type { PlanView } from '../../controlplane/apply/plan-view.ts'
import { kinds } from '../../controlplane/document/configuration.ts'
import { defaultSteps } from '../../controlplane/document/gradual.ts'
import { formatYaml } from '../../controlplane/document/yaml-text.ts'
import { ControlError } from '../../controlplane/model/errors.ts'
import { haltConditions } from '../../controlplane/model/gradual.ts'
import { printable } from '../../terminal-text.ts'
import { defineCommand } from '../frame/command.ts'
import { jsonOption } from '../frame/shared-options.ts'
import { paintFor, printJson } from '../frame/terminal.ts'
import { type Documents, documentsOf, fileOption, problemsOf } from './document-files.ts'
import { type PlannedEffect, planMarkdown, planText } from './plan-text.ts'
import { documentTarget, type GradualRequest, targetOptions } from './target-of.ts'

const pruneOption = {
  prune: {
    type: 'boolean',
    summary: 'what the files do not name goes, but for what belongs to the files of another owner',
  },
} as const

const gradualOptions = {
  gradual: {
    type: 'string',
    value: 'DURATION',
    summary: 'move weights in steps, all of it in so long, such as 30m; back by itself when what gains fails',
  },
  steps: { type: 'string', value: 'PERCENTS', summary: `rising to 100; ${defaultSteps} when left out` },
  haltWhen: {
    type: 'string',
    value: 'CONDITIONS',
    summary: `what takes it back: ${haltConditions.join(', ')}, or several with commas; degraded when left out`,
  },
} as const

/** What the server calls by the names of its query. */
const flags: Readonly<Record<string, string>> = {
  message: '--message',
  gradual: '--gradual',
  steps: '--steps',
  haltWhen: '--halt-when',
}

interface GivenCourse {
  readonly gradual?: string | undefined
  readonly steps?: string | undefined
  readonly haltWhen?: string | undefined
}

export const replayOption = {
  replay: {
    type: 'boolean',
    summary: 'what would be other in the answers to the questions of the last minutes',
  },
} as const

export const allOption = {
  all: { type: 'boolean', summary: 'every field of what comes and goes, and every value whole' },
} as const

/** The exit code that says that there is something to do. */
export const changesCode = 3

export const plan = defineCommand({
  arguments: {},
  options: {
    ...fileOption,
    ...pruneOption,
    ...gradualOptions,
    ...replayOption,
    ...allOption,
    markdown: { type: 'boolean', summary: 'Markdown, for a comment of a pull request' },
    ...jsonOption,
    ...targetOptions,
  },
  examples: [
    { line: 'pooldns plan -f config.yaml', does: 'what applying it would change' },
    { line: 'pooldns plan -f config.yaml --replay', does: 'and what clients would notice of it' },
    { line: 'pooldns plan -f config/ --prune --markdown', does: 'the same of a folder, for a pull request' },
  ],
  notes: 'Exits with 0 when there is nothing to do, and with 3 when there is.',
  async run(
    _words,
    {
      file,
      prune = false,
      replay = false,
      markdown = false,
      json = false,
      all = false,
      gradual,
      steps,
      haltWhen,
      ...given
    },
  ) {
    const course = courseOf({ gradual, steps, haltWhen })
    if (replay && given.database === true)
      throw new UsageError('--replay needs a server: the database knows nothing of questions')
    const documents = await documentsOf(file)
    const planned = await asked(documents, prune, () =>
      documentTarget(given).plan(
        { document: documents.document, prune, all, course, revision: null },
        replay,
      ),
    )
    if (json) printJson(planned)
    else if (markdown) process.stdout.write(`${planMarkdown(planned, all)}\n`)
    else tell(planned, 'would', all)
    if (planned.changed) process.exitCode = changesCode
  },
})

export const apply = defineCommand({
  arguments: {},
  options: {
    ...fileOption,
    ...pruneOption,
    ...gradualOptions,
    ...replayOption,
    ...allOption,
    dryRun: { type: 'boolean', summary: 'as "pooldns plan"' },
    message: { type: 'string', value: 'TEXT', short: 'm', summary: 'why, for the history' },
    yes: { type: 'boolean', short: 'y', summary: 'remove without a question' },
    ...jsonOption,
    ...targetOptions,
  },
  examples: [
    { line: 'pooldns apply -f config.yaml -m "more weight for fra-1"', does: 'make it so, and say why' },
    { line: 'pooldns apply -f config/ --prune --yes', does: 'all that the folder says, and nothing else' },
    {
      line: 'pooldns apply -f config.yaml --gradual 30m --steps 1,5,25,50,100',
      does: 'its weights in steps; see "pooldns gradual"',
    },
  ],
  notes:
    'All of it happens in one transaction, or nothing. It is planned first; if somebody writes between the plan and its ' +
    'application, it is refused.',
  async run(words, { file, prune = false, replay = false, dryRun = false, message, ...options }) {
    if (dryRun) {
      const { yes: _, ...given } = options
      return plan.run(words, { file, prune, replay, ...given })
    }
    if (replay) throw needsDryRun()
    const { yes = false, json = false, all = false, gradual, steps, haltWhen, ...given } = options
    const course = courseOf({ gradual, steps, haltWhen })
    const documents = await documentsOf(file)
    const target = documentTarget(given)
    const request = { document: documents.document, prune, all, message, course }
    const planned = await asked(documents, prune, () => target.plan({ ...request, revision: null }))
    if (!planned.changed) return json ? printJson(planned) : tell(planned, 'did', all)
    if (removes(planned) && !yes) await askFirst(planned, 'remove these?', all)
    const applied = await asked(documents, prune, () =>
      target.apply({ ...request, revision: planned.revision }),
    )
    if (json) return printJson(applied)
    tell(applied, 'did', all)
    process.stdout.write(`${appliedText(applied)}\n`)
  },
})

export const exportCommand = defineCommand({
  arguments: {},
  options: {
    owner: { type: 'string', value: 'LABEL', summary: 'only what belongs to the files of this owner' },
    ...jsonOption,
    ...targetOptions,
  },
  examples: [{ line: 'pooldns export > config.yaml', does: 'the configuration as it was written' }],
  async run(_words, { owner = null, json = false, ...given }) {
    const document = await documentTarget(given).export(owner)
    if (owner !== null && !kinds.some((kind) => kind in document))
      process.stderr.write(`nothing belongs to owner ${printable(owner)}\n`)
    if (json) printJson(document)
    else process.stdout.write(formatYaml(document))
  },
})

/** @throws UsageError */
function courseOf({ gradual, steps, haltWhen }: GivenCourse): GradualRequest | undefined {
  if (gradual !== undefined) return { gradual, steps, haltWhen }
  if (steps !== undefined || haltWhen !== undefined)
    throw new UsageError('--steps and --halt-when are only for --gradual')
  return undefined
}

function appliedText({ appliedAs, gradual }: PlannedEffect & { readonly appliedAs: number }): string {
  if (gradual?.id === undefined) return `applied as revision ${appliedAs}`
  const { percent } = gradual.steps[0]!
  return (
    `gradual change ${gradual.id} has taken step 1 of ${gradual.steps.length} (${percent} %) as revision ${appliedAs}; ` +
    `"pooldns gradual watch ${gradual.id}" follows it`
  )
}

/** What is done can't be tried any more. */
export function needsDryRun(): UsageError {
  return new UsageError('--replay is for what is only planned: say --dry-run as well')
}

const needed =
  'What is on the server and not in these files stays when it belongs to another owner, and --prune would take what it needs.'

/** What a server finds wrong with a document, by file, line and column. */
async function asked<T>(documents: Documents, prune: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ControlError) || error.problems.length === 0) throw error
    const { problems } = error
    const ofOptions = problems.filter(({ path }) => Object.hasOwn(flags, path))
    if (ofOptions.length > 0)
      throw new UsageError(ofOptions.map(({ path, message }) => `${flags[path]} ${message}`).join('\n'))
    const isPruned = prune && problems.some((problem) => documents.isElsewhere(problem))
    throw problemsOf([...documents.told(problems), ...(isPruned ? [needed] : [])], problems.length)
  }
}

function tell(planned: PlanView, does: 'would' | 'did', all: boolean): void {
  process.stdout.write(`${planText(planned, paintFor(process.stdout), does, all).join('\n')}\n`)
}

const removes = ({ summary }: PlanView) => summary.remove + summary.removeInside > 0

/** Shows a plan and asks. Throws when the answer is no, or there is nobody to ask. */
export async function askFirst(planned: PlanView, question: string, all = false): Promise<void> {
  const lines = planText(planned, paintFor(process.stderr), 'would', all)
  process.stderr.write(`${lines.join('\n')}\n`)
  if (process.stdin.isTTY !== true) throw new Error('there is nobody to ask: say --yes')
  await askWhether(question)
}

/** Asks at the terminal. Throws when the answer is no. */
export async function askWhether(question: string): Promise<void> {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await asking.question(`${question} [y/N] `)
  asking.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new Error('nothing was changed')
}
