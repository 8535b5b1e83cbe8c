/**
 * The Debian package, laid out by hand and packed by dpkg-deb: there is nothing to compile for which debhelper would help, and its
 * maintainer scripts would stop the server before an upgrade. Ours leave it running and replace its processes by
 * `pooldns restart`, which loses no query.
 */
import { createHash } from 'node:crypto'
import { copyFileSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianChangelog, debianVersion } from './changelog.ts'
import { copyright } from './copyright.ts'
import {
  filesBelow,
  makeUniform,
  type Packaged,
  put,
  putCompressed,
  repository,
  run,
  source,
} from './packaged.ts'
import { putAround, putCommand, type StagedProgram } from './program.ts'

/** Who is told of faults; both may be said by whoever makes packages of their own. */
const maintainer = `${process.env.DEBFULLNAME ?? 'pooldns'} <${process.env.DEBEMAIL ?? 'pooldns@users.noreply.github.com'}>`

/** It has secrets. */
const modes = new Map([['etc/pooldns/pooldns.env', 0o600]])

/** Makes `pooldns_VERSION_ARCH.deb` in that folder and returns its path. */
export function makeDebianPackage(packaged: Packaged, program: StagedProgram, to: string): string {
  const { version, arch, work, fast, sourceDate } = packaged
  const tree = join(work, 'debian')
  putProgram(tree, program)
  putConfiguration(tree)
  putDocumentation(tree, packaged, program)
  putControl(tree, packaged)
  makeUniform(tree, sourceDate, modes)
  const path = join(to, `pooldns_${debianVersion(version)}_${arch}.deb`)
  const compression = fast ? ['-Zgzip', '-z1'] : ['-Zxz']
  // One thread: how many there are is seen in the octets.
  run('dpkg-deb', ['--root-owner-group', ...compression, '--threads-max=1', '--build', tree, path], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(sourceDate) },
    quiet: true,
  })
  return path
}

function putProgram(tree: string, program: StagedProgram): void {
  const home = join(tree, 'usr/lib/pooldns')
  // Debian has the texts of licences in one place: `copyright`.
  for (const path of filesBelow(program.folder)) {
    if (path === 'LICENSE') continue
    mkdirSync(join(home, path, '..'), { recursive: true })
    linkSync(join(program.folder, path), join(home, path))
  }
  putCommand(join(tree, 'usr/bin/pooldns'), '/usr/lib/pooldns')
  putCompressed(join(tree, 'usr/share/man/man1/pooldns.1.gz'), program.manPage)
  put(join(tree, 'usr/share/bash-completion/completions/pooldns'), program.completions.bash)
  put(join(tree, 'usr/share/zsh/vendor-completions/_pooldns'), program.completions.zsh)
  put(join(tree, 'usr/share/fish/vendor_completions.d/pooldns.fish'), program.completions.fish)
}

function putConfiguration(tree: string): void {
  for (const unit of ['pooldns.service', 'pooldns.socket']) {
    const text = source(`deploy/systemd/${unit}`).replaceAll('/usr/local/bin/pooldns', '/usr/bin/pooldns')
    put(join(tree, 'usr/lib/systemd/system', unit), text)
  }
  put(join(tree, 'usr/lib/sysusers.d/pooldns.conf'), source('deploy/systemd/sysusers.conf'))
  put(join(tree, 'usr/lib/tmpfiles.d/pooldns.conf'), source('deploy/systemd/tmpfiles.conf'))
  put(join(tree, 'etc/pooldns/pooldns.env'), source('deploy/systemd/pooldns.env.default'))
}

function putDocumentation(tree: string, packaged: Packaged, program: StagedProgram): void {
  const folder = join(tree, 'usr/share/doc/pooldns')
  const text = source('CHANGELOG.md')
  putCompressed(join(folder, 'changelog.gz'), debianChangelog(text, { ...packaged, maintainer }))
  putCompressed(join(folder, 'CHANGELOG.md.gz'), text)
  put(join(folder, 'copyright'), copyright(program))
  for (const path of filesBelow(join(repository, 'docs'))) {
    mkdirSync(join(folder, 'docs', path, '..'), { recursive: true })
    copyFileSync(join(repository, 'docs', path), join(folder, 'docs', path))
  }
  put(join(folder, 'examples/roles.sql'), source('deploy/postgres/roles.sql'))
  put(join(folder, 'examples/demo.yaml'), source('deploy/demo.yaml'))
  putAround(join(folder, 'examples'))
  put(join(tree, 'usr/share/lintian/overrides/pooldns'), source('deploy/package/debian/lintian-overrides'))
}

function putControl(tree: string, { version, arch }: Packaged): void {
  const control = source('deploy/package/debian/control')
  const files = filesBelow(tree)
  const fields = {
    VERSION: debianVersion(version),
    ARCH: arch,
    MAINTAINER: maintainer,
    SIZE: String(installedSize(tree)),
  }
  const filled = control.replaceAll(/@([A-Z]+)@/g, (_, name: keyof typeof fields) => fields[name])
  put(join(tree, 'DEBIAN/control'), filled)
  put(join(tree, 'DEBIAN/conffiles'), '/etc/pooldns/pooldns.env\n')
  const sums = files
    .filter((path) => !path.startsWith('etc/'))
    .map(
      (path) =>
        `${createHash('md5')
          .update(readFileSync(join(tree, path)))
          .digest('hex')}  ${path}\n`,
    )
  put(join(tree, 'DEBIAN/md5sums'), sums.join(''))
  for (const script of ['postinst', 'prerm', 'postrm'])
    put(join(tree, 'DEBIAN', script), source(`deploy/package/debian/${script}`), 0o755)
}

/** In KiB, as Debian's policy counts (5.6.20): files by their size, anything else 1. */
const installedSize = (tree: string) =>
  readdirSync(tree, { recursive: true, encoding: 'utf8' })
    .map((path) => lstatSync(join(tree, path)))
    .reduce((sum, found) => sum + (found.isFile() ? Math.ceil(found.size / 1024) : 1), 0)
