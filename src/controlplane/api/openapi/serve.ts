/**
 * The OpenAPI document and a page of it. They are the same for everybody and large, so each is made once, when it is asked for
 * first, and all replies share its octets.
 */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { stringify } from 'yaml'
import type { System } from '../context.ts'
import { pathOf } from '../errors.ts'
import { json, problems } from '../schemas.ts'
import { info, securitySchemes, servers, tags } from './about.ts'
import { withComponents } from './components.ts'

/**
 * What the page may load: its own parts, and fonts and images that it names. Not `upgrade-insecure-requests`: by plain HTTP, which this server
 * speaks, its own scripts would be asked for by HTTPS and never come.
 */
const pagePolicy = [
  "default-src 'self'",
  "base-uri 'self'",
  "font-src 'self' https: data:",
  "frame-ancestors 'self'",
  "img-src 'self' data: validator.swagger.io",
  "object-src 'none'",
  "script-src 'self'",
  "script-src-attr 'none'",
  "style-src 'self' https:",
].join('; ')

const jsonType = 'application/json; charset=utf-8'

interface SharedDocument {
  readonly type: string
  read(): Promise<Buffer>
}

/** Collects the routes that are registered after it into an OpenAPI 3.1 document, and serves that and a page of it. */
export async function serveOpenapi(app: FastifyInstance, context: System): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { ...info, version: context.version },
      servers,
      tags,
      components: { securitySchemes },
    },
    transformObject: (made) =>
      withComponents('openapiObject' in made ? made.openapiObject : made.swaggerObject),
  })
  const whole = async () => {
    // They are read when somebody asks for the document, and by nobody else.
    const [{ withExamples }, { examples }, { default: replies }] = await Promise.all([
      import('./examples/attach.ts'),
      import('./examples/all.ts'),
      import('./examples/replies.json', { with: { type: 'json' } }),
    ])
    return withExamples(app.swagger(), examples, replies)
  }
  const document = shared(jsonType, async () => JSON.stringify(await whole()))
  const documents = new Map([
    ['/docs/json', document],
    [
      '/docs/yaml',
      shared('application/x-yaml', async () => stringify(await whole(), { aliasDuplicateObjects: false })),
    ],
    ...(await assets('/docs/static')),
  ])
  await app.register(async (docs) => {
    docs.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'open' }
    })
    docs.addHook('onSend', async (_request, reply) => {
      reply.header('content-security-policy', pagePolicy)
    })
    // Goes before the routes of the page, which has a document and files of its own, and reads them each time.
    docs.addHook('onRequest', async (request, reply) => {
      const asked = documents.get(pathOf(request.url))
      if (asked === undefined) return
      reply.header('cache-control', 'no-cache')
      return reply.type(asked.type).send(await asked.read())
    })
    const hidden = { schema: { hide: true } }
    for (const path of ['/docs', '/docs/*']) docs.get(path, hidden, sendPage)
  })
  const schema = {
    tags: ['state'],
    operationId: 'getOpenapi',
    summary: 'This document',
    response: { 200: json('OpenAPI 3.1.', Type.Unsafe<object>({ type: 'object' })), ...problems() },
  }
  app.get('/openapi.json', { schema, config: { access: 'open' } }, async (_request, reply) =>
    reply.type(jsonType).send(await document.read()),
  )
}

/** What is passed on of the page's own headers. */
const pageHeaders = ['content-type', 'location']

async function sendPage(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { statusCode, headers, rawPayload } = await (await page()).inject(request.url)
  if (statusCode === 404) {
    reply.callNotFound()
    return reply
  }
  for (const name of pageHeaders) if (headers[name] !== undefined) reply.header(name, headers[name])
  return reply.code(statusCode).send(rawPayload.length === 0 ? undefined : rawPayload)
}

let madePage: Promise<FastifyInstance> | undefined

/** What serves it loads a hundred files, and few servers are ever asked for it: so it is made for whoever asks first. */
function page(): Promise<FastifyInstance> {
  madePage ??= makePage()
  madePage.catch(() => {
    madePage = undefined
  })
  return madePage
}

async function makePage(): Promise<FastifyInstance> {
  const [{ fastify }, { default: swaggerUi }] = await Promise.all([
    import('fastify'),
    import('@fastify/swagger-ui'),
  ])
  const app = fastify()
  await app.register(swagger)
  await app.register(swaggerUi, { routePrefix: '/docs' })
  return app
}

function shared(type: string, make: () => Promise<string | Buffer>): SharedDocument {
  let made: Promise<Buffer> | undefined
  return {
    type,
    read: () => {
      made ??= make().then(Buffer.from)
      // A failure is not for keeps.
      made.catch(() => {
        made = undefined
      })
      return made
    },
  }
}

const assetTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
}

/** The files of the page, by their paths. Bound: what the package has, some two megabytes. */
async function assets(prefix: string): Promise<[string, SharedDocument][]> {
  const folder = join(dirname(fileURLToPath(import.meta.resolve('@fastify/swagger-ui'))), 'static')
  const names = await readdir(folder)
  return names
    .filter((name) => name !== 'index.html')
    .flatMap((name) => {
      const type = assetTypes[extname(name)]
      return type === undefined
        ? []
        : [[`${prefix}/${name}`, shared(type, () => readFile(join(folder, name)))]]
    })
}
