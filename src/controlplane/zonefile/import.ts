/**
 * From a master file to a zone: the reader's RRs are staged in the database, checked there together, and become the zone
 * in one revision, or nothing changes and everything that is wrong is told with its place.
 *
 * Reading and storing overlap by one batch. An RR that is refused does not end an import, neither by the reader nor by the
 * checks that need more than one RR: whoever mends a file wants the whole list.
 */
import { maxProblems } from '../document/schema-check.ts'
import { ControlError } from '../model/errors.ts'
import type { Database, Tx } from '../store/database.ts'
import { countRrsets } from '../store/rrsets.ts'
import type { WriteCondition } from '../store/stored.ts'
import {
  closeStaging,
  gatherRrsets,
  openStaging,
  placeWarnings,
  putStagedZone,
  replaceByStaged,
  type StagedFinding,
  type StagedRr,
  serviceFindings,
  stagedProblems,
  stageRrs,
} from '../store/zone-staging.ts'
import { zoneWarnings } from '../store/zone-warnings.ts'
import { getZoneHead, type ZoneState } from '../store/zones.ts'
import { ProblemList } from './problems.ts'
import { MasterFile } from './reader.ts'
import type { FileSource } from './scanner.ts'

export interface ImportRequest {
  /** The apex as the model has it. */
  readonly apex: string
  /** Is read as fast as it comes, with a transaction open: nothing that waits for a network. */
  readonly source: FileSource
  /** Who imports, as the audit log has it. */
  readonly actor: string
  readonly condition: WriteCondition
  /** Does everything but keep it. */
  readonly dryRun: boolean
  /** Called with the RRs read so far, after each batch. */
  readonly onProgress?: (rrs: number) => void
}

export interface ZoneImport {
  readonly created: boolean
  readonly changed: boolean
  /** The revision of the zone; of a dry run the one that it would have got. */
  readonly zoneRevision: number
  /** The revision of the configuration, to wait for. */
  readonly revision: number
  readonly zone: ZoneState
  readonly rrsets: number
  /** What is odd, by the order of the file; at most `maxWarnings` of each kind. */
  readonly warnings: readonly StagedFinding[]
}

const maxWarnings = 100

/** Carries the result of a dry run out of the transaction that it rolls back. */
class DryRun extends Error {
  readonly result: Omit<ZoneImport, 'revision'>

  constructor(result: Omit<ZoneImport, 'revision'>) {
    super('dry run')
    this.result = result
  }
}

/**
 * Creates or replaces a zone by a master file. Throws `invalid` (`conflict` when services alone are in the way) with
 * every problem, its path such as `line 12, column 5`; `stale` by the condition; `unavailable`.
 */
export async function importZone(database: Database, request: ImportRequest): Promise<ZoneImport> {
  const { apex, dryRun } = request
  try {
    const { revision, result } = await database.writeStaged(
      request.actor,
      (tx) => stage(tx, request),
      async (write, { replacement, judged, rrsets, warnings, file }) => {
        const put = await putStagedZone(write, replacement, judged)
        const zone = (await getZoneHead(write.tx, apex))!.value
        const serial = put.changed ? serialWarning(file, zone) : []
        const done = {
          created: put.created,
          changed: put.changed,
          zoneRevision: put.revision,
          zone,
          rrsets,
          warnings: inOrder([...serial, ...warnings]),
        }
        if (dryRun) throw new DryRun(done)
        return done
      },
    )
    return { ...result, revision }
  } catch (error) {
    if (error instanceof DryRun) return { ...error.result, revision: error.result.zoneRevision }
    throw error
  }
}

/** Brings the file into the staging tables and from there into the zone. Throws when anything is wrong with it. */
async function stage(tx: Tx, request: ImportRequest) {
  const { apex, condition } = request
  const problems = new ProblemList()
  const file = new MasterFile(apex, problems)
  await openStaging(tx)
  await stageFile(tx, file, request)
  if (problems.full) throw refusal('invalid', apex, problems)
  const warnings = await gatherRrsets(tx, maxWarnings)
  for (const problem of await stagedProblems(tx, maxProblems + 1)) problems.add(problem)
  const code = problems.count > 0 ? 'invalid' : 'conflict'
  const { judged, found } = await serviceFindings(tx, apex, maxProblems + 1)
  for (const problem of found) problems.add(problem)
  if (problems.count > 0) throw refusal(code, apex, problems)
  const replacement = await replaceByStaged(tx, { apex, ...file.soa! }, condition)
  warnings.push(...(await placeWarnings(tx, await zoneWarnings(tx, apex, maxWarnings))))
  await closeStaging(tx)
  warnings.push(...file.warnings)
  return { replacement, judged, rrsets: await countRrsets(tx, apex), warnings, file }
}

function inOrder(warnings: readonly StagedFinding[]): StagedFinding[] {
  return warnings.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

/** Whoever counts in files should know that this server counts on its own. */
function serialWarning({ soa, soaPlace }: MasterFile, zone: ZoneState): StagedFinding[] {
  if (soa!.serial === zone.serial) return []
  const message =
    `the serial is ${zone.serial}, not ${soa!.serial}: it is the UNIX time and rises by itself, unless that of the file is ahead ` +
    'of it (RFC 1982) or soa.serial of the zone fixes it'
  return [{ ...soaPlace!, owner: '@', type: 'SOA', message }]
}

async function stageFile(tx: Tx, file: MasterFile, { source, onProgress }: ImportRequest): Promise<void> {
  let storing: Promise<void> = Promise.resolve()
  let staged = 0
  const store = async (batch: readonly StagedRr[]) => {
    await stageRrs(tx, batch, staged)
    staged += batch.length
    onProgress?.(staged)
  }
  try {
    for await (const batch of file.batches(source)) {
      await storing
      storing = store(batch)
      // Awaited with the next batch; until then its failure is nobody's.
      storing.catch(() => {})
    }
  } finally {
    await storing
  }
}

function refusal(code: 'invalid' | 'conflict', apex: string, list: ProblemList): ControlError {
  const problems = list.finish()
  const { count, full } = list
  const many = full ? `more than ${count} problems` : count === 1 ? 'a problem' : `${count} problems`
  const [first] = problems
  return new ControlError(code, `the file for zone ${apex} has ${many}: ${first!.path}: ${first!.message}`, {
    problems,
  })
}
