/**
 * `pooldns check`: what is wrong with files, without a server. What they name and do not have may stand on a server, of which
 * nothing is known here, so that is told apart from what is wrong wherever they go.
 */
import { readDocument } from '../../controlplane/document/document.ts'
import { judgeableBreaches, toProblem } from '../../controlplane/document/references.ts'
import { defineCommand } from '../frame/command.ts'
import { fileOption, problemsOf, readDocuments } from './document-files.ts'

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
    const documents = await readDocuments(file)
    let missing = 0
    const read = readDocument(documents.document, (configuration, unread) => {
      const breaches = judgeableBreaches(configuration, unread)
      // What is missing may stand in a file that could not be read.
      const elsewhereOnly = partial || documents.isPartial
      const absent = elsewhereOnly ? [] : breaches.filter(({ code }) => code === 'invalid')
      missing = absent.length
      return [
        ...breaches.filter(({ code }) => code === 'conflict').map(toProblem),
        ...absent.map(toProblem).map(({ path, message }) => ({ path, message: `${message} in these files` })),
      ]
    })
    const wrong = [...documents.wrong, ...(read.ok ? [] : documents.told(read.problems))]
    if (wrong.length > 0 || !read.ok) {
      throw problemsOf([...wrong, ...(missing > 0 ? [elsewhere] : [])], wrong.length)
    }
    const { feeds, monitors, pools, services, zones } = read.document.configuration
    const parts = [
      counted(monitors.length, 'monitor'),
      counted(pools.length, 'pool'),
      counted(services.length, 'service'),
      counted(zones.length, 'zone'),
      // Most have none.
      ...(feeds.length === 0 ? [] : [counted(feeds.length, 'feed')]),
    ]
    process.stdout.write(`good: ${parts.join(', ')}\n`)
  },
})

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
