import { tmpdir } from 'node:os'
import { Readable } from 'node:stream'
import { parseWords, UsageError } from '../config.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { importZone } from '../controlplane/zonefile/import.ts'
import { Spool } from '../controlplane/zonefile/spool.ts'
import { printable } from '../terminal-text.ts'
import { namedServer, serverFlags } from './api-client.ts'
import { type ImportStatus, Progress, summary } from './import-zone-text.ts'
import { actor, withOwnDatabase } from './own-database.ts'
import { parseApex, putZonefile } from './zone-files.ts'
import { ZoneText } from './zone-text.ts'

const flags = {
  ...serverFlags,
  zone: { type: 'string' },
  'dry-run': { type: 'boolean' },
  progress: { type: 'boolean' },
} as const

interface Order {
  readonly file: string
  readonly zone: string
  readonly dryRun: boolean
}

/**
 * `pooldns import-zone FILE --zone APEX`: into the database, or by a running server. Problems go to standard error, one a
 * line, and end it with 1; so do warnings, which don't.
 */
export async function importZoneCommand(args: readonly string[]): Promise<void> {
  const { values, words } = parseWords(args, flags, 1)
  const order = toOrder(words, values)
  const server = namedServer(values, process.env)
  await using text = await ZoneText.open(order.file, order.zone)
  using progress = new Progress(
    order.file === '-' ? 'standard input' : order.file,
    values.progress ?? process.stderr.isTTY === true,
  )
  const say = (lines: readonly string[]) =>
    lines.forEach((line) => void process.stderr.write(`${printable(line)}\n`))
  try {
    const source = progress.watch(text.read(), text.octets)
    const done = await (server === null
      ? importHere(order, source, text.octets !== null, progress)
      : putZonefile(server, order.zone, Readable.from(source, { objectMode: false }), order.dryRun))
    progress[Symbol.dispose]()
    say(text.warnings(done.warnings))
    process.stdout.write(`${printable(summary(order.zone, done, order.dryRun))}\n`)
  } catch (error) {
    if (!(error instanceof ControlError) || error.problems.length === 0) throw error
    progress[Symbol.dispose]()
    say(text.problems(error))
    process.exitCode = 1
  }
}

function toOrder(
  [file]: readonly string[],
  { zone, 'dry-run': dryRun = false }: { readonly zone?: string; readonly 'dry-run'?: boolean },
): Order {
  if (file === undefined) throw new UsageError('import-zone takes a FILE, - for standard input')
  if (zone === undefined) throw new UsageError('import-zone needs --zone APEX')
  return { file, zone: parseApex(zone), dryRun }
}

/** @param regular whether the source is a file, which waits for nobody */
async function importHere(
  { zone, dryRun }: Order,
  source: AsyncIterable<Uint8Array>,
  regular: boolean,
  progress: Progress,
): Promise<ImportStatus> {
  return withOwnDatabase(async (database) => {
    // A transaction doesn't wait for whoever writes to a pipe.
    await using spool = regular ? null : await Spool.create(tmpdir())
    await spool?.fill(source)
    const done = await importZone(database, {
      apex: zone,
      source: spool?.read() ?? source,
      actor,
      condition: {},
      dryRun,
      onProgress: (rrs) => progress.stored(rrs),
    })
    return { ...done, serial: done.zone.serial }
  })
}
