import type { KeyMaker } from '../model/dnssec.ts'
import type { Expected } from './identity.ts'

/** What a `Database` is opened with. */
export interface DatabaseOptions {
  /** `postgres://` URL of one server or several; null for the embedded database in `dataDir/db`. */
  readonly url: string | null
  readonly dataDir: string
  /** How long to wait for a process that is about to end to let go of the data directory; not at all when left out. */
  readonly lockPatienceMs?: number
  /** Whether each commit in the embedded database waits until it is on disk; true when left out. */
  readonly sync?: boolean
  /** How long an entry of the audit log stays at least; 90 days when left out. */
  readonly auditRetentionMs?: number
  /** What is known of the database. While it is empty all the same, or another one, no change is taken. Left out: nothing. */
  readonly expected?: () => Expected
  /** Makes the keys of zones that are to be signed; none can be made when left out. */
  readonly keys?: KeyMaker
  /** Called when the database is lost, and at each failed attempt of `ready`. The reason is one line, no password in it. */
  readonly onUnavailable?: (reason: string) => void
  /** Called when it is there again, and the first time that it is. */
  readonly onAvailable?: () => void
  /** Called with the latest migration when the schema turns out to be of a newer version, and with null when it is so no more. */
  readonly onNewerSchema?: (latest: string | null) => void
  /** Called every ten seconds while a migration lasts: its tag, and for how long it has. */
  readonly onMigrating?: (tag: string, seconds: number) => void
  /** Called when a change was made of which so many parts were too much for the history. */
  readonly onNotKept?: (parts: number) => void
  /** Called when the thread of the embedded one died, hung or was given up; its next use starts another. */
  readonly onDeath?: (reason: string) => void
}
