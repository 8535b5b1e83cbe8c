/** `pooldns import-zones DIR`: a folder of master files, each a zone. */
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { UsageError } from '../config.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { importZones } from '../controlplane/zonefile/import.ts'
import { parseHostname } from '../dataplane/wire/name.ts'
import { TextError } from '../dataplane/wire/text-error.ts'
import { printable } from '../terminal-text.ts'
import { type ApiClient, RefusedByServer } from './api-client.ts'
import { AssembledLines } from './assembled-lines.ts'
import { defineCommand } from './frame/command.ts'
import type { ImportStatus } from './import-zone-text.ts'
import { IncludedFiles } from './included-files.ts'
import { author, withOwnDatabase } from './own-database.ts'
import { serverOptions, serverOrDatabase } from './server-choice.ts'
import { importOptions, putZonefile } from './zone-files.ts'
import { mayInclude, ZoneText } from './zone-text.ts'

interface ZoneFile {
  readonly path: string
  readonly apex: string
  readonly octets: number
}

type Outcome = ImportStatus | ControlError

/** Zones of one transaction: others of the database wait no longer for it than for a large write. */
const batchZones = 200
/** Octets of the files of one transaction, which are in memory. */
const batchOctets = 8 * 1024 * 1024
/** Requests to a server at a time: as many imports as it lets one token make. */
const requestsAtOnce = 2
/** How often a file is sent again to a server that is busy, as with what others import, and says when to. */
const mostRetries = 60
/** What says that a file is at fault: malformed, in conflict with what is there, too large. */
const faultsOfFiles: ReadonlySet<number> = new Set([400, 409, 413, 422])

export const importZonesCommand = defineCommand({
  arguments: { dir: { summary: 'a folder of master files', completes: 'folder' } },
  options: { ...importOptions, ...serverOptions },
  examples: [{ line: 'pooldns import-zones /etc/bind/zones --dry-run', does: 'what each would change' }],
  notes:
    'Files are named for their zones: example.org, example.org.zone, example.org.db or db.example.org; the root zone is @. A file with ' +
    'mistakes leaves the others alone.',
  async run({ dir }, { dryRun = false, progress, ...given }) {
    const files = await zoneFiles(dir)
    const told = new Told(files.length, progress ?? process.stderr.isTTY === true, dryRun)
    const server = serverOrDatabase(given, process.env)
    if (server === null) await importHere(files, dryRun, told)
    else await importBy(server, files, dryRun, told)
    told.finish()
  },
})

/**
 * The files of a folder and the zones that they are named for: `example.org`, `example.org.zone`, `example.org.db` or
 * `db.example.org`; the root is `@`. Hidden ones, folders and what others include are passed over. Throws for a name that is none, before anything is
 * imported.
 */
export async function zoneFiles(folder: string): Promise<ZoneFile[]> {
  const found: ZoneFile[] = []
  const byApex = new Map<string, string>()
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name)
    const state = name.startsWith('.') ? null : await stat(path)
    if (state?.isFile() !== true) continue
    const apex = apexOf(path, name)
    const other = byApex.get(apex)
    if (other !== undefined) throw new UsageError(`${path} and ${other} are both named for zone ${apex}`)
    byApex.set(apex, path)
    found.push({ path, apex, octets: state.size })
  }
  if (found.length === 0) throw new UsageError(`${folder} has no files`)
  return withoutIncluded(found)
}

/** What another file includes is part of a zone, and no zone. */
async function withoutIncluded(files: readonly ZoneFile[]): Promise<ZoneFile[]> {
  const included = new Set<string>()
  for (const { path, apex } of files) {
    if (!(await mayInclude(path))) continue
    const reading = new IncludedFiles(new AssembledLines())
    for await (const _ of reading.assemble(path, apex));
    for (const real of reading.included) included.add(real)
  }
  if (included.size === 0) return [...files]
  const kept: ZoneFile[] = []
  for (const file of files) if (!included.has(await realpath(file.path))) kept.push(file)
  return kept
}

function apexOf(path: string, name: string): string {
  const bare = name.replace(/^db\.(?=.)/, '').replace(/(?<=.)\.(?:zone|db)$/, '')
  try {
    return bare === '@' ? '.' : parseHostname(bare)
  } catch (error) {
    if (error instanceof TextError) throw new UsageError(`${path} is not named for a zone: ${error.message}`)
    throw error
  }
}

