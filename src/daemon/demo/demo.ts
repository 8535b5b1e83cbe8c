import { readFile } from 'node:fs/promises'
import { applyConfiguration } from '../../controlplane/apply/apply.ts'
import { parseDocument } from '../../controlplane/document/yaml-text.ts'
import type { Database } from '../../controlplane/store/database.ts'
import { currentRevision } from '../../controlplane/store/revision.ts'
import type { Logger } from '../../telemetry/log.ts'

/** `deploy/` lies beside the sources' folder, one level further up from a build of them. */
const documents = ['../../../deploy/demo.yaml', '../../../../deploy/demo.yaml']

/** Loads the demo's document into a database that has never held anything. */
export async function loadDemo(database: Database, log: Logger): Promise<void> {
  if ((await database.read(currentRevision)) > 0) return
  const parsed = parseDocument(await readDocument())
  if (!parsed.ok) throw new Error(`the demo's document: ${JSON.stringify(parsed.problems)}`)
  await database.write('demo', (write) => applyConfiguration(write, parsed.configuration))
  log.info('the demo was loaded into the empty database')
}

async function readDocument(): Promise<string> {
  const [here, built] = documents.map((path) => new URL(path, import.meta.url))
  return readFile(here!, 'utf8').catch(() => readFile(built!, 'utf8'))
}
