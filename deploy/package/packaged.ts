/** What is known of a package while it is made, and how files get there. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

export const repository = fileURLToPath(new URL('../../', import.meta.url))

/** Debian's names, and what Node and npm call them. */
export const architectures = { amd64: 'x64', arm64: 'arm64' } as const

export interface Packaged {
  /** As in package.json. */
  readonly version: string
  /** Debian's name. */
  readonly arch: keyof typeof architectures
  /** A folder for this work alone. */
  readonly work: string
  /** Compressed little. */
  readonly fast: boolean
  /** Seconds since 1970 that every file gets. */
  readonly sourceDate: number
}

/**
 * Runs a program and returns what it wrote to standard output.
 *
 * @throws Error that names the program and how it ended
 */
export function run(
  program: string,
  args: readonly string[],
  { cwd = repository, env = process.env, quiet = false } = {},
): string {
  const { status, signal, error, stdout } = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', quiet ? 'pipe' : 'inherit'],
  })
  if (error !== undefined) throw new Error(`${program}: ${error.message}`)
  if (status !== 0) throw new Error(`${program} ${args[0] ?? ''}: ended with ${signal ?? `code ${status}`}`)
  return stdout
}

/** Writes a file, and the folders above it. */
export function put(path: string, content: string | Uint8Array, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  chmodSync(path, mode)
}

/** The same, compressed: without a name and a time, so that it depends on nothing but what is in it. */
export const putCompressed = (path: string, content: string) => put(path, gzipSync(content, { level: 9 }))

/** A file of the repository. */
export const source = (path: string) => readFileSync(join(repository, path), 'utf8')

/** Paths of all files below a folder, in order, without those of folders. */
export const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !lstatSync(join(folder, path)).isDirectory())
    .sort()

/**
 * Gives all below a folder, and itself, the time of the source and plain rights: what may be run stays so, and nothing is
 * writable by others. Modes that were given on purpose, such as those of secrets, are left.
 */
export function makeUniform(
  folder: string,
  sourceDate: number,
  modes: ReadonlyMap<string, number> = new Map(),
) {
  for (const path of [...readdirSync(folder, { recursive: true, encoding: 'utf8' }), '.']) {
    const full = join(folder, path)
    const found = lstatSync(full)
    if (!found.isSymbolicLink()) {
      const mayRun = found.isDirectory() || (statSync(full).mode & 0o100) !== 0
      chmodSync(full, modes.get(path) ?? (mayRun ? 0o755 : 0o644))
    }
    lutimesSync(full, sourceDate, sourceDate)
  }
}
