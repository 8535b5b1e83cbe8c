/**
 * The configuration as it is inside the control plane: parsed once at an edge (the document, an API body, a
 * database row) into values that can't be wrong any more. Times are milliseconds or seconds and say so; names
 * are lower-cased; addresses are canonical text. The external form (durations as `10s`, maps by name) lives in
 * `document/`, the rows in `store/`; both convert to and from these types. Each kind has its file beside this one.
 */
import type { Feed } from './feed.ts'
import type { Monitor } from './monitor.ts'
import type { Pool } from './pool.ts'
import type { Service } from './service.ts'
import type { Zone } from './zone.ts'

/** The whole configuration; what one document holds. Absent kinds are empty. */
export interface Configuration {
  readonly feeds: readonly Feed[]
  readonly monitors: readonly Monitor[]
  readonly pools: readonly Pool[]
  readonly services: readonly Service[]
  readonly zones: readonly Zone[]
}
