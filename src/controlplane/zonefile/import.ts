/**
 * From a master file to a zone: the reader's RRs are brought together, checked, and become the zone in one revision, or nothing
 * changes and everything that is wrong is told with its place. Those of a small file in memory (`gather.ts`), several files in
 * one transaction; those of a large one in the database (`store/zone-staging.ts`).
 *
 * There reading and storing overlap by one batch. An RR that is refused does not end an import, neither by the reader nor by the
 * checks that need more than one RR: whoever mends a file wants the whole list.
 */
import { sql } from '../../../schema/drizzle.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { maxProblems } from '../document/schema-check.ts'
import { ControlError, isUnavailable } from '../model/errors.ts'
import type { Rrset } from '../model/zone.ts'
import type { Author, Database, Tx, Write } from '../store/database.ts'
import { type Replacement, replaceRrsets } from '../store/rrset-replacement.ts'
import { countRrsets } from '../store/rrsets.ts'
import type { WriteCondition } from '../store/stored.ts'
import { claimZone } from '../store/zone-lock.ts'
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
import { givenWarnings, zoneWarnings } from '../store/zone-warnings.ts'
import {
  adoptServices,
  beginZone,
  findZone,
  finishZone,
  getZoneHead,
  servicesAround,
  type ZoneState,
} from '../store/zones.ts'
import { type GatheredZone, gatherZone, inTheWay, placesOfWarnings } from './gather.ts'
import { ProblemList } from './problems.ts'
import { MasterFile } from './reader.ts'
import type { FileSource } from './scanner.ts'

export interface ImportRequest {
  /** The apex as the model has it. */
  readonly apex: string
  /** Is read as fast as it comes, with a transaction open: nothing that waits for a network. */
  readonly source: FileSource
  /** Who imports, and by what. */
  readonly by: Author
  readonly condition: WriteCondition
  /** Does everything but keep it. */
  readonly dryRun: boolean
  /** RRs that are brought together in memory; a file of more goes by the staging tables. About 4,000 when left out. */
  readonly maxGathered?: number
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
  /** What of the zone's RRsets is another one than before. */
  readonly replaced: Pick<Replacement, 'changed' | 'put' | 'deleted' | 'few'>
  /** What is odd, by the order of the file; at most `maxWarnings` of each kind. */
  readonly warnings: readonly StagedFinding[]
}

const maxWarnings = 100

/** A batch of the reader, about. */
const defaultMaxGathered = 4_000

/** Carries what a dry run comes to out of the transaction that it rolls back. */
class DryRun<T> extends Error {
  readonly result: T

  constructor(result: T) {
    super('dry run')
    this.result = result
  }
}

/** What an import comes to inside of its transaction. */
type Done = Omit<ZoneImport, 'revision'>

/** A file whose beginning was read, before any transaction: all of it when it is small. */
interface Opened {
  readonly request: ImportRequest
  readonly file: MasterFile
  readonly problems: ProblemList
  /** Null for a file of more than `maxGathered` RRs. */
  readonly gathered: GatheredZone | null
  readonly batches: AsyncIterable<readonly StagedRr[]>
}

/**
 * Creates or replaces a zone by a master file. Throws `invalid` (`conflict` when services alone are in the way) with
 * every problem, its path such as `line 12, column 5`; `stale` by the condition; `unavailable`.
 */
export async function importZone(database: Database, request: ImportRequest): Promise<ZoneImport> {
  const [done] = await importZones(database, [request])
  if (done instanceof ControlError) throw done
  return done!
}

/**
 * The same of several files, by one actor and dry or not together: those of few RRs in one transaction, which makes one revision,
 * each of the others in its own. A file that is refused leaves the others alone; its error stands in its place. Throws
 * `unavailable`.
 *
 * Memory: the RRs of the small files.
 */
export async function importZones(
  database: Database,
  requests: readonly ImportRequest[],
): Promise<readonly (ZoneImport | ControlError)[]> {
  const results = new Map<ImportRequest, ZoneImport | ControlError>()
  const small: Opened[] = []
  for (const request of requests) {
    const done = await orRefusal(async () => {
      const opened = await openFile(request)
      if (opened.gathered === null) return importStaged(database, opened)
      if (opened.problems.count + opened.gathered.problems.length > 0) {
        await database.read((tx) => judge(tx, opened))
      }
      small.push(opened)
      return null
    })
    if (done !== null) results.set(request, done)
  }
  for (const [request, done] of await importSmall(database, small)) results.set(request, done)
  return requests.map((request) => results.get(request)!)
}

/** What `work` gives, or the error with which the control plane refuses it. */
async function orRefusal<T>(work: () => Promise<T>): Promise<T | ControlError> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ControlError) || isUnavailable(error)) throw error
    return error
  }
}

async function openFile(request: ImportRequest): Promise<Opened> {
  const { apex, source, onProgress, maxGathered = defaultMaxGathered } = request
  const problems = new ProblemList()
  const file = new MasterFile(apex, problems)
  const batches = file.batches(source)
  const begun: (readonly StagedRr[])[] = []
  let gathered = 0
  for (let next = await batches.next(); ; next = await batches.next()) {
    if (next.done === true) {
      onProgress?.(gathered)
      return { request, file, problems, gathered: gatherZone(begun.flat(), maxWarnings), batches }
    }
    begun.push(next.value)
    gathered += next.value.length
    if (gathered > maxGathered) break
  }
  return { request, file, problems, gathered: null, batches: behind(begun, batches) }
}

async function* behind<T>(begun: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* begun
  yield* rest
}

