/** The OpenAPI document as a whole: that it is one, and that clients can be made of it. */
import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { OpenapiDocument, type Parameter, type Reference } from '../../../support/openapi-document.ts'
import { startHarness } from '../fixture.ts'
import names from './names.json' with { type: 'json' }

const harness = await startHarness(null)
t.teardown(() => harness[Symbol.asyncDispose]())
const document = await OpenapiDocument.of(harness.origin)
const { json, routes } = document
const text = JSON.stringify(json)

t.test('it is OpenAPI 3.1, by the schema of that', async (t) => {
  const { valid, errors } = await new Validator().validate({ ...structuredClone(json) })
  t.same(errors ?? [], [])
  t.ok(valid)
})

t.test('the schema of OpenAPI refuses what is none', async (t) => {
  const broken = { ...structuredClone(json), servers: [{ description: 'without a url' }] }
  t.notOk((await new Validator().validate(broken)).valid)
})

t.test('every reference leads somewhere, and every component is used', (t) => {
  const refs = new Set(Array.from(text.matchAll(/"\$ref":"([^"]+)"/g), ([, ref]) => ref!))
  t.ok(refs.size > 80, `${refs.size} references`)
  for (const ref of refs) t.type(document.follow({ $ref: ref }), 'object', ref)
  for (const section of ['schemas', 'responses']) {
    for (const name of Object.keys(json.components[section]!))
      t.ok(refs.has(`#/components/${section}/${name}`), `${section} ${name} is used`)
  }
  t.end()
})

t.test('every operation has a name of its own that can be a function', (t) => {
  const ids = routes.map(({ operation }) => operation.operationId)
  t.equal(new Set(ids).size, ids.length)
  for (const id of ids) t.match(id, /^[a-z][A-Za-z]{2,40}$/)
  t.end()
})

t.test('names stay: clients that were generated call operations and types by them', (t) => {
  const now = {
    operations: routes.map(({ operation }) => operation.operationId).sort(),
    schemas: Object.keys(json.components.schemas!).sort(),
  }
  t.same(now, names, 'names.json has those that are new, and none of it goes')
  t.end()
})

t.test('every operation has a tag that is told of, and every tag an operation', (t) => {
  const used = new Set<string>()
  const known = json.tags.map(({ name }) => name)
  for (const { method, path, operation } of routes) {
    t.ok(operation.tags.length === 1 && known.includes(operation.tags[0]!), `${method} ${path}`)
    for (const tag of operation.tags) used.add(tag)
  }
  t.same([...used].sort(), known.toSorted())
  for (const { name, description } of json.tags) t.match(description, /^[A-Z].{15,}\.$/, name)
  t.end()
})

t.test('every parameter of a path is declared, and says what it is', (t) => {
  for (const { method, path, operation } of routes) {
    const declared = (operation.parameters ?? []).filter((each: Parameter) => each.in === 'path')
    const named = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name)
    t.same(
      declared.map(({ name }) => name),
      named,
      `${method} ${path}`,
    )
    for (const { name, required } of declared) t.equal(required, true, `${method} ${path}: ${name}`)
  }
  t.end()
})

/** A list of lookups is a list, and this document is as OpenAPI says. */
const anonymous = /^GET (\/v1)?\/history|^GET \/openapi.json/

t.test('what is sent and what comes back has a name', (t) => {
  for (const { method, path, operation } of routes) {
    if (anonymous.test(`${method} ${path}`)) continue
    const bodies = [operation.requestBody, ...Object.values(operation.responses)]
    for (const body of bodies.filter((each) => each !== undefined)) {
      const { schema } = document.follow(body).content?.['application/json'] ?? {}
      if (schema !== undefined) t.ok('$ref' in schema, `${method} ${path}`)
    }
  }
  t.end()
})

t.test('a body is not called like a parameter beside it', (t) => {
  // A generated function takes both, and names the body after its schema.
  for (const { method, path, operation } of routes) {
    const { schema } = operation.requestBody?.content?.['application/json'] ?? {}
    if (schema === undefined) continue
    const name = (schema as Reference).$ref.replace('#/components/schemas/', '').toLowerCase()
    const parameters = (operation.parameters ?? []).map((each) => each.name.toLowerCase())
    t.notOk(parameters.includes(name), `${method} ${path} ${name}`)
  }
  t.end()
})

t.test('errors are problem documents by reference', (t) => {
  for (const { method, path, operation } of routes) {
    const errors = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400)
    t.ok(errors.length > 0, `${method} ${path}`)
    for (const [status, response] of errors) {
      t.match(response, { $ref: /^#\/components\/responses\/\w+$/ }, `${method} ${path} ${status}`)
      t.match(document.follow(response).content?.['application/problem+json'], {
        schema: { $ref: '#/components/schemas/Problem' },
      })
    }
  }
  t.end()
})

t.test('servers: where the document comes from is first', (t) => {
  t.equal(json.servers[0]?.url, '/')
  t.end()
})
