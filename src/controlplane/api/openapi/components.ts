/**
 * Names for what the OpenAPI document says more than once. Routes describe themselves with whole schemas, since they are checked by
 * them; whoever makes a client of the document wants types with names. So a schema with a `title` is taken out of every place where it
 * stands, into `components` under that title, and a reference is left there. Problem documents become responses of their own in the
 * same way, named by their status.
 *
 * Two schemas that differ can't have one title: that is an error of who wrote them, and throws when the document is made.
 */
import { STATUS_CODES } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import { isMap } from '../../document/schema-check.ts'
import { problemType } from '../errors.ts'

type Json = Readonly<Record<string, unknown>>

/** A document whose `paths` hold whole schemas, with references in their place, and what they lead to in `components`. */
export function withComponents(document: Json): Json {
  const schemas = new Named('schemas')
  const responses = new Named('responses')
  const visit = (node: unknown, key: string, areNames = false): unknown => {
    if (Array.isArray(node)) return node.map((item) => visit(item, ''))
    if (!isMap(node)) return node
    const seen = Object.fromEntries(
      Object.entries(node).map(([name, value]) => {
        // What is data may look like anything. A field may be called like it.
        const isData = name === 'examples' && !areNames
        return [name, isData ? value : visit(value, name, name === 'properties' && !areNames)]
      }),
    )
    if (isProblem(seen)) return responses.take(STATUS_CODES[key]!.replaceAll(/\W/g, ''), seen)
    const { title, ...schema } = seen
    return typeof title === 'string' ? schemas.take(title, schema) : seen
  }
  const paths = visit(document.paths, '')
  const components = { ...(document.components as Json), ...schemas.section, ...responses.section }
  return { ...document, paths, components }
}

function isProblem({ content }: Json): boolean {
  return isMap(content) && problemType in content
}

/** A section of `components`. Bound: the titles that the code has. */
class Named {
  readonly #name: string
  readonly #items = new Map<string, Json>()

  constructor(name: string) {
    this.#name = name
  }

  get section(): Json {
    const sorted = [...this.#items].sort(([a], [b]) => (a < b ? -1 : 1))
    return { [this.#name]: Object.fromEntries(sorted) }
  }

  /** @throws Error when another item has this name */
  take(name: string, item: Json): Json {
    const known = this.#items.get(name)
    if (known === undefined) this.#items.set(name, item)
    else if (!isDeepStrictEqual(known, item))
      throw new Error(`the OpenAPI document has two ${this.#name} named ${name}, and they differ`)
    return { $ref: `#/components/${this.#name}/${name}` }
  }
}
