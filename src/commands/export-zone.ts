import { createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { UsageError } from '../config.ts'
import { exportZone } from '../controlplane/zonefile/export.ts'
import { Spool } from '../controlplane/zonefile/spool.ts'
import { readApiServer } from './api-server.ts'
import { parseApex } from './import-zone.ts'
import { withOwnDatabase } from './migrate.ts'
import { getZonefile } from './zone-server.ts'

/** `pooldns export-zone APEX`: from the database, or from a running server, to standard output or a file. */
export async function exportZoneCommand(args: readonly string[]): Promise<void> {
  const { zone, output, flags } = parse(args)
  const server = readApiServer(flags, process.env)
  if (server !== null) return send(await getZonefile(server, zone), output)
  await using spool = await Spool.create(tmpdir())
  await withOwnDatabase(async (database) => {
    await exportZone(database, zone, (text) => spool.fill(text))
  })
  await send(spool.read(), output)
}

async function send(text: Readable, output: string): Promise<void> {
  if (output !== '-') return pipeline(text, createWriteStream(output))
  try {
    await pipeline(text, process.stdout, { end: false })
  } catch (error) {
    // Whoever reads it has seen enough.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
}

function parse(args: readonly string[]) {
  const options = {
    output: { type: 'string', short: 'o' },
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
    const [zone, ...more] = positionals
    if (zone === undefined) throw new UsageError('export-zone takes the APEX of a zone')
    if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many`)
    return { zone: parseApex(zone), output: values.output ?? '-', flags: values }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError((error as Error).message)
  }
}
