/** The units for systemd, as it reads them itself. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { repository } from '../support/daemon.ts'
import { missingPrograms } from '../support/program.ts'

const units = ['pooldns.service', 'pooldns.socket']

t.test('systemd finds nothing wrong', { skip: missingPrograms('systemd-analyze') }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-units-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const paths = units.map((unit) => {
    const text = readFileSync(join(repository, 'deploy/systemd', unit), 'utf8')
    const path = join(folder, unit)
    // It demands that the program is there.
    writeFileSync(path, text.replaceAll('/usr/local/bin/pooldns', '/bin/true'))
    return path
  })
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
  })
  const said = `${stdout}${stderr}`.split('\n').filter((line) => /pooldns/.test(line))
  t.same(said, [])
  t.equal(status, 0, `${stdout}${stderr}`)
})
