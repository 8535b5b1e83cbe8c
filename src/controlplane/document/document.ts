/**
 * A document as somebody hands it in: its parts, how each of them is written, whose files they come from, and in which
 * version of the format. It may hold less than a whole configuration, so what its parts name may be elsewhere; `references.ts`
 * judges that once it is known what is there.
 */
import type { Configuration } from '../model/configuration.ts'
import type { Problem } from '../model/errors.ts'
import { type CrossCheck, type kinds, parseConfiguration } from './configuration.ts'
import { Name } from './fields.ts'
import type { Body } from './forms.ts'
import { isMap, show } from './schema-check.ts'

/** The version of the format that this server writes, and takes; a document that says none is of this one. */
export const formatVersion = 1

export interface Document {
  readonly configuration: Configuration
  /** The label of the files that it comes from; null for none. */
  readonly owner: string | null
  /** How the parts are written, by kind and then by name as the model has it. */
  readonly bodies: Readonly<Record<(typeof kinds)[number], ReadonlyMap<string, Body>>>
}

export type DocumentResult =
  | { readonly ok: true; readonly document: Document }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Fields of a document beside its kinds. */
export const headFields = ['version', 'owner'] as const

/**
 * Reads a document that was YAML or JSON.
 *
 * @param check what is wrong between its parts; when left out, nothing is said of that
 */
export function readDocument(input: unknown, check: CrossCheck = () => []): DocumentResult {
  if (!isMap(input)) return withoutHead(input, null, check)
  const { version = formatVersion, owner = null, ...rest } = input
  const problems: Problem[] = []
  if (version !== formatVersion) problems.push({ path: 'version', message: versionProblem(version) })
  if (owner !== null) Name.parse(owner, 'owner', problems)
  const read = withoutHead(rest, owner as string | null, check)
  if (problems.length === 0) return read
  return { ok: false, problems: read.ok ? problems : [...problems, ...read.problems] }
}

function versionProblem(version: unknown): string {
  if (!Number.isInteger(version)) return `must be the number ${formatVersion}, not ${show(version)}`
  const age = (version as number) > formatVersion ? 'newer than' : 'older than'
  return `is ${version}, which is ${age} the format that is taken here, ${formatVersion}`
}

function withoutHead(input: unknown, owner: string | null, check: CrossCheck): DocumentResult {
  const read = parseConfiguration(input, check, headFields)
  if (!read.ok) return read
  const { configuration } = read
  const fragments = isMap(input) ? input : {}
  const bodiesOf = (kind: (typeof kinds)[number]) => {
    // They were read in the order in which they stand there, and all of them could be.
    const written = Object.values(isMap(fragments[kind]) ? fragments[kind] : {})
    const names = configuration[kind].map((part) => ('apex' in part ? part.apex : part.name))
    return new Map(names.map((name, index) => [name, written[index] as Body]))
  }
  const bodies = {
    feeds: bodiesOf('feeds'),
    monitors: bodiesOf('monitors'),
    pools: bodiesOf('pools'),
    services: bodiesOf('services'),
    zones: bodiesOf('zones'),
  }
  return { ok: true, document: { configuration, owner, bodies } }
}
