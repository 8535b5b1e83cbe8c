import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { UsageError } from '../config.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { importZone } from '../controlplane/zonefile/import.ts'
import { Spool } from '../controlplane/zonefile/spool.ts'
import { parseHostname } from '../dataplane/wire/name.ts'
import { TextError } from '../dataplane/wire/text-error.ts'
import { readApiServer } from './api-server.ts'
import { withOwnDatabase } from './migrate.ts'
import { type PlacedWarning, putZonefile } from './zone-server.ts'

/** Who the audit log says it was: whoever may open the database. */
const actor = 'command line'

const progressEveryMs = 1000

interface Outcome {
  readonly changed: boolean
  readonly serial: number
  readonly rrsets: number
  readonly warnings: readonly PlacedWarning[]
}

/**
 * `pooldns import-zone FILE --zone APEX`: into the database, or by a running server. Problems go to standard error, one a
 * line, and end it with 1; so do warnings, which don't.
 */
export async function importZoneCommand(args: readonly string[]): Promise<void> {
  const { file, zone, dryRun, progress, flags } = parse(args)
  const server = readApiServer(flags, process.env)
  const name = file === '-' ? 'standard input' : file
  const shown = new Progress(name, progress ?? process.stderr.isTTY === true)
  try {
    const { source, regular } = await openFile(file, shown)
    let outcome: Outcome | undefined
    if (server !== null) {
      outcome = (await putZonefile(server, zone, source, dryRun)).status
    } else {
      await withOwnDatabase(async (database) => {
        // A transaction doesn't wait for whoever writes to a pipe.
        await using spool = regular ? null : await Spool.create(tmpdir())
        await spool?.fill(source)
        const done = await importZone(database, {
          apex: zone,
          source: spool?.read() ?? source,
          actor,
          condition: {},
          dryRun,
          onProgress: (rrs) => shown.stored(rrs),
        })
        outcome = { ...done, serial: done.zone.serial }
      })
    }
    shown.end()
    for (const line of outcome!.warnings.map((warning) => warningLine(file, warning))) {
      process.stderr.write(`${line}\n`)
    }
    process.stdout.write(`${summary(zone, outcome!, dryRun)}\n`)
  } catch (error) {
    shown.end()
    if (!(error instanceof ControlError) || error.problems.length === 0) throw error
    for (const { path, message } of error.problems) {
      process.stderr.write(`${problemLine(file, path, message)}\n`)
    }
    process.exitCode = 1
  }
}

function summary(zone: string, { changed, serial, rrsets }: Outcome, dryRun: boolean): string {
  const state = `${rrsets} RRsets, serial ${serial}`
  if (dryRun) return `zone ${zone} ${changed ? 'would change' : 'would stay as it is'}: ${state}`
  return `zone ${zone} ${changed ? 'is imported' : 'is the same already'}: ${state}`
}

/** `FILE:LINE:COLUMN: owner TYPE: message`, as editors know it. */
function problemLine(file: string, path: string, message: string): string {
  const place = /^line (\d+), column (\d+)$/.exec(path)
  if (place !== null) return `${file}:${place[1]}:${place[2]}: ${message}`
  return `${file}: ${path === '' ? '' : `${path}: `}${message}`
}

function warningLine(file: string, { line, column, owner, type, message }: PlacedWarning): string {
  return `${file}:${line ?? 1}:${column ?? 1}: warning: ${owner} ${type}: ${message}`
}

async function openFile(file: string, progress: Progress) {
  if (file === '-') return { source: progress.watch(process.stdin, null), regular: false }
  const found = await stat(file)
  const regular = found.isFile()
  return { source: progress.watch(createReadStream(file), regular ? found.size : null), regular }
}

/** One line on standard error, each second. */
class Progress {
  readonly #name: string
  readonly #timer: NodeJS.Timeout | undefined
  #octets = 0
  #size: number | null = null
  #rrs = 0

  constructor(name: string, enabled: boolean) {
    this.#name = name
    if (enabled) this.#timer = setInterval(() => this.#print(), progressEveryMs)
  }

  async *watch(source: AsyncIterable<Uint8Array>, size: number | null): AsyncGenerator<Uint8Array> {
    this.#size = size
    for await (const chunk of source) {
      this.#octets += chunk.length
      yield chunk
    }
  }

  stored(rrs: number): void {
    this.#rrs = rrs
  }

  end(): void {
    clearInterval(this.#timer)
  }

  #print(): void {
    const size = this.#size
    const part = size === null || size === 0 ? '' : `, ${Math.floor((100 * this.#octets) / size)} %`
    const rrs = this.#rrs === 0 ? '' : `, ${this.#rrs} RRs`
    const megabytes = (this.#octets / 1e6).toFixed(1)
    process.stderr.write(`${this.#name}: ${megabytes} MB read${part}${rrs}\n`)
  }
}

function parse(args: readonly string[]) {
  const options = {
    zone: { type: 'string' },
    'dry-run': { type: 'boolean' },
    progress: { type: 'boolean' },
    server: { type: 'string' },
    token: { type: 'string' },
  } as const
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    })
    const [file, ...more] = positionals
    if (file === undefined) throw new UsageError('import-zone takes a FILE, - for standard input')
    if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many`)
    if (values.zone === undefined) throw new UsageError('import-zone needs --zone APEX')
    return {
      file,
      zone: parseApex(values.zone),
      dryRun: values['dry-run'] ?? false,
      progress: values.progress,
      flags: values,
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError((error as Error).message)
  }
}

/** @throws UsageError */
export function parseApex(text: string): string {
  try {
    return parseHostname(text)
  } catch (error) {
    if (error instanceof TextError) throw new UsageError(`the zone: ${error.message}`)
    throw error
  }
}
