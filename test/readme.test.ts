/**
 * The tour of README and docs/tutorial.md as a reader would take it: every shell block, in order, in one bash, against a real daemon with
 * the demo, on the embedded database and on PostgreSQL; see `support/page-shell.ts`. On the embedded one then the blocks of every page
 * that says that they run against the demo, by the comment below, each page in a bash of its own. Such pages leave the demo as they found
 * it, and need no more of the README's tour than what `pooldns` and `api` stand for.
 */
import { readFileSync } from 'node:fs'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type DaemonProcess, repository, startDaemonProcess } from './support/daemon.ts'
import { isOutput, makeClone, type PageShell, startPageShell } from './support/page-shell.ts'
import { page, pageBlocks, pages } from './support/pages.ts'
import { patience } from './support/patience.ts'
import { startPostgres } from './support/postgres.ts'
import { missingPrograms } from './support/program.ts'

const tourHeading = 'A tour in five minutes'
const tour = [
  ...pageBlocks('README.md').filter(({ heading }) => heading === tourHeading),
  ...pageBlocks('docs/tutorial.md'),
]
/** What the commands of a page run against. */
const demoMark = '<!-- Its sh blocks are run against the demo. -->'
const words = pageBlocks('README.md', 'docs/tutorial.md').filter(({ text }) =>
  /^(pooldns|api)\(\)/.test(text),
)
const skip = missingPrograms('dig', 'curl', 'bash')

t.test('the tour', { skip }, async (t) => {
  t.equal(
    JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')).scripts.start,
    'node src/main.ts serve --demo',
    '`npm start` is what the harness starts',
  )
  await t.test('on the embedded database, and the pages behind it', async (t) => {
    const { folder, daemon } = await startClone(t, undefined)
    await t.test('the picture of status', (t) => withShell(folder, daemon, (shell) => isPicture(t, shell)))
    await t.test('the tour itself', (t) => takeTour(t, folder, daemon))
    // Pages in folders last: they apply what came from other systems.
    const depth = (path: string) => path.split('/').length
    const run = [...pages].filter(([, text]) => text.includes(demoMark))
    for (const [path] of run.sort(([one], [other]) => depth(one) - depth(other))) {
      await t.test(path, (t) =>
        withShell(folder, daemon, async (shell) => {
          for (const word of words) await shell.run(word.text.split('\n')[0]!)
          t.ok((await shell.take(t, pageBlocks(path))) > 0)
        }),
      )
    }
    t.same(await daemon.stop(), { code: 0, signal: null })
  })
  await t.test('on PostgreSQL', async (t) => {
    const postgres = await startPostgres()
    t.teardown(() => postgres.stop())
    const { folder, daemon } = await startClone(t, await postgres.createEmptyDatabase())
    await takeTour(t, folder, daemon)
    t.same(await daemon.stop(), { code: 0, signal: null })
  })
})

t.test('every page with shell blocks says what they run against', async (t) => {
  for (const [path, text] of pages) {
    if (path === 'README.md' || path === 'docs/tutorial.md') continue
    const shell = pageBlocks(path).some(({ language }) => language === 'sh')
    t.equal(text.includes(demoMark), shell, `${path}: blocks that are run are sh, others console`)
  }
})

t.test('the table of variables is that of the code', async (t) => {
  const source = readFileSync(join(repository, 'src/config-settings.ts'), 'utf8')
  const inCode = [...source.matchAll(/(?:setting|word|wholeNumber)\(\s*'([A-Z_]+)'/g)].map(
    ([, name]) => name!,
  )
  t.ok(inCode.length >= 10)
  const inPage = [...page('docs/configuration.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name)
  t.same(inPage.sort(), inCode.sort())
})

t.test('what it says to lie somewhere lies there', async (t) => {
  const architecture = page('docs/architecture.md')
  const table = architecture.slice(architecture.indexOf('\n## Where things are\n'))
  const all = [...pages.values()].join('\n')
  const rows = [...table.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell!)
  const paths = [...all.matchAll(/`(deploy\/[^`]+)`/g), ...rows.join().matchAll(/`([^`]+)`/g)].map(
    ([, path]) => path!,
  )
  t.ok(paths.length > 20)
  for (const path of paths) await t.resolves(access(join(repository, path)), path)
})

async function startClone(t: Test, databaseUrl: string | undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-tour-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = await makeClone(folder)
  // Nothing of the pages' members is on this host, and nothing of a test leaves it.
  const env = { DATABASE_URL: databaseUrl, POOLDNS_PROBE_DENY: '192.0.2.0/24,198.51.100.0/24,203.0.113.0/24' }
  const daemon = await startDaemonProcess({ demo: true, dataDir, env })
  t.teardown(() => daemon.stop())
  return { folder, daemon }
}

async function withShell(folder: string, daemon: DaemonProcess, use: (shell: PageShell) => Promise<void>) {
  const shell = startPageShell(folder, daemon)
  try {
    await use(shell)
  } finally {
    await shell.stop()
  }
}

async function takeTour(t: Test, folder: string, daemon: DaemonProcess): Promise<void> {
  await withShell(folder, daemon, async (shell) => {
    const ran = await shell.take(t, tour)
    t.ok(ran >= 10, `${ran} blocks`)
  })
}

/** What the README shows first is what the demo shows with one server failing and one member drained. */
async function isPicture(t: Test, shell: PageShell): Promise<void> {
  const [block] = pageBlocks('README.md').filter(({ language }) => language === 'console')
  const picture = block!.text.slice(block!.text.indexOf('\n') + 1)
  const command = words[0]!.text.split('\n')[0]!
  await shell.run(`${command}\ncurl -X POST -sS 127.0.0.1:8082/fail`)
  await shell.run('pooldns drain demo/three --for 1h --reason "new disk" --wait')
  const signal = patience()
  let shown = ''
  // Three probes must fail first, and nodes tell each other of revisions every few seconds.
  while (!isOutput(shown, picture) && !signal.aborted) {
    shown = (await shell.run('pooldns status')).output.replace(/http:\S+(?=,)/, 'http://127.0.0.1:3000')
    await delay(500, undefined, { signal }).catch(() => undefined)
  }
  t.ok(isOutput(shown, picture), `${shown}\nis what README.md shows`)
  await shell.run('pooldns undrain demo/three; curl -X POST -sS 127.0.0.1:8082/recover')
  await shell.run('until pooldns pools | grep -q healthy; do sleep 1; done')
}
