/** A tarball for systems without dpkg. It runs from wherever it is unpacked; docs/deploy/debian.md says how it is installed. */
import { copyFileSync, cpSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import {
  architectures,
  filesBelow,
  makeUniform,
  type Packaged,
  put,
  repository,
  run,
  source,
} from './packaged.ts'
import { putAround, putCommand, type StagedProgram } from './program.ts'

/** Makes `pooldns-VERSION-linux-ARCH.tar.gz` in that folder and returns its path. */
export function makeTarball(packaged: Packaged, program: StagedProgram, to: string): string {
  const { version, arch, work, fast, sourceDate } = packaged
  const name = `pooldns-${version}`
  const tree = join(work, 'tarball', name)
  const home = join(tree, 'lib/pooldns')
  for (const path of filesBelow(program.folder)) {
    mkdirSync(join(home, path, '..'), { recursive: true })
    linkSync(join(program.folder, path), join(home, path))
  }
  // By way of links: /usr/local/bin/pooldns may lead here.
  putCommand(join(tree, 'bin/pooldns'), '$(dirname "$(dirname "$(readlink -f "$0")")")/lib/pooldns')
  put(join(tree, 'share/man/man1/pooldns.1'), program.manPage)
  put(join(tree, 'share/bash-completion/completions/pooldns'), program.completions.bash)
  put(join(tree, 'share/zsh/site-functions/_pooldns'), program.completions.zsh)
  put(join(tree, 'share/fish/vendor_completions.d/pooldns.fish'), program.completions.fish)
  cpSync(join(repository, 'deploy/systemd'), join(tree, 'systemd'), { recursive: true })
  put(join(tree, 'examples/roles.sql'), source('deploy/postgres/roles.sql'))
  putAround(join(tree, 'examples'))
  put(join(tree, 'pooldns.env'), source('deploy/systemd/pooldns.env.default'), 0o600)
  for (const file of ['LICENSE', 'CHANGELOG.md']) copyFileSync(join(repository, file), join(tree, file))
  cpSync(join(repository, 'docs'), join(tree, 'docs'), { recursive: true })
  copyFileSync(program.nodeLicence, join(tree, 'LICENSE.node'))
  makeUniform(tree, sourceDate, new Map([['pooldns.env', 0o600]]))

  const plain = join(work, 'tarball.tar')
  const who = ['--owner=0', '--group=0', '--numeric-owner']
  const how = ['--format=gnu', '--sort=name', `--mtime=@${sourceDate}`, '--hard-dereference', ...who]
  run('tar', [...how, '-cf', plain, '-C', join(work, 'tarball'), name])
  const path = join(to, `${name}-linux-${architectures[arch]}.tar.gz`)
  writeFileSync(path, gzipSync(readFileSync(plain), { level: fast ? 1 : 9 }))
  rmSync(plain)
  return path
}
