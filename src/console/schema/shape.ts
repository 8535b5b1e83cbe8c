/**
 * What a form needs to know of a JSON schema, such as those of the API's OpenAPI document: of each place whether it takes a text, a
 * word of several, an object, a map, a list, or one of these. The server alone judges what is in it.
 */
export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly oneOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: boolean | Schema
  readonly description?: string
}

export type Schemas = Readonly<Record<string, Schema>>

export interface Alternative {
  readonly name: string
  readonly schema: Schema
}

export type Shape =
  | { readonly kind: 'text'; readonly isNumber: boolean; readonly isText: boolean }
  | { readonly kind: 'words'; readonly words: readonly unknown[] }
  | {
      readonly kind: 'object'
      readonly fields: readonly (readonly [name: string, schema: Schema])[]
      readonly required: ReadonlySet<string>
    }
  | { readonly kind: 'map'; readonly of: Schema }
  | { readonly kind: 'list'; readonly of: Schema }
  | { readonly kind: 'either'; readonly of: readonly Alternative[] }

/** The schema that a reference stands for, or itself. */
export function resolved(schema: Schema, schemas: Schemas): Schema {
  const name = schema.$ref?.split('/').at(-1)
  const found = name === undefined ? undefined : schemas[name]
  return found === undefined
    ? schema
    : { ...found, ...(schema.description && { description: schema.description }) }
}

export function shapeOf(schema: Schema, schemas: Schemas): Shape {
  const { type, properties, items, additionalProperties, oneOf, ...rest } = resolved(schema, schemas)
  if (oneOf !== undefined) {
    const of = oneOf.map((each) => ({ name: nameOf(each, schemas), schema: each }))
    return { kind: 'either', of }
  }
  if (rest.enum !== undefined) return { kind: 'words', words: rest.enum }
  if (rest.const !== undefined) return { kind: 'words', words: [rest.const] }
  if (type === 'boolean') return { kind: 'words', words: [true, false] }
  if (properties !== undefined) {
    // What the server tells beside is nothing that one writes.
    const fields = Object.entries(properties).filter(([name]) => name !== 'status')
    return { kind: 'object', fields, required: new Set(rest.required) }
  }
  if (typeof additionalProperties === 'object') return { kind: 'map', of: additionalProperties }
  if (items !== undefined) return { kind: 'list', of: items }
  const types = [type].flat()
  const isNumber = types.includes('integer') || types.includes('number')
  return { kind: 'text', isNumber, isText: !isNumber || types.includes('string') }
}

/** What tells an alternative from the others: the word that its `type` is, or what kind of thing it is. */
function nameOf(schema: Schema, schemas: Schemas): string {
  const { properties, type } = resolved(schema, schemas)
  const word = properties?.type === undefined ? null : shapeOf(properties.type, schemas)
  if (word?.kind === 'words' && word.words.length === 1) return String(word.words[0])
  if (properties !== undefined) return `{ ${Object.keys(properties).slice(0, 3).join(', ')}, … }`
  const shape = shapeOf(schema, schemas)
  if (shape.kind === 'words') return shape.words.join(', ')
  return shape.kind === 'text' ? (shape.isText ? 'text' : 'number') : String(type)
}

/** Which of the alternatives a value is; the first for none. */
export function alternativeOf(of: readonly Alternative[], value: unknown, schemas: Schemas): number {
  return Math.max(
    0,
    of.findIndex((each) => fits(each, value, schemas)),
  )
}

function fits({ name, schema }: Alternative, value: unknown, schemas: Schemas): boolean {
  const shape = shapeOf(schema, schemas)
  switch (shape.kind) {
    case 'object':
      if (!isRecord(value)) return false
      return resolved(schema, schemas).properties?.type === undefined || value.type === name
    case 'map':
      return isRecord(value)
    case 'list':
      return Array.isArray(value)
    case 'words':
      return shape.words.includes(value)
    case 'text':
      return (typeof value === 'string' && shape.isText) || (typeof value === 'number' && shape.isNumber)
    case 'either':
      return false
  }
}

/** What a field begins as. */
export function emptyOf(schema: Schema, schemas: Schemas): unknown {
  const shape = shapeOf(schema, schemas)
  switch (shape.kind) {
    case 'text':
      return ''
    case 'words':
      return shape.words[0]
    case 'list':
      return []
    case 'map':
      return {}
    case 'object':
      return Object.fromEntries(
        shape.fields.flatMap(([name, field]) =>
          shape.required.has(name) ? [[name, emptyOf(field, schemas)]] : [],
        ),
      )
    case 'either':
      return emptyOf(shape.of[0]!.schema, schemas)
  }
}

/** A value as another alternative: what both have in common stays. */
export function carriedTo(schema: Schema, value: unknown, schemas: Schemas): unknown {
  const shape = shapeOf(schema, schemas)
  const empty = emptyOf(schema, schemas)
  if (shape.kind !== 'object' || !isRecord(value) || !isRecord(empty)) return empty
  const names = new Set(shape.fields.map(([name]) => name))
  const kept = Object.entries(value).filter(
    ([name]) => names.has(name) && !(name in empty) && name !== 'type',
  )
  return { ...empty, ...Object.fromEntries(kept) }
}

/** Of a text that somebody types. */
export function typedValue(text: string, { isNumber }: { readonly isNumber: boolean }): string | number {
  return isNumber && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** As the API writes the path of a problem (`controlplane/document/path.ts`). */
export function joinPath(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`
  if (!/^[A-Za-z0-9_-]+$/.test(step)) return `${path}[${JSON.stringify(step)}]`
  return path === '' ? step : `${path}.${step}`
}

/** Whether two bodies say the same but for weights: what can be changed step by step. */
export function differInWeights(before: unknown, after: unknown): boolean {
  const bare = (body: unknown) =>
    JSON.stringify(body, (key, value: unknown) => (key === 'weight' ? undefined : value))
  return bare(before) === bare(after) && JSON.stringify(before) !== JSON.stringify(after)
}

/** Whether what stands at a path is inside of another place, or is it: `members.a2` is not inside of `members.a`. */
export function isWithin(path: string, of: string): boolean {
  return path.startsWith(of) && (of === '' || /^(?:[.[]|$)/.test(path.slice(of.length)))
}
