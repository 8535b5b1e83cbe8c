import { tmpdir } from 'node:os'
import { Readable } from 'node:stream'
import { UsageError } from '../config.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { importZone } from '../controlplane/zonefile/import.ts'
import { Spool } from '../controlplane/zonefile/spool.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { type ImportStatus, Progress, summary } from './import-zone-text.ts'
import { author, withOwnDatabase } from './own-database.ts'
import { serverOptions, serverOrDatabase } from './server-choice.ts'
import { importOptions, parseApex, putZonefile } from './zone-files.ts'
import { ZoneText } from './zone-text.ts'

interface Order {
  readonly file: string
  readonly zone: string
  readonly dryRun: boolean
}

/**
 * `pooldns import-zone FILE --zone APEX`: into the database, or by a running server. Problems go to standard error, one a
 * line, and end it with 1; so do warnings, which don't.
 */
export const importZoneCommand = defineCommand({
  arguments: { file: { summary: 'a master file, - for standard input', completes: 'file' } },
  options: {
    zone: { type: 'string', value: 'APEX', summary: 'the zone that it becomes, or replaces' },
    ...importOptions,
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns import-zone example.org.zone --zone example.org --dry-run',
      does: 'what would change, and every mistake by line and column',
    },
    {
      line: 'pooldns import-zone - --zone example.org --server http://127.0.0.1:3000 < example.org.zone',
      does: 'by a running server',
    },
  ],
  notes:
    'Without a server it opens the database itself: that of DATABASE_URL, or the embedded one of a server that is stopped.',
  async run({ file }, { zone, dryRun = false, progress, ...given }) {
    if (zone === undefined) throw new UsageError('import-zone needs --zone APEX')
    await importFile({ file, zone: parseApex(zone), dryRun }, serverOrDatabase(given, process.env), progress)
  },
})

async function importFile(order: Order, server: ApiClient | null, asked: boolean | undefined): Promise<void> {
  await using text = await ZoneText.open(order.file, order.zone)
  using progress = new Progress(
    order.file === '-' ? 'standard input' : order.file,
    asked ?? process.stderr.isTTY === true,
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
      by: author,
      condition: {},
      dryRun,
      onProgress: (rrs) => progress.stored(rrs),
    })
    return { ...done, serial: done.zone.serial }
  })
}