async function importHere(files: readonly ZoneFile[], dryRun: boolean, told: Told): Promise<void> {
  await withOwnDatabase(async (database) => {
    for (const batch of batches(files)) {
      await using opened = new AsyncDisposableStack()
      const texts: ZoneText[] = []
      for (const { path, apex } of batch) texts.push(opened.use(await ZoneText.open(path, apex)))
      const done = await importZones(
        database,
        batch.map(({ apex }, index) => ({
          apex,
          source: texts[index]!.read(),
          by: author,
          condition: {},
          dryRun,
        })),
      )
      for (const [index, result] of done.entries()) {
        told.file(
          texts[index]!,
          result instanceof ControlError ? result : { ...result, serial: result.zone.serial },
        )
      }
    }
  })
}

function* batches(files: readonly ZoneFile[]): Generator<readonly ZoneFile[]> {
  let batch: ZoneFile[] = []
  let octets = 0
  for (const file of files) {
    if (batch.length > 0 && (batch.length === batchZones || octets + file.octets > batchOctets)) {
      yield batch
      batch = []
      octets = 0
    }
    batch.push(file)
    octets += file.octets
  }
  if (batch.length > 0) yield batch
}

/** A file that the server refuses leaves the others alone; a server that is lost, or takes nothing from us, ends it all. */
async function importBy(
  server: ApiClient,
  files: readonly ZoneFile[],
  dryRun: boolean,
  told: Told,
): Promise<void> {
  const waiting = files.values()
  const work = async () => {
    for (const file of waiting) {
      let retries = 0
      for (;;) {
        await using text = await ZoneText.open(file.path, file.apex)
        const outcome = await putOne(server, file.apex, text, dryRun)
        if (typeof outcome === 'number' && retries++ < mostRetries) {
          await delay(outcome * 1000)
          continue
        }
        if (typeof outcome === 'number')
          throw new Error(`${server.origin} is still busy: ${file.path} and those behind it are not imported`)
        told.file(text, outcome)
        break
      }
    }
  }
  await Promise.all(Array.from({ length: requestsAtOnce }, work))
}

/** @returns seconds after which it is to be tried again where the server is busy; throws what is no fault of the file */
async function putOne(
  server: ApiClient,
  apex: string,
  text: ZoneText,
  dryRun: boolean,
): Promise<Outcome | number> {
  try {
    return await putZonefile(server, apex, Readable.from(text.read(), { objectMode: false }), dryRun)
  } catch (error) {
    if (!(error instanceof RefusedByServer)) throw error
    const { status, retryAfter } = error
    if ((status === 503 || status === 429) && retryAfter !== null) return retryAfter
    if (faultsOfFiles.has(status)) return error
    throw error
  }
}

const progressEveryMs = 1_000

/** What has been said: warnings and problems at once, a line for each; what all came to at the end. */
class Told {
  readonly #all: number
  readonly #dryRun: boolean
  readonly #progress: boolean
  #saidAt = 0
  #done = 0
  #changed = 0
  #refused = 0

  constructor(all: number, progress: boolean, dryRun: boolean) {
    this.#all = all
    this.#progress = progress
    this.#dryRun = dryRun
  }

  file(text: ZoneText, outcome: Outcome): void {
    this.#done++
    const lines = outcome instanceof ControlError ? text.problems(outcome) : text.warnings(outcome.warnings)
    if (outcome instanceof ControlError) this.#refused++
    else if (outcome.changed) this.#changed++
    process.stderr.write(lines.map((line) => `${printable(line)}\n`).join(''))
    const now = performance.now()
    if (!this.#progress || now - this.#saidAt < progressEveryMs) return
    this.#saidAt = now
    process.stderr.write(`${this.#done} of ${this.#all} zones\n`)
  }

  finish(): void {
    const same = this.#done - this.#changed - this.#refused
    const changed = this.#dryRun ? 'would change' : 'imported'
    process.stdout.write(
      `${this.#all} zones: ${this.#changed} ${changed}, ${same} the same already, ${this.#refused} refused\n`,
    )
    if (this.#refused > 0) process.exitCode = 1
  }
}
