/** What `import-zone` and `export-zone` have in common. */
import { UsageError } from '../config.ts'
import { parseHostname } from '../dataplane/wire/name.ts'
import { TextError } from '../dataplane/wire/text-error.ts'

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
  return `/v1/zones/${encodeURIComponent(apex)}/zonefile`
}
