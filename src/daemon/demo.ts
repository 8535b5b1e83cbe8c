/**
 * The demo: a document for a database that has never held anything, and the members that it names.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { applyDocument } from '../controlplane/apply/apply.ts'
import { readDocument } from '../controlplane/document/document.ts'
import { readYaml } from '../controlplane/document/yaml-text.ts'
import type { FeedWriter } from '../controlplane/feeds/feed-writer.ts'
import { importShort } from '../controlplane/feeds/import-rows.ts'
import { requireFeed } from '../controlplane/feeds/known-feed.ts'
import type { Database } from '../controlplane/store/database.ts'
import { currentRevision } from '../controlplane/store/revision.ts'

/** `deploy/` lies beside the sources' folder, one level further up from a build of them. */
const deploy = ['../../deploy/', '../../../deploy/']

/** The service of the demo. */
export const demoName = 'www.example.test'

const demoFeed = 'air_quality'

/** Loads the demo's document, and measurements, into a database that has never held anything. @returns whether it was one */
export async function loadDemo(database: Database, writer: FeedWriter): Promise<boolean> {
  if ((await database.read(currentRevision)) > 0) return false
  const text = readYaml(Buffer.from(await readDemo('demo.yaml')).toString())
  const read = text.ok ? readDocument(text.input) : text
  if (!read.ok) throw new Error(`the demo's document: ${JSON.stringify(read.problems)}`)
  const by = { actor: 'demo', source: 'demo', message: null } as const
  await applyDocument(database, by, { document: read.document, prune: false, since: null })
  await loadRows(database, writer)
  return true
}

/** The demo's feed has measurements. */
async function loadRows(database: Database, writer: FeedWriter): Promise<void> {
  const feed = await requireFeed(database, demoFeed)
  const octets = await readDemo(`${demoFeed}.csv`)
  const rows = (async function* () {
    yield octets
  })()
  await importShort(rows, {
    feed,
    format: 'csv',
    now: new Date(),
    skipBad: false,
    write: (rows) => writer.write(feed, rows),
  })
}

async function readDemo(name: string): Promise<Uint8Array> {
  const [here, built] = deploy.map((path) => new URL(name, new URL(path, import.meta.url)))
  return readFile(here!).catch(() => readFile(built!))
}

/**
 * The members of the demo: small HTTP servers on 127.0.0.1 that can be told to fail, so that failover can be watched
 * with nothing but dig and curl. Each one fails and recovers on its own. Their disposal closes connections too.
 */
export interface DemoBackends extends AsyncDisposable {
  /** The ports that are listened on, in the order in which they were asked for; a 0 has become a real one. */
  readonly ports: readonly number[]
}

/**
 * Starts one server per port: `GET` (or `HEAD`) of any path answers 200 `ok`; after `POST /fail` 503 `failing`, until
 * `POST /recover`.
 * @throws Error that names the port when it can't be listened on; those started before are stopped again
 */
export async function startDemoBackends(
  ports: readonly number[] = [8081, 8082, 8083],
): Promise<DemoBackends> {
  await using servers = new AsyncDisposableStack()
  const bound: number[] = []
  for (const port of ports) {
    const server = await listen(port)
    servers.defer(() => close(server))
    bound.push((server.address() as AddressInfo).port)
  }
  const running = servers.move()
  return { ports: bound, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

async function listen(port: number): Promise<Server> {
  const server = createServer(backend())
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const why =
      code === 'EADDRINUSE'
        ? 'the port is already in use: end who has it, or start without --demo'
        : String(error)
    throw new Error(`demo backend on 127.0.0.1:${port} can't start: ${why}`, { cause: error })
  }
  return server
}

async function close(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

function backend(): (request: IncomingMessage, response: ServerResponse) => void {
  let failing = false
  return (request, response) => {
    request.resume() // a body that nobody reads would hold the connection
    const [path] = (request.url ?? '/').split('?')
    if (request.method === 'POST') {
      if (path !== '/fail' && path !== '/recover') return answer(response, 404, 'POST /fail or /recover')
      failing = path === '/fail'
      answer(response, 200, failing ? 'failing' : 'ok')
    } else if (request.method === 'GET' || request.method === 'HEAD') {
      answer(response, failing ? 503 : 200, failing ? 'failing' : 'ok')
    } else {
      response.setHeader('allow', 'GET, HEAD, POST')
      answer(response, 405, 'GET, HEAD or POST')
    }
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}
