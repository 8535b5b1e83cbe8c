// What is built from sources into a folder: once for each state of them, and whole or not at all, for somebody may be reading.
import { createHash } from 'node:crypto'
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const marker = 'built-from'

/** @returns 22 characters that stand for all the parts */
export function hash(...parts) {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part).update('\0')
  return sum.digest('base64url').slice(0, 22)
}

/** @returns the version that the lockfile has of a package, behind its name */
export function versionsOf(names) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return names.map((name) => `${name} ${packages[`node_modules/${name}`]?.version}`)
}

/** @returns the files below a folder, by their paths with `/`, in order */
export const filesBelow = (folder, pattern = '**/*.*') =>
  globSync(pattern, { cwd: folder })
    .map((path) => path.replaceAll('\\', '/'))
    .sort()

/**
 * @param target a folder, which is replaced
 * @param madeBy the file that builds, and what else but sources it depends on
 * @param files the sources, by their paths below `sources`
 * @param build fills a folder
 */
export async function builtOnce({ target, madeBy, sources, files }, build) {
  const fingerprint = hash(
    ...[import.meta.filename, madeBy.file].map((file) => readFileSync(file)),
    ...madeBy.parts,
    ...files.flatMap((file) => [file, readFileSync(join(sources, file))]),
  )
  if (read(join(target, marker)) === fingerprint) return
  const made = `${target}.${process.pid}`
  rmSync(made, { recursive: true, force: true })
  mkdirSync(made, { recursive: true })
  await build(made)
  writeFileSync(join(made, marker), fingerprint)
  mkdirSync(dirname(target), { recursive: true })
  rmSync(target, { recursive: true, force: true })
  renameSync(made, target)
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
