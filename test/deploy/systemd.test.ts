/** The units for systemd, as it reads them itself. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { repository, startDaemonProcess } from '../support/daemon.ts'
import { missingPrograms } from '../support/program.ts'

const service = join(repository, 'deploy/systemd/pooldns.service')
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

const analyze = (...args: readonly string[]) =>
  spawnSync('systemd-analyze', args, { encoding: 'utf8', env: { ...process.env, SYSTEMD_COLORS: '0' } })

/** For `skip`: false when this version can judge a unit that is not installed. */
function withoutJudging(): string | false {
  const missing = missingPrograms('systemd-analyze')
  if (missing !== false) return missing
  return /--offline/.test(analyze('--help').stdout) ? false : 'systemd-analyze is too old'
}

t.test('systemd finds little that the service could do', { skip: withoutJudging() }, (t) => {
  const { stdout, stderr } = analyze('security', '--offline=yes', '--no-pager', service)
  const exposure = /exposure level for pooldns\.service: ([\d.]+)/.exec(stdout)?.[1]
  t.ok(exposure !== undefined, `${stdout}${stderr}`)
  t.ok(Number(exposure) < 2, `${exposure}`)
  t.end()
})

t.test('when one process is out of memory, systemd leaves the others', (t) => {
  t.match(readFileSync(service, 'utf8'), /^OOMPolicy=continue$/m)
  t.end()
})

/** The system calls that the unit lets through. */
function allowedCalls(): string[] {
  const lists = [...readFileSync(service, 'utf8').matchAll(/^SystemCallFilter=(.*)$/gm)].map(
    (match) => match[1]!,
  )
  const calls = new Set<string>()
  for (const list of lists) {
    for (const call of list.replace('~', '').split(' ').flatMap(callsOf))
      calls[list.startsWith('~') ? 'delete' : 'add'](call)
  }
  return [...calls]
}

/** Groups hold groups. */
function callsOf(name: string): string[] {
  if (!name.startsWith('@')) return [name]
  const [, ...lines] = analyze('syscall-filter', '--no-pager', name).stdout.split('\n')
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap(callsOf)
}

const skip = missingPrograms('systemd-analyze', 'strace')
t.test('no system call that the server makes is denied by the unit', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-calls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const said = join(folder, 'denied')
  const others = `!${allowedCalls()
    .map((call) => `?${call}`)
    .join(',')}`
  await using daemon = await startDaemonProcess({
    through: [
      'strace',
      '-D',
      '-f',
      '-qq',
      '--seccomp-bpf',
      '--signal=none',
      '-o',
      said,
      '-e',
      `trace=${others}`,
    ],
  })
  t.equal((await fetch(`${daemon.http}/health`)).status, 200)
  daemon.signal('SIGTERM')
  await daemon.exited
  t.equal(readFileSync(said, 'latin1'), '')
})
