/**
 * Turns what the driver throws into what the control plane speaks. Three families: the database can't be used now
 * (`unavailable`), it refused the data (`conflict`, `invalid`), and everything else, which is a bug here and passes
 * unchanged.
 */
import pg from 'pg'
import { ControlError, isUnavailable } from '../model/errors.ts'
import { withoutAdvice } from '../model/reason.ts'

/** Codes of Node's network errors that mean "no connection now". */
const networkCodes =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(HOST|NET)(UNREACH|DOWN)|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES|EADDRNOTAVAIL|EMFILE)$/

/** What pg and pg-pool say, without a code, when the connection is gone, too slow or not to be had. */
const connectionMessages =
  /connection terminated|timeout exceeded|query read timeout|connection error|not queryable|after calling end on the pool|client was closed|does not support ssl|error response to ssl|socket (hang up|disconnected)|stream (was )?destroyed|write after end|timeout expired|unexpected.*authentication|sasl|certificate/i

/** SQLSTATEs (PostgreSQL, appendix A) that say that the server, not the statement, is the trouble. */
const unavailableStates =
  /^(08...|28...|3D000|3F000|53...|57P0.|57014|55P03|40...|25006|25P0[234]|42501|42P01|58...|XX001|XX002)$/

/** Those of them that came over a working connection to a working server: of 53200 one statement had no room, for its locks mostly. */
const busyStates = new Set(['57014', '55P03', '40001', '40P01', '53200'])

/** True when the error means that the connection it came over must not be used again. */
export function breaksConnection(error: unknown): boolean {
  const root = rootOf(error)
  const cause = root instanceof ControlError ? root.cause : root
  if (cause instanceof pg.DatabaseError)
    return cause.severity !== 'ERROR' || /^(08|57P)/.test(cause.code ?? '')
  return isConnectionFailure(cause)
}

/** True when a statement was not run because one before it in the transaction had failed. */
export function isAborted(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '25P02'
}

/** True when the server takes no writes: a standby, or one that was told so. */
export function takesNoWrites(error: unknown): boolean {
  const cause = rootOf(error)
  return cause instanceof pg.DatabaseError && cause.code === '25006'
}

/** True when a table or a schema is not there. */
export function lacksTables(error: unknown): boolean {
  const cause = rootOf(error)
  return cause instanceof pg.DatabaseError && (cause.code === '42P01' || cause.code === '3F000')
}

/** SQLSTATEs of a statement that names what the schema does not have, or has otherwise. */
const schemaStates = new Set(['42703', '42P01', '42704', '42883', '42804', '42846', '3F000'])

/** True when a statement does not fit the schema. */
export function meetsOtherSchema(error: unknown): boolean {
  const cause = rootOf(error)
  return cause instanceof pg.DatabaseError && schemaStates.has(cause.code ?? '')
}

/** True when a row was for a stretch of time that its table has no part for. By where it was raised: messages are translated. */
export function meansNoPart(error: unknown): boolean {
  const root = rootOf(error)
  const cause = root instanceof ControlError ? root.cause : root
  return cause instanceof pg.DatabaseError && cause.code === '23514' && cause.routine === 'ExecFindPartition'
}

/** True when the error says that the database as a whole can't be used, not only this attempt. */
export function meansDown(error: unknown): boolean {
  const cause = rootOf(error)
  if (cause instanceof ControlError) return isUnavailable(cause)
  if (cause instanceof pg.DatabaseError) {
    const isBusy = busyStates.has(cause.code ?? '') && cause.severity === 'ERROR'
    return saysUnavailable(cause) && !isBusy
  }
  return isConnectionFailure(cause)
}

/** The error of a transaction whose COMMIT was sent: when no answer came, nobody can say whether it was heard. */
export function unknownOutcome(error: unknown): unknown {
  const told = toControlError(error)
  if (!breaksConnection(error) || !(told instanceof ControlError)) return error
  const message = `${told.message}; whether the change was made is not known`
  return new ControlError(told.code, message, { cause: error, mayHaveChanged: true })
}

/** Whether other writes would wait for nothing as this one did: the server does not answer, or somebody holds a lock. */
export function holdsUpWrites(error: unknown): boolean {
  const cause = error instanceof ControlError ? (error.cause ?? error) : error
  return meansDown(cause) || isLockTimeout(cause)
}

/** Whether a lock was not given in the time that there was for it. */
export function isLockTimeout(error: unknown): boolean {
  const cause = rootOf(error instanceof ControlError ? error.cause : error)
  return cause instanceof pg.DatabaseError && cause.code === '55P03'
}

/** A `ControlError` for what the database did, or the error itself when it is neither weather nor bad data. */
export function toControlError(error: unknown): unknown {
  const cause = rootOf(error)
  if (cause instanceof ControlError) return cause
  if (cause instanceof pg.DatabaseError) return fromServer(cause)
  if (isConnectionFailure(cause)) {
    return new ControlError('unavailable', `the database is not available: ${reasonOf(cause)}`, { cause })
  }
  return error
}

/** One line that says what is wrong, for a log or a status. Never holds the password: no driver message does. */
export function reasonOf(error: unknown): string {
  const cause = rootOf(error)
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(reasonOf).join('; ')
  if (cause instanceof Error) return withoutAdvice(cause.message) || cause.name
  return String(cause)
}

/** What the driver threw. Drizzle wraps it in an error whose message is the whole statement, parameters and all. */
export function rootOf(error: unknown): unknown {
  let root = error
  while (root instanceof Error && root.constructor.name === 'DrizzleQueryError' && root.cause !== undefined) {
    root = root.cause
  }
  return root
}

function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof pg.DatabaseError || error instanceof ControlError)
    return false
  if (error instanceof AggregateError && error.errors.some(isConnectionFailure)) return true
  const code = (error as NodeJS.ErrnoException).code
  return networkCodes.test(code ?? '') || connectionMessages.test(error.message)
}

function saysUnavailable(error: pg.DatabaseError): boolean {
  return unavailableStates.test(error.code ?? '')
}

function fromServer(error: pg.DatabaseError): unknown {
  const { code = '' } = error
  if (saysUnavailable(error)) {
    // Messages are translated, names of settings are not.
    const why = /max_locks_per_transaction/.test(error.hint ?? '')
      ? 'the database has no room for more locks: its max_locks_per_transaction may be raised'
      : `the database is not available: ${error.message}`
    return new ControlError('unavailable', why, { cause: error })
  }
  if (code === '23505' || code === '23P01' || code === '23503')
    return refused('conflict', error, error.detail)
  if (code.startsWith('23') || code.startsWith('22') || code === '21000')
    return refused('invalid', error, undefined)
  return error
}

// The detail of a violated check is the whole row, which is nobody's business; that of a key is the key.
function refused(
  code: 'conflict' | 'invalid',
  error: pg.DatabaseError,
  detail: string | undefined,
): ControlError {
  const path = error.column ?? error.constraint ?? error.table ?? ''
  return new ControlError(code, `the database refused the change: ${error.message}`, {
    problems: [{ path, message: detail ?? error.message }],
    cause: error,
  })
}
