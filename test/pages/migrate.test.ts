/** The examples of the pages in `docs/migrate/`, as a reader would run them, with `pooldns` in the path and a server that it speaks to. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { makeClone, startPageShell } from '../support/page-shell.ts'
import { pageBlocks, pages } from '../support/pages.ts'
import { missingPrograms } from '../support/program.ts'

t.test('the examples of pages on other servers', { skip: missingPrograms('dig', 'bash') }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-migrate-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = await makeClone(folder)
  // Nothing is sent to the addresses of the examples.
  const daemon = await startDaemonProcess({ dataDir, env: { POOLDNS_PROBE_DENY: '192.0.2.0/24' } })
  t.teardown(() => daemon.stop())
  const shell = startPageShell(folder, daemon)
  t.teardown(() => shell.stop())
  await shell.run('pooldns() { node_modules/.bin/node src/main.ts "$@"; }\n')
  const migrating = [...pages.keys()].filter((path) => path.startsWith('docs/migrate/'))
  t.equal(migrating.length, 4)
  for (const path of migrating) {
    await t.test(path, async (t) => t.equal(await shell.take(t, pageBlocks(path)), 2))
  }
})
