/** Imports go one way (the picture of the house is in the design): walks the imports of `src` and names every wrong one. */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path/posix'
import { fileURLToPath } from 'node:url'
import t from 'tap'

interface Import {
  /** Path below `src`, such as `dataplane/wire/name.ts`. */
  readonly from: string
  /** Path from the root of the repository for a file, else the name of the package, `node:` included. */
  readonly to: string
}

type Rule = (edge: Import) => string | null

const isIn = (path: string, ...places: readonly string[]) =>
  places.some((place) => path === place || path.startsWith(`${place}/`))
const isFile = (to: string) => /^(src|schema)\//.test(to)
const inside = (to: string) => to.replace(/^src\//, '')

/** What each layer of the data plane may import besides itself. */
const dataplane: Readonly<Record<string, readonly string[]>> = {
  'dataplane/counters.ts': [],
  'dataplane/counter-totals.ts': ['dataplane/wire', 'dataplane/counters.ts'],
  'dataplane/random.ts': [],
  'dataplane/sample.ts': [],
  'dataplane/tap-ring.ts': [],
  'dataplane/sample-reader.ts': ['dataplane/sample.ts'],
  'dataplane/life': [],
  'dataplane/wire': [],
  'dataplane/image': ['dataplane/wire', 'dataplane/life'],
  'dataplane/answer': [
    'dataplane/wire',
    'dataplane/image',
    'dataplane/counters.ts',
    'dataplane/random.ts',
    'dataplane/sample.ts',
    'dataplane/tap-ring.ts',
  ],
  'dataplane/listener': [
    'dataplane/wire',
    'dataplane/image',
    'dataplane/answer',
    'dataplane/life',
    'dataplane/counters.ts',
    'dataplane/sample.ts',
    'dataplane/tap-ring.ts',
    'dataplane/sample-reader.ts',
  ],
  'dataplane/process': [
    'dataplane/wire',
    'dataplane/image',
    'dataplane/life',
    'dataplane/listener',
    'dataplane/counters.ts',
    'dataplane/sample-reader.ts',
    // What both sides of the conversation must have in common.
    'version.ts',
  ],
}

/** Packages that one file or folder alone may import. */
const packageHomes: Readonly<Record<string, string>> = {
  'prom-client': 'telemetry/metrics',
  pino: 'telemetry/log.ts',
  // Everybody else would load it a second time, and slowly.
  'drizzle-orm': 'schema/drizzle.ts',
  // Loaded by those alone who have such a server.
  '@redis/client': 'controlplane/feeds/cache/shared-server.ts',
  'lru-cache': 'controlplane/feeds/cache/read-cache.ts',
  // Loaded by those alone who ask for them.
  '@opentelemetry/api': 'telemetry/otel',
  '@opentelemetry/core': 'telemetry/otel',
  '@opentelemetry/exporter-metrics-otlp-proto': 'telemetry/otel',
  '@opentelemetry/exporter-trace-otlp-proto': 'telemetry/otel',
  '@opentelemetry/resources': 'telemetry/otel',
  '@opentelemetry/sdk-metrics': 'telemetry/otel',
  '@opentelemetry/sdk-trace': 'telemetry/otel',
  papaparse: 'controlplane/feeds/csv-rows.ts',
  'pg-copy-streams': 'controlplane/feeds/feed-copy.ts',
}

/** What each room of the control plane may import besides itself, of the control plane. Nothing behind the API imports it. */
const controlplane: Readonly<Record<string, readonly string[]>> = {
  model: [],
  rules: ['model'],
  document: ['model', 'rules'],
  store: ['model', 'rules', 'document', 'timing'],
  'dns-client': [],
  queries: ['model', 'timing'],
  dnssec: ['model', 'dns-client', 'timing'],
  health: ['model', 'document', 'dns-client', 'timing'],
  steering: ['model', 'rules'],
  resolving: ['model', 'timing'],
  threads: ['timing'],
  timing: ['model'],
  location: ['model', 'threads', 'timing'],
  catalog: ['model', 'rules'],
  files: [],
  compile: ['model', 'catalog', 'dnssec', 'files', 'threads', 'timing'],
  signing: ['model', 'catalog', 'compile', 'dnssec', 'files', 'threads'],
  serve: ['model', 'catalog', 'dnssec', 'health', 'location', 'signing', 'steering', 'timing'],
  offline: ['model', 'document', 'catalog', 'files'],
  follow: ['model', 'catalog', 'compile', 'serve', 'store', 'timing'],
  snapshot: [
    'model',
    'rules',
    'document',
    'catalog',
    'compile',
    'files',
    'follow',
    'serve',
    'signing',
    'steering',
    'store',
    'timing',
  ],
  gradual: ['model', 'document', 'catalog', 'store', 'timing'],
  apply: ['model', 'rules', 'document', 'catalog', 'gradual', 'serve', 'store'],
  outgoing: ['model'],
  events: ['model', 'outgoing', 'files', 'store', 'timing'],
  fleet: ['model', 'health', 'store', 'timing'],
  explain: ['model', 'rules', 'catalog', 'dns-client', 'dnssec', 'location', 'steering'],
  zonefile: ['model', 'rules', 'document', 'store'],
  feeds: ['model', 'document', 'outgoing', 'store', 'timing'],
  api: [
    'model',
    'apply',
    'catalog',
    'compile',
    'dnssec',
    'document',
    'explain',
    'feeds',
    'gradual',
    'health',
    'resolving',
    'rules',
    'serve',
    'steering',
    'store',
    'timing',
    'zonefile',
  ],
}

const rules: readonly Rule[] = [
  ({ from, to }) => {
    if (!isIn(from, 'dataplane')) return null
    if (!isFile(to)) {
      const allowed = to.startsWith('node:') || to === 'dns-packet' || to === 'koffi'
      return allowed ? null : 'the data plane imports node:, dns-packet and the syscall binding alone'
    }
    const layer = Object.keys(dataplane).find((place) => isIn(from, place))
    if (layer === undefined) return 'this part of the data plane has no layer'
    return isIn(inside(to), layer, ...dataplane[layer]!)
      ? null
      : 'inside the data plane: wire <- image <- answer <- listener <- process'
  },
  ({ from, to }) => {
    if (!isIn(from, 'controlplane') || !isFile(to)) return null
    const allowed = ['controlplane', 'dataplane/wire', 'dataplane/image', 'dataplane/life']
    if (isIn(from, 'controlplane/serve')) allowed.push('dataplane/counters.ts')
    if (isIn(from, 'controlplane/api')) allowed.push('telemetry')
    return to.startsWith('schema/') || isIn(inside(to), ...allowed)
      ? null
      : 'the control plane imports wire, image and life of the data plane, and nothing that composes it'
  },
  ({ from, to }) => {
    if (!isIn(from, 'controlplane') || !isIn(inside(to), 'controlplane')) return null
    const [room, other] = [from, inside(to)].map((path) => path.split('/')[1]!)
    const allowed = controlplane[room!]
    if (allowed === undefined) return 'this part of the control plane has no room'
    return room === other || allowed.includes(other!)
      ? null
      : `${room} imports ${allowed.join(', ') || 'no other room'} alone`
  },
  ({ from, to }) => {
    if (!isIn(from, 'supervisor') || !isFile(to)) return null
    const allowed = [
      'supervisor',
      'config.ts',
      'telemetry/log.ts',
      'dataplane/life',
      'dataplane/listener',
      'dataplane/wire',
      'dataplane/process',
    ]
    const started = ['daemon/control-plane.ts']
    return isIn(inside(to), ...allowed, ...started)
      ? null
      : 'the supervisor holds sockets and starts processes: it loads nothing that answers or decides'
  },
  ({ from, to }) =>
    isIn(from, 'telemetry') && isFile(to) && !isIn(inside(to), 'telemetry')
      ? 'telemetry is told what it shows, it does not look for it'
      : null,
  ({ to }) => (inside(to) === 'main.ts' ? 'main.ts is where it begins' : null),
  ({ from, to }) =>
    isIn(inside(to), 'commands') && !isIn(from, 'main.ts', 'commands') ? 'commands are for main.ts' : null,
  ({ from, to }) =>
    isIn(inside(to), 'daemon') && !isIn(from, 'daemon', 'commands', 'supervisor')
      ? 'the daemon is composed for commands'
      : null,
  ({ from, to }) =>
    inside(to) === 'dataplane/listener/fleet.ts' && !isIn(from, 'dataplane', 'daemon/make-data-plane.ts')
      ? 'the seam to the data plane is daemon/data-plane.ts'
      : null,
  ({ from, to }) => {
    if (isIn(inside(to), 'console') && !isIn(from, 'console')) return 'the console runs in browsers'
    if (!isIn(from, 'console')) return null
    if (!isFile(to)) {
      const allowed = ['preact', '@preact/signals', 'uplot', 'yaml'].includes(to)
      return allowed ? null : 'the console has few packages, for it is small'
    }
    // Types alone: see below.
    return isIn(inside(to), 'console', 'controlplane/api', 'controlplane/apply/plan-view.ts')
      ? null
      : 'the console knows what the API replies, and nothing else'
  },
  ({ from, to }) =>
    to in packageHomes && !isIn(from, packageHomes[to]!)
      ? `${to} belongs to ${packageHomes[to]} alone`
      : null,
]

const judge = (edge: Import) => rules.flatMap((rule) => rule(edge) ?? [])

/** Specifiers of imports, static and dynamic, of re-exports, and of the files of worker threads. */
function specifiers(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const forms = [/\bfrom\s*'([^']+)'/g, /\bimport\s*\(?\s*'([^']+)'/g, /\bnew URL\('(\.[^']+\.ts)'/g]
  return forms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1]!))
}

