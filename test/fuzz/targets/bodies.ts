/** Bodies of the API: none is a fault of ours, and none is taken that the OpenAPI document refuses. */

import fc from 'fast-check'
import { startHarness } from '../../controlplane/api/fixture.ts'
import { OpenapiDocument } from '../../support/openapi-document.ts'
import { mutatedJson } from '../mutations.ts'
import { corpus, type Target, targetOf } from '../target.ts'

interface Write {
  readonly method: string
  readonly path: string
  readonly body: unknown
}

/** What the document says of the body of each route; null where it says nothing. */
async function bodyChecks(origin: string): Promise<(write: Write) => ((body: unknown) => boolean) | null> {
  const document = await OpenapiDocument.of(origin)
  return ({ method, path }) => {
    const operation = document.find(method, path.split('?')[0]!)
    const schema = operation?.requestBody?.content?.['application/json']?.schema
    return schema === undefined ? null : document.check(schema)
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
