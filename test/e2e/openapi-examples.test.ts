/** Every example of the OpenAPI document is taken by a server, and what it replies is what the document says. */
import t, { type Test } from 'tap'
import { examples } from '../../src/controlplane/api/openapi/examples/all.ts'
import { isShown } from '../pages/openapi-replies.ts'
import { startDaemonProcess } from '../support/daemon.ts'
import { OpenapiDocument } from '../support/openapi-document.ts'
import { type Sent, sendExamples } from '../support/openapi-examples.ts'

/** What these need has to happen first. */
const without = ['acceptEmptyDatabase', 'failBackMember', 'forgetNode']

t.test('every example is taken', async (t) => {
  // Nobody is asked for names: there is no resolver at this address.
  await using daemon = await startDaemonProcess({ env: { POOLDNS_RESOLVERS: '127.0.0.1:1' } })
  const document = await OpenapiDocument.of(daemon.http)
  const sent = new Set<string>()
  for await (const each of sendExamples(daemon, document)) {
    const { example, name, operation, reply } = each
    const what = `${example.of} ${name}`
    sent.add(what)
    t.equal(reply.status, example.status, `${what}: ${JSON.stringify(reply.body).slice(0, 300)}`)
    t.doesNotThrow(() => document.assertDescribes(what, operation, reply))
    const media = document.follow(operation.responses[reply.status]!).content ?? {}
    if (isShown(each)) isAsShown(t, document, each)
    if (reply.status !== 204)
      t.ok(Object.keys(media)[0]! === reply.type.split(';')[0], `${what}: ${reply.type}`)
  }
  const refused = await daemon.request('/v1/monitors/web', { method: 'PUT', json: { type: 'tcp' } })
  const { examples: problems } = document.json.components.schemas!.Problem as { examples: readonly object[] }
  t.same([await refused.json()], problems, 'an error, too')
  t.equal(sent.size, examples.length, 'each is there once')
  const operations = document.routes.map(({ operation }) => operation.operationId)
  const tried = new Set(examples.map(({ of }) => of))
  t.same(operations.filter((id) => !tried.has(id)).sort(), without)
  t.same(await shownIn(document), [...sent].sort(), 'and no other is shown')
})

/** The document shows what a server has replied once. That still fits, and has the fields that it has now. */
function isAsShown(t: Test, document: OpenapiDocument, { example, name, operation, reply }: Sent): void {
  const what = `the reply of ${example.of}`
  const media = document.follow(operation.responses[reply.status]!).content!['application/json']!
  const shown = media.examples?.[name]?.value
  t.doesNotThrow(() => document.assertDescribes(what, operation, { status: reply.status, body: shown }))
  t.same(fieldsOf(shown), fieldsOf(reply.body), `${what}: \`npm run pages\` writes it anew`)
}

const fieldsOf = (body: unknown) => Object.keys(body as object).sort()

/** The examples of the document that are more than a reply. */
async function shownIn({ routes }: OpenapiDocument): Promise<string[]> {
  const shown = new Set(
    examples
      .filter(({ parameters, body }) => !parameters && body === undefined)
      .map(({ of }) => `${of} example`),
  )
  for (const { operation } of routes) {
    const media = Object.values(operation.requestBody?.content ?? {})
    for (const { examples = {} } of [...(operation.parameters ?? []), ...media])
      for (const name of Object.keys(examples)) shown.add(`${operation.operationId} ${name}`)
  }
  return [...shown].sort()
}
