/** The OpenAPI document of a server as tests read it: operations by what is asked for, references followed, schemas compiled. */
import assert from 'node:assert/strict'
import Schema from 'typebox/schema'

export type Examples = Readonly<Record<string, { readonly summary?: string; readonly value: unknown }>>

export interface Media {
  readonly schema: object
  readonly examples?: Examples
}

export interface Body {
  readonly description?: string
  readonly required?: boolean
  readonly content?: Readonly<Record<string, Media>>
  readonly headers?: Readonly<Record<string, object>>
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: object
  readonly description?: string
  readonly examples?: Examples
}

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly security?: readonly object[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: Body
  readonly responses: Readonly<Record<string, Body | Reference>>
}

export interface Reference {
  readonly $ref: string
}

export interface Route {
  readonly method: string
  /** With its parameters in braces. */
  readonly path: string
  readonly operation: Operation
}

export interface Document {
  readonly openapi: string
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: Readonly<Record<string, Readonly<Record<string, object>>>>
}

type Check = (value: unknown) => boolean

/** Compiled schemas by their text, for all documents of this process. Bounded by the schemas of the API. */
const compiled = new Map<string, Check>()

export class OpenapiDocument {
  readonly json: Document
  readonly routes: readonly Route[]
  readonly #patterns: readonly { readonly pattern: RegExp; readonly route: Route }[]
  readonly #checks = new Map<object, Check>()

  constructor(json: Document) {
    this.json = json
    this.routes = Object.entries(json.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        operation,
      })),
    )
    this.#patterns = this.routes.map((route) => ({ pattern: patternOf(route.path), route }))
  }

  static async of(origin: string): Promise<OpenapiDocument> {
    const response = await fetch(`${origin}/openapi.json`)
    return new OpenapiDocument((await response.json()) as Document)
  }

  /** @param path without a query */
  find(method: string, path: string): Operation | undefined {
    return this.#patterns.find(({ pattern, route }) => route.method === method && pattern.test(path))?.route
      .operation
  }

  /** What a node is, or refers to. */
  follow<T extends object>(node: T | Reference): T {
    return '$ref' in node ? (this.#target(node.$ref) as T) : node
  }

  #target(ref: string): object {
    const [start, ...steps] = ref.split('/')
    assert.equal(start, '#', ref)
    let node: unknown = this.json
    for (const step of steps) node = (node as Record<string, unknown> | undefined)?.[step]
    assert.ok(typeof node === 'object' && node !== null, `${ref} leads nowhere`)
    return node
  }

  /** The check of a schema of this document. */
  check(schema: object): Check {
    const known = this.#checks.get(schema)
    if (known !== undefined) return known
    const components = { schemas: this.#schemasFor(schema) }
    const whole = { ...schema, components }
    const text = JSON.stringify(whole)
    const check = compiled.get(text) ?? compile(whole)
    compiled.set(text, check)
    this.#checks.set(schema, check)
    return check
  }

  /** The schemas that one refers to, at any depth. */
  #schemasFor(schema: object): Record<string, object> {
    const found: Record<string, object> = {}
    const waiting = [schema]
    for (const each of waiting) {
      for (const [, name] of JSON.stringify(each).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
        if (name! in found) continue
        found[name!] = this.#target(`#/components/schemas/${name}`)
        waiting.push(found[name!]!)
      }
    }
    return found
  }

  /** Fails for a reply that the document does not describe. */
  assertDescribes(
    what: string,
    operation: Operation,
    { status, body }: { readonly status: number; readonly body: unknown },
  ): void {
    const described = operation.responses[status]
    assert.ok(described, `${what} gave ${status}, which is not documented`)
    // Of several types those that are no text are read as JSON.
    const schemas = Object.entries(this.follow(described).content ?? {})
    const isText = schemas.length > 1 && typeof body === 'string'
    const schema = (schemas.find(([type]) => type.startsWith('text/') === isText) ?? schemas[0])?.[1].schema
    const fits = schema === undefined ? !body : this.check(schema)(body)
    assert.ok(fits, `${what} ${status}: ${JSON.stringify(body)} does not fit its schema`)
  }
}

function compile(schema: object): Check {
  const validator = Schema.Compile(schema)
  return (value) => validator.Check(value)
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`)
}
