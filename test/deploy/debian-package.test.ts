/**
 * The Debian package on a Debian 12 whose first process is systemd: installed, asked on port 53, restarted, upgraded, removed and
 * purged as its operator would. It is made here, unless POOLDNS_PACKAGES names a folder that has it.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { node, repository } from '../support/daemon.ts'
import { type DebianMachine, startDebian, withoutMachines } from '../support/debian-machine.ts'
import { pageBlocks } from '../support/pages.ts'
import { missingPrograms, startProgram } from '../support/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'pooldns-deb-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const skip = missingPrograms('dpkg-deb', 'npm', 'tar', 'dig', 'dnsperf', 'setpriv') || withoutMachines()
const name = 'www.example.test'
const address = '192.0.2.11\n'
const service = `
monitors:
  told: { type: static, state: up }
pools:
  web:
    monitor: told
    members: { one: { address: 192.0.2.11 } }
services:
  ${name}: { pools: [web] }
zones:
  example.test:
    soa: { mname: ns1.example.test., rname: hostmaster.example.test. }
    rrsets:
      - { name: "@", type: NS, data: [ns1.example.test.] }
      - { name: ns1, type: A, data: [192.0.2.53] }
`

/** Paths of the package and of the tarball for this machine. */
function makePackages(): { deb: string; tarball: string } {
  const made = process.env.POOLDNS_PACKAGES
  if (made === undefined) {
    const { status, stderr } = spawnSync(node, ['deploy/package/main.ts', '--fast', '--to', folder], {
      cwd: repository,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
  }
  const find = (pattern: string) => {
    const [path] = globSync(pattern, { cwd: made ?? folder })
    if (path === undefined) throw new Error(`no ${pattern} in ${made ?? folder}`)
    return join(made ?? folder, path)
  }
  const arm = process.arch === 'arm64'
  return {
    deb: find(`pooldns_*_${arm ? 'arm64' : 'amd64'}.deb`),
    tarball: find(`pooldns-*-linux-${arm ? 'arm64' : 'x64'}.tar.gz`),
  }
}

/** A block of a page below a heading, of that language. */
function block(page: string, heading: string, language: string): string {
  const found = pageBlocks(page).find((each) => each.heading === heading && each.language === language)
  if (found === undefined) throw new Error(`${page}: no ${language} below ${heading}`)
  return found.text
}

/** A newer version of the same package: what a release changes last is its number. */
function newerThan(deb: string, version: string): string {
  const tree = join(folder, 'newer')
  const must = (program: string, ...args: string[]) => {
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${program}: ${stderr}`)
  }
  must('dpkg-deb', '-R', deb, tree)
  for (const path of ['DEBIAN/control', 'usr/lib/pooldns/package.json']) {
    const text = readFileSync(join(tree, path), 'utf8')
    writeFileSync(join(tree, path), text.replace(/^(Version: | *"version": ")[^"\n]+/m, `$1${version}`))
  }
  const path = join(folder, 'newer.deb')
  must('dpkg-deb', '--root-owner-group', '-Zgzip', '-z1', '-b', tree, path)
  return path
}

/** What dig says to somebody without rights, in the machine's network. */
function ask(machine: DebianMachine, server = '127.0.0.1'): string {
  const [program, ...args] = machine.inItsNetwork
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const question = ['dig', '+short', '+tries=3', `@${server}`, '-p', '53', name, 'A']
  return spawnSync(program!, [...args, ...nobody, ...question], { encoding: 'utf8' }).stdout
}

/** Asks all the time until it is told to stop, and then says how many were asked and how many got no answer. */
function askAllTheTime(machine: DebianMachine) {
  const questions = join(folder, 'questions')
  writeFileSync(questions, `${name} A\n`)
  const [program, ...args] = machine.inItsNetwork
  const how = ['-s', '127.0.0.1', '-p', '53', '-d', questions, '-Q', '200', '-t', '30', '-l', '800']
  const asking = startProgram(program!, [...args, 'dnsperf', ...how], { stopSignal: 'SIGINT' })
  return async () => {
    await asking.stop()
    const [, sent] = /Queries sent: +(\d+)/.exec(asking.output) ?? []
    const [, completed] = /Queries completed: +(\d+)/.exec(asking.output) ?? []
    const [, interrupted] = /Queries interrupted: +(\d+)/.exec(asking.output) ?? [undefined, '0']
    const [, right] = /Response codes: +NOERROR (\d+) \(100\.00%\)/.exec(asking.output) ?? []
    if (sent === undefined || completed === undefined) throw new Error(`dnsperf: ${asking.output}`)
    const lost = Number(sent) - Number(completed) - Number(interrupted)
    return { sent: Number(sent), lost, right: right === completed }
  }
}

async function losesNothing(t: Test, machine: DebianMachine, line: string): Promise<void> {
  const stop = askAllTheTime(machine)
  machine.do(line)
  const { sent, lost, right } = await stop()
  t.ok(sent > 10, `${line}: ${sent} queries`)
  t.equal(lost, 0, `${line}: ${lost} of ${sent} queries lost`)
  t.ok(right, `${line}: all with NOERROR`)
}

t.test('the package on a Debian 12', { skip }, async (t) => {
  const { deb, tarball } = makePackages()
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))

  await using machine = await startDebian()
  cpSync(deb, join(machine.root, 'root/pooldns.deb'))
  cpSync(newerThan(deb, '99.0.0'), join(machine.root, 'root/newer.deb'))
  writeFileSync(join(machine.root, 'root/service.yaml'), service)

  await t.test('is installed, starts, and answers on port 53', async (t) => {
    machine.do('dpkg -i /root/pooldns.deb')
    t.equal(machine.do('systemctl is-active pooldns.service pooldns.socket'), 'active\nactive\n')
    machine.do('test -x /usr/share/doc/pooldns/examples/anycast/pooldns-anycast')
    t.equal(machine.do('systemctl is-enabled pooldns.service pooldns.socket'), 'enabled\nenabled\n')
    t.equal(machine.do('pooldns --version'), `${version}\n`)
    machine.do('pooldns apply --file /root/service.yaml')
    t.equal(ask(machine), address)
  })

  await t.test('runs as a user who can do nothing else', (t) => {
    const pid = machine.do('systemctl show --property MainPID --value pooldns.service').trim()
    const status = machine.do(`cat /proc/${pid}/status`)
    const uid = machine.do('id -u pooldns').trim()
    t.match(status, new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, 'm'))
    t.not(uid, '0')
    for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      t.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'))
    t.match(status, /^NoNewPrivs:\s+1$/m)
    t.match(status, /^Seccomp:\s+2$/m)
    t.equal(machine.do('stat -c "%U %a" /var/lib/pooldns'), 'pooldns 700\n')
    t.equal(machine.do('stat -c "%U %a" /etc/pooldns/pooldns.env'), 'root 600\n')
    t.end()
  })

  await t.test('has a manual page, and completes commands', (t) => {
    t.match(machine.do('man -w pooldns'), '/usr/share/man/man1/pooldns.1.gz')
    const completed = machine.do(
      `bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader pooldns; complete -p pooldns'`,
    )
    t.match(completed, /complete .*pooldns/)
    t.end()
  })

  await t.test('no query is lost when it is reloaded, restarted or upgraded', async (t) => {
    await losesNothing(t, machine, 'systemctl reload pooldns')
    await losesNothing(t, machine, 'systemctl restart pooldns')
    machine.do('echo POOLDNS_LOG_LEVEL=debug >> /etc/pooldns/pooldns.env')
    const before = machine.do('systemctl show --property MainPID --value pooldns.service')
    await losesNothing(t, machine, 'dpkg -i /root/newer.deb')
    t.equal(machine.do('systemctl show --property MainPID --value pooldns.service'), before)
    t.equal(machine.do('pooldns --version'), '99.0.0\n')
    t.match(machine.do('pooldns status'), /99\.0\.0/, 'the one that answers')
    t.match(machine.do('cat /etc/pooldns/pooldns.env'), /^POOLDNS_LOG_LEVEL=debug$/m)
  })

  await t.test('what was disabled stays so over an upgrade', (t) => {
    machine.do('systemctl disable --now pooldns.service pooldns.socket')
    machine.do('dpkg -i /root/pooldns.deb')
    t.equal(machine.run('systemctl is-active pooldns.service pooldns.socket').output, 'inactive\ninactive\n')
    machine.do('systemctl enable --now pooldns.socket pooldns.service')
    t.equal(ask(machine), address)
    t.end()
  })

  await t.test('leaves its data when it is removed, and takes them when it is purged', (t) => {
    machine.do('dpkg -r pooldns')
    t.equal(machine.run('systemctl is-active pooldns.service pooldns.socket').output, 'inactive\ninactive\n')
    t.match(ask(machine), /no servers could be reached|connection refused|timed out/i)
    t.ok(existsSync(join(machine.root, 'var/lib/pooldns/db')))
    t.ok(existsSync(join(machine.root, 'etc/pooldns/pooldns.env')))
    machine.do('dpkg -i /root/pooldns.deb')
    t.equal(ask(machine), address, 'what was there is answered again')
    machine.do('dpkg -P pooldns')
    t.notOk(existsSync(join(machine.root, 'var/lib/pooldns')))
    t.notOk(existsSync(join(machine.root, 'etc/pooldns')))
    t.notOk(existsSync(join(machine.root, 'usr/lib/pooldns')))
    t.equal(machine.do('find /etc/systemd /usr/lib/systemd -name "pooldns*"'), '')
    t.end()
  })

  await t.test('the tarball is set up as its pages say', (t) => {
    cpSync(tarball, join(machine.root, 'root', basename(tarball)))
    const [unpack, ...further] = block('docs/deploy/debian.md', 'The tarball', 'console')
      .replaceAll('sudo ', '')
      .replaceAll('pooldns-0.1.0', `pooldns-${version}`)
      .replaceAll('linux-x64.tar.gz', basename(tarball).split('-').slice(2).join('-'))
      .split('\n')
    const setUp = block('docs/deploy/systemd.md', 'Set it up', 'console')
    machine.do(['set -e', 'cd /root', unpack, ...further, setUp].join('\n'))
    machine.do('POOLDNS_DATA_DIR=/var/lib/pooldns pooldns apply --file /root/service.yaml')
    t.equal(ask(machine), address)
    t.equal(machine.do('stat -c %U /var/lib/pooldns/admin-token'), 'pooldns\n')

    const chosen = block('docs/deploy/systemd.md', 'Where DNS is answered', 'ini')
      .replaceAll('192.0.2.53', '127.0.0.2')
      .replaceAll('2001:db8::53', '::1')
    const dropIns = join(machine.root, 'etc/systemd/system/pooldns.socket.d')
    mkdirSync(dropIns)
    writeFileSync(join(dropIns, 'override.conf'), chosen)
    machine.do(
      'systemctl daemon-reload; systemctl stop pooldns; systemctl restart pooldns.socket pooldns.service',
    )
    for (const server of ['127.0.0.2', '::1']) t.equal(ask(machine, server), address, server)
    t.not(ask(machine), address, 'there no longer')
    t.end()
  })

  await t.test('lintian has nothing against it', { skip: missingPrograms('lintian') }, (t) => {
    const { stdout, stderr, status } = spawnSync(
      'lintian',
      ['--allow-root', '--tag-display-limit', '0', deb],
      {
        encoding: 'utf8',
      },
    )
    t.equal(stdout, '', stderr)
    t.equal(status, 0)
    t.end()
  })
})
