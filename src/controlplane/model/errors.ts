/** One thing that is wrong with an input, and where: a JSON path such as `pools.web.members.a.address`. */
export interface Problem {
  readonly path: string
  readonly message: string
}

export const errorCodes = ['invalid', 'forbidden', 'not-found', 'conflict', 'stale', 'unavailable'] as const
export type ErrorCode = (typeof errorCodes)[number]

/**
 * What the control plane refuses, or can't do now, in terms of the domain. `api/` turns the code into an HTTP
 * status in one place: invalid 400, forbidden 403, not-found 404, conflict 409, stale 412, unavailable 503.
 */
export class ControlError extends Error {
  readonly code: ErrorCode
  readonly problems: readonly Problem[]
  /** Whether a change may have been made all the same: COMMIT was sent, and no answer came. */
  readonly mayHaveChanged: boolean

  constructor(
    code: ErrorCode,
    message: string,
    options: { problems?: readonly Problem[]; cause?: unknown; mayHaveChanged?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'ControlError'
    this.code = code
    this.problems = options.problems ?? []
    this.mayHaveChanged = options.mayHaveChanged ?? false
  }
}

/** Whether the database, or whatever else was asked, can't be had now; waiting may help, which it does for no other error. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof ControlError && error.code === 'unavailable'
}