async function importSmall(
  database: Database,
  files: readonly Opened[],
): Promise<readonly (readonly [ImportRequest, ZoneImport | ControlError])[]> {
  const [first] = files
  if (first === undefined) return []
  const { by, dryRun } = first.request
  try {
    const { revision, result } = await database.write(by, async (write) => {
      const done: (readonly [ImportRequest, Done | ControlError])[] = []
      for (const opened of files) done.push([opened.request, await putApart(write, opened)])
      if (dryRun) throw new DryRun(done)
      return done
    })
    return result.map(([request, done]) => [
      request,
      done instanceof ControlError ? done : { ...done, revision },
    ])
  } catch (error) {
    if (!(error instanceof DryRun)) throw error
    return (error.result as (readonly [ImportRequest, Done | ControlError])[]).map(([request, done]) => [
      request,
      done instanceof ControlError ? done : { ...done, revision: done.zoneRevision },
    ])
  }
}

/** Puts one zone of several: one that is refused leaves nothing behind. */
async function putApart(write: Write, opened: Opened): Promise<Done | ControlError> {
  const { tx } = write
  write.send(tx.execute(sql`savepoint one_zone`))
  const done = await orRefusal(async () => {
    const put = await putGathered(write, opened)
    await write.settled()
    return put
  })
  const end =
    done instanceof ControlError ? sql`rollback to savepoint one_zone` : sql`release savepoint one_zone`
  write.send(tx.execute(end))
  return done
}

async function putGathered(write: Write, opened: Opened): Promise<Done> {
  const { tx } = write
  const { request, file } = opened
  const gathered = opened.gathered!
  const { apex, condition } = request
  const [, zoneThere, current] = await Promise.all([
    claimZone(tx, apex),
    judge(tx, opened),
    getZoneHead(tx, apex),
  ])
  const { soa, serial, ttlSeconds } = file.soa!
  const begun = beginZone(write, current, { apex, soa, ttlSeconds, dnssec: null }, serial, condition)
  const served = current !== null || (await adoptServices(write, apex, zoneThere)).length > 0
  const wanted = gathered.rrsets.map(({ first: _, ...rrset }) => ({
    ...rrset,
    ttlSeconds: rrset.ttlSeconds === ttlSeconds ? null : rrset.ttlSeconds,
  }))
  const replaced = await replaceRrsets(write, apex, wanted, current === null, (a, b) =>
    isSameRrset(a, b, ttlSeconds),
  )
  const put = finishZone(write, begun, 'zone.import', replaced, served)
  const zone = put.changed ? { ...begun.head, serial: begun.serial } : begun.current!.value
  const warnings = placesOfWarnings(gathered, await givenWarnings(tx, apex, wanted, maxWarnings))
  return {
    created: put.created,
    changed: put.changed,
    zoneRevision: put.revision,
    zone,
    rrsets: wanted.length,
    replaced,
    warnings: inOrder([
      ...(put.changed ? serialWarning(file, zone) : []),
      ...gathered.warnings,
      ...warnings,
      ...file.warnings,
    ]),
  }
}

/** As served: the order of RRs is no difference, nor is a TTL that is inherited on one side. */
function isSameRrset(stored: Rrset, next: Rrset, zoneTtl: number): boolean {
  if ((stored.ttlSeconds ?? zoneTtl) !== (next.ttlSeconds ?? zoneTtl)) return false
  const data = new Set(stored.data)
  return stored.data.length === next.data.length && next.data.every((text) => data.has(text))
}

/**
 * Throws when anything is wrong with a small file.
 *
 * @returns the apex of the zone that there is at its apex, or around it; null for none
 */
async function judge(tx: Tx, { request: { apex }, problems, gathered }: Opened): Promise<string | null> {
  if (problems.full) throw refusal('invalid', apex, problems)
  for (const problem of gathered!.problems) problems.add(problem)
  const code = problems.count > 0 ? 'invalid' : 'conflict'
  const [zone, services] = await Promise.all([findZone(tx, apex), servicesAround(tx, apex)])
  const inside = services.flatMap(({ name, zone: around }) =>
    around === zone && enclosingHostnames(name).includes(apex) ? [name] : [],
  )
  for (const problem of inTheWay(apex, gathered!, inside)) problems.add(problem)
  if (problems.count > 0) throw refusal(code, apex, problems)
  return zone
}

/** A file of any length, by the staging tables. */
async function importStaged(database: Database, opened: Opened): Promise<ZoneImport> {
  const { apex, by, dryRun } = opened.request
  try {
    const { revision, result } = await database.writeStaged(
      by,
      (tx) => stage(tx, opened),
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
          replaced: replacement.replaced,
          warnings: inOrder([...serial, ...warnings]),
        }
        if (dryRun) throw new DryRun(done)
        return done
      },
    )
    return { ...result, revision }
  } catch (error) {
    if (!(error instanceof DryRun)) throw error
    const done = error.result as Done
    return { ...done, revision: done.zoneRevision }
  }
}

/** Brings the file into the staging tables and from there into the zone. Throws when anything is wrong with it. */
async function stage(tx: Tx, opened: Opened) {
  const { file, problems } = opened
  const { apex, condition } = opened.request
  await openStaging(tx)
  await stageFile(tx, opened)
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

async function stageFile(tx: Tx, { batches, request: { onProgress } }: Opened): Promise<void> {
  let storing: Promise<void> = Promise.resolve()
  let staged = 0
  const store = async (batch: readonly StagedRr[]) => {
    await stageRrs(tx, batch, staged)
    staged += batch.length
    onProgress?.(staged)
  }
  try {
    for await (const batch of batches) {
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
