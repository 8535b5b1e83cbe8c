/**
 * `npm run package`: makes of a clean clone what operators install, for one architecture:
 *
 *   pooldns_VERSION_ARCH.deb             for Debian 12 and later, and Ubuntu 22.04 and later
 *   pooldns-VERSION-linux-ARCH.tar.gz    for other Linux systems with glibc 2.28 or later
 *   SHA256SUMS                           of all that is in the folder
 *
 * Both hold the program, its dependencies as the lockfile pins them, and a Node of their own, since no release of Debian has one that is
 * new enough. The same commit gives the same octets, with the same dpkg, tar and gzip: files are in order, belong to root, and have
 * the time of the commit (SOURCE_DATE_EPOCH goes before it), and nothing depends on the machine or the day.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { makeDebianPackage } from './debian-package.ts'
import { architectures, type Packaged, repository, run } from './packaged.ts'
import { stageProgram } from './program.ts'
import { makeTarball } from './tarball.ts'

const usage = `Usage: npm run package -- [--arch amd64|arm64] [--to FOLDER] [--fast]

  --arch  whose machines it is for; default: that of this one
  --to    where the files go; default: packages
  --fast  compressed little, for tests
`

function options(): { arch: keyof typeof architectures; folder: string; fast: boolean } {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: process.arch === 'arm64' ? 'arm64' : 'amd64' },
      to: { type: 'string', default: 'packages' },
      fast: { type: 'boolean', default: false },
    },
  })
  if (!(values.arch in architectures)) throw new Error(`--arch: ${values.arch} is neither amd64 nor arm64`)
  return { arch: values.arch as keyof typeof architectures, folder: resolve(values.to), fast: values.fast }
}

/** Seconds since 1970 of the last commit, unless SOURCE_DATE_EPOCH says otherwise. */
function sourceDate(): number {
  const said =
    process.env.SOURCE_DATE_EPOCH ?? run('git', ['log', '-1', '--format=%ct'], { quiet: true }).trim()
  if (!/^\d+$/.test(said)) throw new Error(`SOURCE_DATE_EPOCH: ${said} is no number of seconds since 1970`)
  return Number(said)
}

function main(): void {
  const { arch, folder, fast } = options()
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  const work = mkdtempSync(join(tmpdir(), 'pooldns-package-'))
  try {
    const packaged: Packaged = { version, arch, work, fast, sourceDate: sourceDate() }
    // What a compiler or npm does with an older umask must not be seen in what is packed.
    process.umask(0o022)
    mkdirSync(folder, { recursive: true })
    const program = stageProgram(packaged)
    for (const path of [makeDebianPackage(packaged, program, folder), makeTarball(packaged, program, folder)])
      process.stdout.write(`${path}\n`)
    writeSums(folder)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function writeSums(folder: string): void {
  const lines = readdirSync(folder)
    .filter((name) => /\.(deb|tar\.gz)$/.test(name))
    .sort()
    .map(
      (name) =>
        `${createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex')}  ${name}\n`,
    )
  writeFileSync(join(folder, 'SHA256SUMS'), lines.join(''))
}

try {
  main()
} catch (error) {
  process.stderr.write(`package: ${(error as Error).message}\n${usage}`)
  process.exitCode = 1
}
