/** Bodies of the API: none is a fault of ours, and none is taken that the OpenAPI document refuses. */

import fc from 'fast-check'
import Schema from 'typebox/schema'
import { startHarness } from '../../controlplane/api/fixture.ts'
import { mutatedJson } from '../mutations.ts'
import { corpus, type Target, targetOf } from '../target.ts'

interface Write {
  readonly method: string
  readonly path: string
  readonly body: unknown
}

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> }
}

type Check = (body: unknown) => boolean

/** What the document says of the body of each route. */
async function bodyChecks(origin: string): Promise<(write: Write) => Check | null> {
  const document = (await (await fetch(`${origin}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Operation>>
  }
  const routes = Object.entries(document.paths).flatMap(([template, operations]) =>
    Object.entries(operations).map(([method, { requestBody }]) => {
      const schema = requestBody?.content['application/json']?.schema
      const compiled = schema === undefined ? null : Schema.Compile(schema)
      return {
        method: method.toUpperCase(),
        pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`),
        check: compiled === null ? null : (body: unknown) => compiled.Check(body),
      }
    }),
  )
  return ({ method, path }) => {
    const plain = path.split('?')[0]!
    return routes.find((route) => route.method === method && route.pattern.test(plain))?.check ?? null
  }
}

export async function bodies(): Promise<Target> {
  const harness = await startHarness(null)
  const checkOf = await bodyChecks(harness.origin)
  const writes = corpus('bodies').flatMap((text) => JSON.parse(text) as Write[])
  harness.state.reportTtls.set('web/a', 60_000)
  for (const { method, path, body } of writes) {
    const reply = await harness.call(method, path, body)
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(reply.body)}`)
  }
  const write = fc
    .constantFrom(...writes)
    .chain((one) => mutatedJson(fc.constant(one.body)).map((body) => ({ ...one, body })))
  return targetOf(
    15,
    write,
    async (one) => {
      // Throws for a reply that the document has not.
      const { status, body } = await harness.call(one.method, one.path, one.body)
      if (status >= 500) return `${status} ${JSON.stringify(body)}`
      if (status >= 300 || one.body === undefined) return null
      return checkOf(one)?.(one.body) === false
        ? `${status}, for a body that the OpenAPI document refuses`
        : null
    },
    async () => {
      await harness[Symbol.asyncDispose]()
    },
  )
}
