/**
 * From a TypeBox schema to a check whose findings a person can use: every problem at once, each with its path.
 *
 * TypeBox says what failed in terms of JSON Schema; here that becomes words. A schema helps by its `description`,
 * which for every scalar is a phrase that completes "must be ..." (the OpenAPI page shows the same phrase). Bodies are read by
 * forms (`forms.ts`), which ask for one scalar at a time; parameters and queries of the API are flat objects. Neither has
 * alternatives: "matches none of these" helps nobody.
 */
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import { Settings } from 'typebox/system'
import type { Problem } from '../model/errors.ts'
import { nearestWord } from '../model/nearest-word.ts'
import { joinPath } from './path.ts'

/** Bounds the problems that are reported of one input; the rest would help nobody. */
export const maxProblems = 1000

// Process-wide in TypeBox; its own default of 8 would hide most of a bad document.
Settings.Set({ maxErrors: maxProblems })

/** The problems of `value`, none when it fits. `path` is where the value stands in the whole input. */
type SchemaCheck = (value: unknown, path: string) => Problem[]

/** The check of one schema; make it once, when the module loads. It is compiled when it is used first: there are hundreds. */
export function compileCheck(schema: TSchema): SchemaCheck {
  let compiled: ReturnType<typeof Compile> | undefined
  return (value, path) => {
    compiled ??= Compile(schema)
    const validator = compiled
    if (validator.Check(value)) return []
    const [, errors] = validator.Errors(value)
    const problems = errors.flatMap((error) => describe(schema, value, path, error))
    // What was refused never comes out as fitting, whatever is not told of it.
    return problems.length > 0 ? problems : [{ path, message: 'is not acceptable' }]
  }
}

type SchemaError = ReturnType<ReturnType<typeof Compile>['Errors']>[1][number]

interface SchemaNode {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Record<string, unknown>
}

function describe(schema: TSchema, root: unknown, path: string, error: SchemaError): Problem[] {
  const { value, path: at } = follow(root, path, pointerSteps(error.instancePath))
  const node = schemaAt(schema, error.schemaPath)
  const here = (message: string) => [{ path: at, message }]
  switch (error.keyword) {
    case 'additionalProperties':
      return [] // each of them has been told of under the keyword `boolean`, of which a thousand fit
    case 'boolean': {
      const parent = schemaAt(schema, error.schemaPath.replace(/\/additionalProperties$/, ''))
      const [name = ''] = pointerSteps(error.instancePath).slice(-1)
      return here(unknownField(name, Object.keys(parent.properties ?? {})))
    }
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        path: joinPath(at, name),
        message: 'is required',
      }))
    case 'enum':
      return here(`must be one of ${error.params.allowedValues.map(String).join(', ')}, not ${show(value)}`)
    case '~refine':
      return here(error.params.message)
    case 'minItems':
      return here(`must have at least ${error.params.limit} ${error.params.limit === 1 ? 'item' : 'items'}`)
    case 'maxItems':
      return here(tooManyItems(error.params.limit))
    case 'minProperties':
      return here(
        `must have at least ${error.params.limit} ${error.params.limit === 1 ? 'entry' : 'entries'}`,
      )
    case 'maxProperties':
      return here(tooManyEntries(error.params.limit))
    default: {
      const hint = isQuotable(node.type, value) ? quoting : ''
      return here(`must be ${node.description ?? typePhrase(node.type)}, not ${show(value)}${hint}`)
    }
  }
}

/** Whether a value would be what is wanted if it stood between quotation marks: in YAML text may look like a number. */
export function isQuotable(type: string | readonly string[] | undefined, value: unknown): boolean {
  const types = [type ?? []].flat()
  return types.join() === 'string' && (typeof value === 'number' || typeof value === 'boolean')
}

export const quoting = ': put it in quotation marks'

export function tooManyItems(most: number | undefined): string {
  return `must have at most ${most} items`
}

export function tooManyEntries(most: number | undefined): string {
  return `must have at most ${most} entries`
}

/** What is said of a field that an object can't have. */
export function unknownField(name: string, known: readonly string[]): string {
  // Of a letter or two every other word is near.
  const nearest = name.length < 3 ? null : nearestWord(name, known)
  const hint = nearest === null ? '' : `; did you mean ${nearest}?`
  return `unknown field ${show(name)}, known here: ${known.join(', ')}${hint}`
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typePhrase(type: SchemaNode['type']): string {
  switch (type) {
    case 'object':
      return 'an object'
    case 'array':
      return 'a list'
    case 'integer':
      return 'a whole number'
    case 'boolean':
      return 'true or false'
    default:
      return `a ${String(type ?? 'valid value')}`
  }
}

/** A value for a message: short, and by its kind when it is not a scalar. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value))
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  // Of a body that is empty, or of a field that is not there.
  if (value === undefined) return 'nothing'
  return String(value)
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function pointerSteps(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function follow(root: unknown, path: string, steps: readonly string[]): { value: unknown; path: string } {
  let value = root
  for (const step of steps) {
    path = joinPath(path, Array.isArray(value) ? Number(step) : step)
    value = (value as Record<string, unknown> | null)?.[step]
  }
  return { value, path }
}

function schemaAt(schema: TSchema, schemaPath: string): SchemaNode {
  let node: unknown = schema
  for (const step of pointerSteps(schemaPath)) node = (node as Record<string, unknown> | undefined)?.[step]
  return (node ?? {}) as SchemaNode
}
