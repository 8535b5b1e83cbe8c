/**
 * The document as text. JSON is YAML, so that one reader serves both. Bounded on purpose: a document comes from a
 * pipeline or a person, and a few bytes of aliases must not become gigabytes of objects.
 */
import { parseDocument as parseYaml, type YAMLParseError, type YAMLWarning } from 'yaml'
import type { Problem } from '../model/errors.ts'
import { type ConfigurationResult, parseConfiguration } from './configuration.ts'

/** Most times that aliases may be resolved, counted with those inside of them. */
const maxAliasCount = 100

/** Reads a document of YAML or JSON. Problems of syntax name line and column; those of content, a path. */
export function parseDocument(text: string): ConfigurationResult {
  try {
    const document = parseYaml(text, { uniqueKeys: true, strict: true, prettyErrors: true })
    const complaints = [...document.errors, ...document.warnings]
    if (complaints.length > 0) return { ok: false, problems: complaints.map(syntaxProblem) }
    return parseConfiguration(document.toJS({ maxAliasCount }))
  } catch (error) {
    // toJS throws on too many aliases and on an alias without an anchor; nesting without end exhausts the stack.
    if (error instanceof RangeError) {
      return { ok: false, problems: [{ path: '', message: 'the document is nested too deeply' }] }
    }
    if (error instanceof ReferenceError) {
      return { ok: false, problems: [{ path: '', message: error.message }] }
    }
    throw error
  }
}

function syntaxProblem(error: YAMLParseError | YAMLWarning): Problem {
  // The rest of the library's message is an excerpt of the source with a caret, for a terminal.
  const message = (error.message.split('\n')[0] ?? '').replace(/:$/, '')
  const at = error.linePos?.[0]
  const known = at === undefined || message.includes(`line ${at.line}`)
  return { path: '', message: known ? message : `${message} at line ${at.line}, column ${at.col}` }
}
