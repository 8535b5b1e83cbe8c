import t from 'tap'
import { withComponents } from '../../../../src/controlplane/api/openapi/components.ts'

const part = { title: 'Part', type: 'string' }
const of = (...schemas: readonly object[]) => ({ components: { securitySchemes: {} }, paths: { schemas } })

t.test('a schema with a title becomes a component, also within another', async (t) => {
  const whole = { title: 'Whole', properties: { title: part, more: { items: part } } }
  t.same(withComponents(of(part, whole)), {
    paths: { schemas: [{ $ref: '#/components/schemas/Part' }, { $ref: '#/components/schemas/Whole' }] },
    components: {
      securitySchemes: {},
      schemas: {
        Part: { type: 'string' },
        Whole: {
          properties: {
            title: { $ref: '#/components/schemas/Part' },
            more: { items: { $ref: '#/components/schemas/Part' } },
          },
        },
      },
      responses: {},
    },
  })
})

t.test('problem documents become responses, by their status', async (t) => {
  const problem = { description: 'no', content: { 'application/problem+json': { schema: part } } }
  t.match(withComponents({ paths: { get: { responses: { 404: problem, 503: problem } } } }), {
    paths: {
      get: {
        responses: {
          404: { $ref: '#/components/responses/NotFound' },
          503: { $ref: '#/components/responses/ServiceUnavailable' },
        },
      },
    },
    components: {
      responses: {
        NotFound: {
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Part' } } },
        },
      },
    },
  })
})

t.test('two schemas can not have one title', async (t) => {
  t.throws(() => withComponents(of(part, { ...part, type: 'integer' })), /two schemas named Part/)
})

t.test('an example is no schema, and a field may be called like one', async (t) => {
  const examples = [{ title: 'Bad Request' }]
  t.match(withComponents(of({ examples }, { properties: { examples: part } })), {
    paths: { schemas: [{ examples }, { properties: { examples: { $ref: '#/components/schemas/Part' } } }] },
  })
})
