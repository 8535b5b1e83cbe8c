import type { Config } from '../config.ts'
import type { Database } from '../controlplane/store/database.ts'
import type { Announce } from './announce.ts'

/** What every part stands on. */
export interface Ground {
  readonly config: Config
  readonly database: Database
  /** Id of this node. */
  readonly nodeId: string
  readonly announce: Announce
  /** Aborts when the stop begins. */
  readonly signal: AbortSignal
}
