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
const textOf = (unit: string) => readFileSync(join(repository, 'deploy/systemd', unit), 'utf8')

/** What `systemd-analyze verify` has against the units, when one of them has `changed` in the place of `line`. */
function complaints(line?: string, changed = ''): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-units-'))
  try {
    const paths = units.map((unit) => {
      const path = join(folder, unit)
      // It demands that the program is there.
      const text = textOf(unit).replaceAll('/usr/local/bin/pooldns', '/bin/true')
      writeFileSync(path, line === undefined ? text : text.replace(line, changed))
      return path
    })
    const { status, stdout, stderr } = analyze(['verify', '--man=no', ...paths], {
      SYSTEMD_UNIT_PATH: `${folder}:`,
    })
    const said = `${stdout}${stderr}`.split('\n').filter((line) => /pooldns/.test(line))
    return status === 0 ? said : [...said, `code ${status}`]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const analyze = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync('systemd-analyze', args, {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_COLORS: '0', ...env },
  })

t.test('systemd finds nothing wrong', { skip: missingPrograms('systemd-analyze') }, (t) => {
  t.same(complaints(), [])
  const mistakes: [string, string, RegExp][] = [
    ['ProtectHome=', 'ProtectHomes=', /Unknown key (name )?'ProtectHomes'/],
    ['ListenStream=0.0.0.0:53', 'ListenStream=0.0.0.0:dns', /Failed to parse .*0\.0\.0\.0:dns/],
    ['/bin/true serve', '/usr/bin/no-such-program serve', /no-such-program/],
  ]
  for (const [line, changed, said] of mistakes) t.match(complaints(line, changed).join('\n'), said, changed)
  t.end()
})

/** For `skip`: false when this version can judge a unit that is not installed. */
function withoutJudging(): string | false {
  const missing = missingPrograms('systemd-analyze')
  if (missing !== false) return missing
  return /--offline/.test(analyze(['--help']).stdout) ? false : 'systemd-analyze is too old'
}

/** From 0, which can do nothing, to 10. */
function exposure(text: string): number {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-exposure-'))
  try {
    const path = join(folder, 'pooldns.service')
    writeFileSync(path, text)
    const { stdout, stderr } = analyze(['security', '--offline=yes', '--no-pager', path])
    const [, level] = /exposure level for pooldns\.service: ([\d.]+)/.exec(stdout) ?? []
    if (level === undefined) throw new Error(`${stdout}${stderr}`)
    return Number(level)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

t.test('systemd finds little that the service could do', { skip: withoutJudging() }, (t) => {
  const text = textOf('pooldns.service')
  t.ok(exposure(text) < 2, `${exposure(text)}`)
  const weaker = text.replace(/^(CapabilityBoundingSet|User)=.*$/gm, '')
  t.ok(exposure(weaker) > 2, `as root, with every capability: ${exposure(weaker)}`)
  t.end()
})

t.test('it is started again, however often it ends', (t) => {
  const text = readFileSync(service, 'utf8')
  const [unit, rest] = text.split('[Service]')
  t.match(unit, /^StartLimitIntervalSec=0$/m)
  t.match(rest, /^Restart=always\nRestartSec=1$/m)
  t.match(rest, /^Type=notify\nNotifyAccess=main\nWatchdogSec=\d+\n/m, 'one that hangs ends')
  t.end()
})

t.test('it finds its settings and its data where packages and pages put them, closed to others', (t) => {
  const text = textOf('pooldns.service')
  const said = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]
  const settings = said('EnvironmentFile')!
  const read = (path: string) => readFileSync(join(repository, path), 'utf8')
  t.match(read('deploy/package/debian-package.ts'), `'${settings.slice(1)}'`, 'the Debian package')
  t.match(read('docs/deploy/systemd.md'), `pooldns.env.default ${settings}\n`, 'the page')
  const folder = `/var/lib/${said('StateDirectory')}`
  t.equal(said('Environment'), `POOLDNS_DATA_DIR=${folder}`)
  t.match(read('deploy/systemd/tmpfiles.conf'), `d ${folder} 0700 ${said('User')} ${said('Group')} -`)
  t.match(read('deploy/systemd/sysusers.conf'), `u ${said('User')} - `)
  t.equal(said('StateDirectoryMode'), '0700')
  t.equal(said('UMask'), '0077')
  t.end()
})

t.test('it is let to end in order', (t) => {
  const text = textOf('pooldns.service')
  t.match(text, /^KillMode=mixed$/m, 'the supervisor alone is told, and ends the others')
  const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(text)!
  t.ok(Number(seconds) > 10, 'the server takes ten seconds at the most')
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
  const [, ...lines] = analyze(['syscall-filter', '--no-pager', name]).stdout.split('\n')
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