const root = fileURLToPath(new URL('..', import.meta.url))
const files = await readdir(join(root, 'src'), { recursive: true })
const paths = files.filter((path) => /\.tsx?$/.test(path)).sort()
/** What a source may import besides sources. */
const data = new Set(files.filter((path) => /\.(json|css)$/.test(path)))
const sources = new Map<string, string>()
for (const path of paths) sources.set(path, await readFile(join(root, 'src', path), 'utf8'))
const edges = [...sources].flatMap(([from, source]) =>
  specifiers(source).map((specifier): Import => {
    const to = specifier.startsWith('.') ? normalize(join('src', dirname(from), specifier)) : specifier
    return { from, to: isFile(to) ? to : to.replace(/^((?:@[^/]+\/)?[^/]+).*$/, '$1') }
  }),
)

t.test('every import goes the right way', async (t) => {
  t.ok(edges.length > 300, `${edges.length} imports`)
  for (const edge of edges) {
    const problems = judge(edge)
    if (problems.length > 0) t.fail(`src/${edge.from} imports ${edge.to}: ${problems.join('; ')}`)
  }
})

t.test('imports name files that are there, with their extension', async (t) => {
  const schema = new Set((await readdir(join(root, 'schema'))).map((name) => `schema/${name}`))
  for (const { from, to } of edges) {
    const isThere = sources.has(inside(to)) || data.has(inside(to)) || schema.has(to)
    if (isFile(to) && !isThere) t.fail(`src/${from} imports ${to}`)
  }
})

