import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { exportZone } from '../controlplane/zonefile/export.ts'
import { Spool } from '../controlplane/zonefile/spool.ts'
import { umaskOfUser } from '../umask.ts'
import type { ApiClient } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { withOwnDatabase } from './own-database.ts'
import { serverOptions, serverOrDatabase, theServer } from './server-choice.ts'
import { parseApex, zonefilePath } from './zone-files.ts'

/** `pooldns export-zone APEX`: from the database, or from a running server, to standard output or a file. */
export const exportZoneCommand = defineCommand({
  arguments: { apex: { summary: 'the name of the zone' } },
  options: {
    output: {
      type: 'string',
      value: 'FILE',
      short: 'o',
      summary: 'where to; standard output else',
      completes: 'file',
    },
    signed: {
      type: 'boolean',
      summary: 'as the server answers with it, with all signatures; takes a running server',
    },
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns export-zone example.org -o example.org.zone', does: 'the zone as a master file' },
    {
      line: 'pooldns export-zone example.org --signed -o example.org.signed',
      does: 'the same with all that signing adds, for tools that check it',
    },
  ],
  notes:
    'Without a server it opens the database itself: that of DATABASE_URL, or the embedded one of a server that is stopped.',
  async run({ apex }, { output = '-', signed = false, ...given }) {
    const zone = parseApex(apex)
    const server = signed ? theServer(given, process.env) : serverOrDatabase(given, process.env)
    if (server !== null) return send(await getZonefile(server, zone, signed), output)
    await using spool = await Spool.create(tmpdir())
    await withOwnDatabase(async (database) => {
      await exportZone(database, zone, (text) => spool.fill(text))
    })
    await send(spool.read(), output)
  },
})

/** The text of a zone, as it comes. */
async function getZonefile(server: ApiClient, apex: string, signed: boolean): Promise<Readable> {
  const { body } = await server.ask(`${zonefilePath(apex)}${signed ? '?signed=true' : ''}`)
  return body === null ? Readable.from([]) : Readable.fromWeb(body as ReadableStream)
}

async function send(text: Readable, output: string): Promise<void> {
  if (output !== '-') return pipeline(text, (await openOutput(output)).createWriteStream())
  try {
    await pipeline(text, process.stdout, { end: false })
  } catch (error) {
    // Whoever reads it has seen enough.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
}

/** A new file has the mode that its user wants files to have; one that is there keeps its own. */
async function openOutput(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, 'wx')
    // Some file systems have no modes.
    await file.chmod(0o666 & ~umaskOfUser).catch(() => undefined)
    return file
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return open(path, 'w')
  }
}
