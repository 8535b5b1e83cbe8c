/** Reads the file that says who signs people in to the console. */
import { readFileSync, statSync } from 'node:fs'
import { parseIdentityProvider } from './controlplane/document/identity-provider.ts'
import { readYaml } from './controlplane/document/yaml-text.ts'
import type { Problem } from './controlplane/model/errors.ts'
import type { IdentityProvider } from './controlplane/model/identity-provider.ts'

/** Why the file can't be used, a line for each problem. */
export class OpenidFileError extends Error {
  override readonly name = 'OpenidFileError'
}

/** Octets; a hundred groups with their limits are some 20,000. */
const longestFile = 256 * 1024
/** More say nothing new. */
const mostShown = 10

/**
 * @param clientSecret null for none
 * @throws OpenidFileError that names line and column, or the path of what is wrong
 */
export function readIdentityProvider(path: string, clientSecret: string | null): IdentityProvider {
  const yaml = readYaml(textOf(path))
  if (!yaml.ok)
    throw wrong(
      path,
      yaml.problems.map(({ message, place }) => ({ message, place })),
    )
  const problems: Problem[] = []
  const provider = parseIdentityProvider(yaml.input, problems)
  if (provider !== undefined) return { ...provider, clientSecret }
  throw wrong(
    path,
    problems.map((problem) => ({
      message: `${problem.path === '' ? 'it ' : `${problem.path}: `}${problem.message}`,
      place: yaml.placeOf(problem.path),
    })),
  )
}

function wrong(
  path: string,
  problems: readonly { message: string; place: { line: number; column: number } | null }[],
): OpenidFileError {
  const lines = problems
    .slice(0, mostShown)
    .map(
      ({ message, place }) => `${path}${place === null ? '' : `:${place.line}:${place.column}`}: ${message}`,
    )
  return new OpenidFileError(lines.join('\n'))
}

function textOf(path: string): string {
  try {
    const { size } = statSync(path)
    if (size > longestFile) throw new Error(`it has more than ${longestFile} octets`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new OpenidFileError(`${path} can't be read: ${(error as Error).message}`)
  }
}
