/**
 * Rows hold fragments of the document, which the document's own parsers read. One that somebody edited by hand may not be a
 * fragment any more: a read by name says so, and those who read everything are told and go on with the rest.
 */
import { ControlError, type Problem } from '../model/errors.ts'

/** Told of what can't be read; whatever was to be read is then left out, or has its defaults. */
export type OnBad = (message: string) => void

/** @param what such as `monitor web` */
export function unreadable(what: string, problems: readonly Problem[]): ControlError {
  const [first] = problems
  const where = first === undefined || first.path === '' ? '' : `${first.path} `
  const message = `the settings of ${what} in the database can't be read: ${where}${first?.message}`
  return new ControlError('invalid', message, { problems })
}
