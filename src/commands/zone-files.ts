/** What the commands for master files have in common. */
import type { Readable } from 'node:stream'
import { UsageError } from '../config.ts'
import { parseHostname } from '../dataplane/wire/name.ts'
import { TextError } from '../dataplane/wire/text-error.ts'
import type { ApiClient } from './api-client.ts'
import type { ImportStatus } from './import-zone-text.ts'

/** Of both commands that import. */
export const importOptions = {
  dryRun: { type: 'boolean', summary: 'change nothing, and say what would be' },
  progress: { type: 'boolean', summary: 'say how far it is, also where standard error is no terminal' },
} as const

/** @throws UsageError */
export function parseApex(text: string): string {
  try {
    return parseHostname(text)
  } catch (error) {
    if (error instanceof TextError) throw new UsageError(`the zone: ${error.message}`)
    throw error
  }
}

/** Where the API has the text of a zone. */
export function zonefilePath(apex: string): string {
  // A path segment of `.` is taken out by whoever makes a URL of it (RFC 3986 section 5.2.4).
  return `/v1/zones/${apex === '.' ? '@' : encodeURIComponent(apex)}/zonefile`
}

/** @throws ControlError with the problems that the server tells */
export async function putZonefile(
  server: ApiClient,
  apex: string,
  body: Readable,
  dryRun: boolean,
): Promise<ImportStatus> {
  const response = await server.ask(`${zonefilePath(apex)}${dryRun ? '?dryRun=true' : ''}`, {
    method: 'PUT',
    headers: { 'content-type': 'text/dns' },
    body,
    duplex: 'half',
  })
  return ((await response.json()) as { readonly status: ImportStatus }).status
}
