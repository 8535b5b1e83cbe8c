/**
 * `pooldns check`: what is wrong with files, without a server. What they name and do not have may stand on a server, of which
 * nothing is known here, so that is told apart from what is wrong wherever they go.
 */
import { parseConfiguration } from '../../controlplane/document/configuration.ts'
import { crossBreaches, toProblem } from '../../controlplane/document/references.ts'
import type { Problem } from '../../controlplane/model/errors.ts'
import { defineCommand } from '../frame/command.ts'
import { documentsOf, fileOption, problemsOf } from './document-files.ts'

const elsewhere =
  'What is not in these files may stand on the server, which is not asked here: "pooldns plan" asks it, and --partial leaves out ' +
  'what only it can know.'

export const check = defineCommand({
  arguments: {},
  options: {
    ...fileOption,
    partial: { type: 'boolean', summary: 'what the files name may stand on the server' },
  },
  examples: [
    { line: 'pooldns check -f config/', does: 'what is wrong with the files, without a server' },
    { line: 'pooldns check -f shop.yaml --partial', does: 'the same of files that are not everything' },
  ],
  notes:
    'No server is asked, so all that the files name must be in them, or --partial said. "pooldns plan" knows what the server has, too.',
  async run(_words, { file, partial = false }) {
    const documents = await documentsOf(file)
    const { version: _, owner: __, ...input } = documents.document
    const read = parseConfiguration(input, () => [])
    if (!read.ok) throw problemsOf(documents.told(read.problems))
    const breaches = crossBreaches(read.configuration)
    const missing = partial ? [] : breaches.filter(({ code }) => code === 'invalid')
    const wrong: Problem[] = [
      ...breaches.filter(({ code }) => code === 'conflict').map(toProblem),
      ...missing.map(toProblem).map(({ path, message }) => ({ path, message: `${message} in these files` })),
    ]
    if (wrong.length > 0) {
      throw problemsOf([...documents.told(wrong), ...(missing.length > 0 ? [elsewhere] : [])], wrong.length)
    }
    const { monitors, pools, services, zones } = read.configuration
    process.stdout.write(
      `good: ${monitors.length} monitors, ${pools.length} pools, ${services.length} services, ${zones.length} zones\n`,
    )
  },
})