t.test('the console takes types of the API, and no code', (t) => {
  for (const [path, source] of sources) {
    if (!isIn(path, 'console')) continue
    for (const [line] of source.matchAll(/^import (?!type )[^']*'(?:\.\.\/)+controlplane\/.*$/gm))
      t.fail(`src/${path}: ${line}`)
  }
  t.end()
})

t.test('no file imports itself by a detour', async (t) => {
  const targets = Map.groupBy(
    edges.filter(({ to }) => to.startsWith('src/')).map(({ from, to }) => ({ from, to: inside(to) })),
    ({ from }) => from,
  )
  const finished = new Set<string>()
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) t.fail([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    else if (!finished.has(path)) {
      for (const { to } of targets.get(path) ?? []) visit(to, [...trail, path])
      finished.add(path)
    }
  }
  for (const path of paths) visit(path, [])
})

t.test('the environment is read in one place', async (t) => {
  for (const [path, source] of sources) {
    if (
      /\bprocess\.env\b|\benv\b.*from 'node:process'/.test(source) &&
      !isIn(path, 'config.ts', 'commands', 'daemon/control-plane.ts')
    ) {
      t.fail(`src/${path} reads process.env`)
    }
  }
})

/** What of node:crypto makes or reads private keys, or signs with them. */
const signing =
  /\b(?:createPrivateKey|generateKeyPair(?:Sync)?|createSign|sign|privateDecrypt|privateEncrypt)\b/

/** Whether a source imports some of it, or the whole of node:crypto, in which it is. */
const maySign = (source: string) =>
  [...source.matchAll(/\bimport\b([^'"]*)\bfrom\s*['"](?:node:)?crypto['"]/g)].some(
    ([, names]) => !names!.includes('{') || signing.test(names!),
  ) || /\b(?:import|require|getBuiltinModule)\s*\(\s*['"](?:node:)?crypto['"]/.test(source)

t.test('nothing that reads what the network sends can sign, or has a private key', async (t) => {
  for (const [path, source] of sources)
    if (isIn(path, 'dataplane') && maySign(source)) t.fail(`src/${path} may sign`)
  for (const wrong of [
    "import { createHash, sign } from 'node:crypto'",
    "import { createPrivateKey } from 'crypto'",
    "import * as crypto from 'node:crypto'",
    "const { sign } = await import('node:crypto')",
  ])
    t.ok(maySign(wrong), wrong)
  t.notOk(maySign("import { randomFillSync } from 'node:crypto'"))
})

t.test('the rules find what is wrong', async (t) => {
  const wrong: [string, string][] = [
    ['dataplane/wire/name.ts', 'pg'],
    ['console/api.ts', 'react'],
    ['console/api.ts', 'src/controlplane/model/pool.ts'],
    ['controlplane/api/server.ts', 'src/console/api.ts'],
    ['dataplane/wire/name.ts', 'src/dataplane/image/image.ts'],
    ['dataplane/image/image.ts', 'src/dataplane/counters.ts'],
    ['dataplane/image/image.ts', 'src/dataplane/answer/responder.ts'],
    ['dataplane/answer/responder.ts', 'src/dataplane/listener/fleet.ts'],
    ['dataplane/listener/fleet.ts', 'src/controlplane/model/pool.ts'],
    ['dataplane/listener/fleet.ts', 'src/telemetry/log.ts'],
    ['dataplane/new/part.ts', 'src/dataplane/wire/name.ts'],
    ['controlplane/api/server.ts', 'src/dataplane/listener/protocol.ts'],
    ['controlplane/serve/publisher.ts', 'src/dataplane/answer/own-zones.ts'],
    ['controlplane/serve/publisher.ts', 'src/daemon/start.ts'],
    ['controlplane/serve/publisher.ts', 'src/controlplane/api/server.ts'],
    ['controlplane/new/part.ts', 'src/controlplane/model/pool.ts'],
    ['controlplane/store/pools.ts', 'src/controlplane/health/monitor.ts'],
    ['controlplane/rules/graph.ts', 'src/controlplane/store/pools.ts'],
    ['controlplane/model/pool.ts', 'src/controlplane/rules/graph.ts'],
    ['controlplane/health/checker.ts', 'src/controlplane/steering/plan.ts'],
    ['controlplane/timing/alarm.ts', 'src/controlplane/health/scheduler.ts'],
    ['controlplane/dns-client/message.ts', 'src/controlplane/health/verdict.ts'],
    ['controlplane/steering/select.ts', 'src/controlplane/serve/publisher.ts'],
    ['controlplane/catalog/catalog.ts', 'src/controlplane/health/checker.ts'],
    ['controlplane/explain/view.ts', 'src/controlplane/api/context.ts'],
    ['controlplane/api/server.ts', 'prom-client'],
    ['telemetry/log.ts', 'prom-client'],
    ['controlplane/store/pools.ts', 'drizzle-orm'],
    ['controlplane/serve/publisher.ts', 'pino'],
    ['controlplane/serve/publisher.ts', 'src/telemetry/log.ts'],
    ['controlplane/health/checker.ts', 'src/dataplane/counters.ts'],
    ['telemetry/log.ts', 'src/controlplane/model/pool.ts'],
    ['commands/serve.ts', 'src/main.ts'],
    ['daemon/start.ts', 'src/commands/serve.ts'],
    ['config.ts', 'src/daemon/start.ts'],
    ['daemon/start.ts', 'src/dataplane/listener/fleet.ts'],
  ]
  for (const [from, to] of wrong) t.ok(judge({ from, to }).length > 0, `${from} -> ${to}`)
  t.same(
    specifiers(
      `import a, {\n  b,\n} from 'x'\nimport 'y'\nexport * from './z.ts'\nconst w = await import('v')`,
    ),
    ['x', './z.ts', 'y', 'v'],
  )
  t.same(specifiers(`// from 'a'\n/* import 'b' */\nnew Worker(new URL('./worker.ts', import.meta.url))`), [
    './worker.ts',
  ])
})
