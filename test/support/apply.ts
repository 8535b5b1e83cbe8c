import { applyDocument } from '../../src/controlplane/apply/apply.ts'
import { formatConfiguration } from '../../src/controlplane/document/configuration.ts'
import { readDocument } from '../../src/controlplane/document/document.ts'
import type { Configuration } from '../../src/controlplane/model/configuration.ts'
import type { Database } from '../../src/controlplane/store/database.ts'

/** Applies a configuration as a document, which it must be. */
export async function apply(database: Database, configuration: Configuration) {
  const read = readDocument(formatConfiguration(configuration))
  if (!read.ok) throw new Error(JSON.stringify(read.problems))
  const by = { actor: 'tester', source: 'apply', message: null } as const
  return applyDocument(database, by, { document: read.document, prune: false, since: null })
}
