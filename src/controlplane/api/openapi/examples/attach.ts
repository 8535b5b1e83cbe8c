/** Puts examples where the OpenAPI document has them: beside each parameter, body and reply of an operation, under the same name. */
import { isMap } from '../../../document/schema-check.ts'
import { type Example, firstName } from './example.ts'

type Json = Record<string, unknown>

/** What the API has replied to examples: by operation, then by the name of the example. */
export type Replies = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** The document with them. @throws Error for an example of nothing */
export function withExamples(document: object, examples: readonly Example[], replies: Replies): object {
  const made = structuredClone(document) as { readonly paths: Record<string, Record<string, Json>> }
  const operations = new Map(
    Object.values(made.paths).flatMap((methods) =>
      Object.values(methods).map((operation) => [operation.operationId, operation] as const),
    ),
  )
  for (const example of examples) {
    const operation = operations.get(example.of)
    if (operation === undefined)
      throw new Error(`there is an example of ${example.of}, which is no operation`)
    attach(operation, example, replies[example.of]?.[example.name ?? firstName])
  }
  return made
}

function attach(operation: Json, example: Example, reply: unknown): void {
  const { of, name = firstName, summary, parameters = {}, body, status } = example
  const add = (to: Json, value: unknown) => {
    const told = { ...(summary === undefined ? {} : { summary }), value }
    to.examples = { ...(to.examples as object | undefined), [name]: told }
  }
  const known = (operation.parameters ?? []) as Json[]
  for (const [key, value] of Object.entries(parameters)) {
    const parameter = known.find((each) => each.name === key)
    if (parameter === undefined)
      throw new Error(`an example of ${of} has a parameter ${key}, which it has not`)
    add(parameter, value)
  }
  if (body !== undefined) for (const media of mediaOf(operation.requestBody)) add(media, body)
  const replied = (operation.responses as Record<string, unknown>)[status]
  if (reply !== undefined) for (const media of mediaOf(replied)) add(media, reply)
}

function mediaOf(body: unknown): Json[] {
  return isMap(body) && isMap(body.content) ? (Object.values(body.content) as Json[]) : []
}
