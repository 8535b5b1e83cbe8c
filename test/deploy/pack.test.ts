/** What `npm pack` makes of a clone: the program, built, that runs where it is unpacked beside its dependencies. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { node, repository, startDaemonProcess } from '../support/daemon.ts'
import { missingPrograms } from '../support/program.ts'

const run = promisify(execFile)

t.test('the packed program', { skip: missingPrograms('npm', 'tar') }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-pack-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: repository })
  const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n')))
  const paths: string[] = files.map(({ path }: { path: string }) => path)
  for (const path of [
    'dist/src/main.js',
    'dist/src/LICENSES.txt',
    'dist/console/index.html',
    'dist/console/index.html.br',
    'dist/console/files.json',
    'README.md',
    'LICENSE',
    'deploy/demo.yaml',
    'deploy/air_quality.csv',
  ])
    t.ok(paths.includes(path), path)
  t.ok(
    paths.some((path) => /^dist\/embedded-database-[\d.]+\.tar\.gz$/.test(path)),
    'the files of an empty database',
  )
  t.notOk(
    paths.some((path) => /^(src|test|node_modules|\.ci)\//.test(path)),
    'no sources and no tests',
  )
  await run('tar', ['-xzf', join(folder, filename), '-C', folder])
  const program = join(folder, 'package')
  await symlink(join(repository, 'node_modules'), join(program, 'node_modules'))
  for (const path of paths.filter((path) => /^dist\/src\/.*\.js$/.test(path))) {
    const octets = await readFile(join(program, path))
    if (octets.some((octet) => octet > 127))
      t.fail(`${path} is not ASCII, so that its text takes twice the memory`)
  }
  const { bin, version } = JSON.parse(await readFile(join(program, 'package.json'), 'utf8'))
  const main = join(program, bin.pooldns)
  t.match(await readFile(main, 'utf8'), /^#!\/usr\/bin\/env node\n/)
  t.ok((await stat(main)).isFile())
  t.equal((await run(node, [main, '--version'])).stdout, `${version}\n`)
  t.match((await run(node, [main, 'man'])).stdout, /^\.TH POOLDNS 1/)
  await using daemon = await startDaemonProcess({ entry: main })
  t.match(await (await daemon.request('/v1/overview')).json(), { node: { version } })
  const { paths: routes } = (await (await daemon.request('/openapi.json')).json()) as Record<string, object>
  t.match(routes, {
    '/v1/overview': {
      get: { responses: { 200: { content: { 'application/json': { examples: Object } } } } },
    },
  })
  const env = { ...process.env, POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN: daemon.token }
  t.match((await run(node, [main, 'status'], { env })).stdout, /^Services +none$/m)
})
