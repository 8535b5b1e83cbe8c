/**
 * The files of the console: a page, a script and a style sheet that are the same for everybody and hold no word of this server's own, so
 * they are open. They are built with the package (`.ci/console.mjs`), read when somebody asks first, and kept.
 *
 * The page may run and load what comes from here and nothing else, no script within the page, and stands in no frame.
 */
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HttpError } from '../errors.ts'

const typeOf: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const guards = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
} as const

/** In the order in which they are preferred. */
const codings = ['br', 'gzip'] as const
type Coding = (typeof codings)[number] | 'identity'

interface BuiltFile {
  readonly type: string
  readonly etag: string
  readonly bodies: ReadonlyMap<Coding, Buffer>
}

/** By their paths below the folder. Bound: what the package has, below a megabyte. */
type BuiltFiles = ReadonlyMap<string, BuiltFile>

/** Where they lie, from the sources and from a build of them. */
const folders = ['../../../../dist/console', '../../../../console'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

export function consoleRoutes(
  app: FastifyInstance,
  read: () => Promise<BuiltFiles | null> = readFiles,
): void {
  let files: Promise<BuiltFiles | null> | undefined
  const find = async (path: string) => {
    files ??= read()
    const found = await files
    if (found !== null) return found.get(path)
    // Somebody may build it now.
    files = undefined
    throw new HttpError(404, 'not-found', 'the console was not built: npm run console does that')
  }
  const options = { schema: { hide: true }, config: { access: 'open' } } as const
  const page = async (request: FastifyRequest, reply: FastifyReply) => {
    reply.header('cache-control', 'no-cache')
    return send(request, reply, await find('index.html'))
  }
  app.get('/console', options, page)
  app.get('/console/', options, page)
  app.get('/console/assets/:file', options, async (request, reply) => {
    const { file } = request.params as { file: string }
    const found = await find(`assets/${file}`)
    // Its name says what is in it.
    if (found !== undefined) reply.header('cache-control', 'public, max-age=31536000, immutable')
    return send(request, reply, found)
  })
}

function send(request: FastifyRequest, reply: FastifyReply, file: BuiltFile | undefined): FastifyReply {
  if (file === undefined) throw new HttpError(404, 'not-found', 'the console has no such file')
  const { type, etag, bodies } = file
  reply.headers(guards).header('etag', etag).header('vary', 'accept-encoding')
  const asked = request.headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  if (asked?.includes(etag) === true) return reply.code(304).send()
  const coding = codings.find((each) => takes(request, each) && bodies.has(each)) ?? 'identity'
  if (coding !== 'identity') reply.header('content-encoding', coding)
  return reply.type(type).send(bodies.get(coding)!)
}

/** RFC 9110 section 12.5.3, as browsers write it; who says nothing, or not just so, gets the file as it is. */
function takes({ headers }: FastifyRequest, coding: string): boolean {
  const accepted = String(headers['accept-encoding'] ?? '').toLowerCase()
  return accepted.split(',').some((each) => each.trim() === coding)
}

/** Null when there are none. */
async function readFiles(): Promise<BuiltFiles | null> {
  for (const folder of folders) {
    try {
      const tags = JSON.parse(await readFile(join(folder, 'files.json'), 'utf8')) as Record<string, string>
      return new Map(await Promise.all(Object.entries(tags).map((entry) => readBuilt(folder, entry))))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return null
}

async function readBuilt(folder: string, [path, etag]: [string, string]): Promise<[string, BuiltFile]> {
  const beside = new Set(await readdir(join(folder, path, '..')))
  const name = path.split('/').at(-1)!
  const endings = { identity: '', br: '.br', gzip: '.gz' } as const
  const bodies = new Map<Coding, Buffer>()
  for (const [coding, ending] of Object.entries(endings) as [Coding, string][]) {
    if (beside.has(name + ending)) bodies.set(coding, await readFile(join(folder, path + ending)))
  }
  return [path, { type: typeOf[extname(path)] ?? 'application/octet-stream', etag: `"${etag}"`, bodies }]
}
