/** What transactions begin with: their time limits, and a look at the schema, in the message with BEGIN. */
import { readSchema } from './schema-version.ts'

const statementTimeoutMs = 15_000
/** How long to wait for the revision lock, or a row. Whoever waits behind in this process then fails with it. */
const lockTimeoutMs = 4_000
/** How long a transaction may rest. What holds the revision lock and is gone, holds up all others. */
const idleTimeoutMs = 8_000

/** The limit of a statement that may touch every RRset of a large zone. */
export const longTimeoutMs = 600_000

/** How values are printed: a database, or a role, may have been told to print dates for people, or numbers that don't read back equal. */
const printed = ['set local datestyle = iso', 'set local extra_float_digits = 1']

export const readOnly = 'isolation level repeatable read read only'
export const readCommitted = 'isolation level read committed'

/**
 * Several statements in one text.
 *
 * @param first a statement before the look at the schema: of one that takes a lock, a migration that came first is seen then
 */
export function beginOf(
  kind: 'postgres' | 'embedded',
  mode: typeof readOnly | typeof readCommitted,
  { timeoutMs = statementTimeoutMs, first }: { timeoutMs?: number; first?: string } = {},
): string {
  const behind = [...(first === undefined ? [] : [first]), readSchema]
  // PGlite has no timers to end a statement by, and nobody to share its locks with.
  if (kind === 'embedded') return [`begin ${mode}`, ...behind].join('; ')
  const idleMs = timeoutMs > statementTimeoutMs ? timeoutMs : idleTimeoutMs
  return [
    `begin ${mode}`,
    `set local statement_timeout = ${timeoutMs}`,
    `set local lock_timeout = ${Math.max(lockTimeoutMs, timeoutMs / 10)}`,
    `set local idle_in_transaction_session_timeout = ${idleMs}`,
    ...printed,
    ...behind,
  ].join('; ')
}
