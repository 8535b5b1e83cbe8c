// Builds the console into dist/console, where the daemon serves it from: the page, its script and style sheet, each as it is and
// compressed ahead; or below the folder that is named. Does nothing where that was built from just these sources by just these tools.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { builtOnce, filesBelow, hash, versionsOf } from './built-once.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = join(root, 'src/console')
const [folder = join(root, 'dist')] = process.argv.slice(2)
/** Octets of all that a browser fetches, compressed. */
const most = 150_000
const tools = ['vite', 'rolldown', 'preact', '@preact/signals', '@preact/signals-core', 'uplot', 'yaml']

await builtOnce(
  {
    target: join(resolve(folder), 'console'),
    madeBy: { file: import.meta.filename, parts: versionsOf(tools) },
    sources,
    files: filesBelow(sources),
  },
  build,
)

async function build(made) {
  console.log('Building the console')
  // Loaded by those alone who build: it takes a while.
  const vite = await import('vite')
  await vite.build({
    configFile: false,
    root: sources,
    base: '/console/',
    logLevel: 'warn',
    clearScreen: false,
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: made,
      emptyOutDir: true,
      target: 'es2023',
      // Nothing stands within the page: the server forbids it.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  })
  const tags = {}
  let octets = 0
  for (const path of filesBelow(made)) {
    const body = readFileSync(join(made, path))
    tags[path] = hash(body)
    const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY }
    const compressed = brotliCompressSync(body, { params: quality })
    octets += compressed.length
    writeFileSync(join(made, `${path}.br`), compressed)
    writeFileSync(join(made, `${path}.gz`), gzipSync(body, { level: 9 }))
  }
  if (octets > most) throw new Error(`the console has ${octets} octets compressed, and ${most} are the limit`)
  writeFileSync(join(made, 'files.json'), `${JSON.stringify(tags, null, 2)}\n`)
  console.log(`The console has ${Math.round(octets / 1000)} KB compressed`)
}
