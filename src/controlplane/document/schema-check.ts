/**
 * From a TypeBox schema to a check whose findings a person can use: every problem at once, each with its path.
 *
 * TypeBox says what failed in terms of JSON Schema; here that becomes words. A schema helps by its `description`,
 * which for every scalar is a phrase that completes "must be ..." (the OpenAPI page shows the same phrase), and by
 * `x-reserved`, words of the format that this version does not have yet. Unions are avoided in our schemas: "matches
 * none of these alternatives" helps nobody; a refinement over the value says it better.
 */
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Settings } from 'typebox/system'
import type { Problem } from '../errors.ts'
import { joinPath } from './path.ts'

/** Bounds the problems that are reported of one input; the rest would help nobody. */
export const maxProblems = 1000

// Process-wide in TypeBox; its own default of 8 would hide most of a bad document.
Settings.Set({ maxErrors: maxProblems })

/** The problems of `value`, none when it fits. `path` is where the value stands in the whole input. */
export type SchemaCheck = (value: unknown, path: string) => Problem[]

/** Compiles the check of one schema; do it once, when the module loads. */
export function compileCheck(schema: TSchema): SchemaCheck {
  const validator = Compile(schema)
  return (value, path) => {
    if (validator.Check(value)) return []
    return validator.Errors(value).flatMap((error) => describe(schema, value, path, error))
  }
}

type SchemaError = ReturnType<ReturnType<typeof Compile>['Errors']>[number]

interface SchemaNode {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Record<string, unknown>
  readonly 'x-reserved'?: readonly string[]
}

function describe(schema: TSchema, root: unknown, path: string, error: SchemaError): Problem[] {
  const { value, path: at } = follow(root, path, pointerSteps(error.instancePath))
  const node = schemaAt(schema, error.schemaPath)
  const here = (message: string) => [{ path: at, message }]
  switch (error.keyword) {
    case 'boolean':
      return [] // the shadow of an additionalProperties error
    case 'additionalProperties': {
      const known = Object.keys(node.properties ?? {}).join(', ')
      return error.params.additionalProperties.map((name) => ({
        path: joinPath(at, name),
        message: `unknown field ${JSON.stringify(shorten(name))}, known here: ${known}`,
      }))
    }
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        path: joinPath(at, name),
        message: 'is required',
      }))
    case 'enum':
      return here(enumMessage(error.params.allowedValues, value, node))
    case '~refine':
      return here(error.params.message)
    case 'minItems':
      return here(`must have at least ${error.params.limit} ${error.params.limit === 1 ? 'item' : 'items'}`)
    case 'maxItems':
      return here(`must have at most ${error.params.limit} items`)
    case 'maxProperties':
      return here(`must have at most ${error.params.limit} entries`)
    default:
      return here(`must be ${node.description ?? typePhrase(node.type)}, not ${show(value)}`)
  }
}

function enumMessage(allowed: readonly unknown[], value: unknown, node: SchemaNode): string {
  const words = allowed.map(String).join(', ')
  if (typeof value === 'string' && node['x-reserved']?.includes(value)) {
    return `"${value}" is not supported by this version, which has: ${words}`
  }
  return `must be one of ${words}, not ${show(value)}`
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
