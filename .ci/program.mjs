// Builds the program into dist/src, or below the folder that is named: a few files in place of the hundreds of ours and of the packages
// that it uses, which Node would find and load one by one in each process and thread. A command takes a third of the CPU that it takes from
// the sources, a start two thirds. Does nothing where that was built from just these sources by just these tools.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtOnce, filesBelow, versionsOf } from './built-once.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const [folder = join(root, 'dist')] = process.argv.slice(2)
const target = join(resolve(folder), 'src')
const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What processes and threads begin with. Each stands where its source stands: those that start it look for it there. */
const entries = [
  'main',
  'daemon/control-plane',
  'dataplane/process/main',
  'dataplane/listener/worker',
  'dataplane/listener/tap-worker',
  'controlplane/store/embedded-database-worker',
  'controlplane/health/probes/pattern-thread',
  'controlplane/signing/signing-worker',
  'controlplane/location/location-worker',
  'controlplane/compile/compile-worker',
]
/** Packages that stay what they are: which may be missing, or have files beside their code. */
const apart = [
  ...Object.keys(optionalDependencies),
  '@electric-sql/pglite',
  '@electric-sql/pglite-socket',
  '@fastify/swagger-ui',
  // Which `pg` looks for, and we don't have.
  'pg-native',
]
const isApart = (name) => apart.some((each) => name === each || name.startsWith(`${each}/`))

async function build(made) {
  console.log('Building the program')
  // Loaded by those alone who build: it takes a while.
  const { rolldown } = await import('rolldown')
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((entry) => [entry, join(root, `src/${entry}.ts`)])),
    platform: 'node',
    external: isApart,
    plugins: [keepPlaces],
  })
  const { output } = await bundle.write({
    dir: made,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'parts/[name]-[hash].js',
    // Node keeps the text of each file in each thread that loads it: one octet a character where all are ASCII, and two where one isn't.
    charset: 'ascii',
    comments: { legal: false, annotation: false, jsdoc: false },
    banner: ({ fileName }) =>
      `const programRoot = new URL('${'../'.repeat(fileName.split('/').length)}', import.meta.url);`,
  })
  writeFileSync(join(made, 'LICENSES.txt'), licences(output.flatMap(({ moduleIds = [] }) => moduleIds)))
}

/** Code asks where it is, to find what lies beside it: the answer is where its file would be, not where it came to lie. */
const keepPlaces = {
  name: 'keep-places',
  transform(code, id) {
    const path = relative(root, id).replaceAll('\\', '/')
    if (!path.startsWith('src/') || !/\bimport\.meta\.(url|filename)\b/.test(code)) return null
    const place = `new URL('${path.replace(/\.ts$/, '.js')}', programRoot)`
    return code
      .replaceAll(/\bimport\.meta\.url\b/g, `${place}.href`)
      .replaceAll(/\bimport\.meta\.filename\b/g, `${place}.pathname`)
  },
}

/** What the licences of the packages ask for: their texts go wherever the code goes. */
function licences(modules) {
  const folders = modules.flatMap(
    (id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0] ?? [],
  )
  const texts = [...new Set(folders)].sort().map((place) => {
    const { name, version, license } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'))
    const files = readdirSync(place).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
    const text = files.sort().map((file) => readFileSync(join(place, file), 'utf8').trim())
    return [`${name} ${version} (${license})`, ...text].join('\n\n')
  })
  return `The program has code of these packages in it.\n\n${texts.join(`\n\n${'-'.repeat(72)}\n\n`)}\n`
}

await builtOnce(
  {
    target,
    madeBy: {
      file: import.meta.filename,
      parts: [
        readFileSync(join(root, 'package.json')),
        ...versionsOf(['rolldown', ...Object.keys(dependencies)]),
      ],
    },
    sources: root,
    files: filesBelow(root, '{src,schema}/**/*.ts').filter((path) => !path.startsWith('src/console/')),
  },
  build,
)
