/**
 * Whose certificates of a database are taken: those of the authorities in a file, which the URL names (`sslrootcert`), or libpq's variable
 * PGSSLROOTCERT, which the driver does not read. PGSSLMODE it reads, but not beside what a URL says of TLS; so they go into the URL together.
 * What stands there already counts. `system` in the place of a file are the authorities of the host, as libpq has it.
 */
import { readFileSync } from 'node:fs'
import { DatabaseUrlError, parseDatabaseUrl } from './database-url.ts'

/** Words of a URL that ask for no certificate to be looked at. */
const unverified: readonly (string | null)[] = ['disable', 'no-verify']

/** @param file of PGSSLROOTCERT @param mode of PGSSLMODE */
export function withAuthorities(url: string, file: string | undefined, mode: string | undefined): string {
  const said = parametersOf(url)
  if (said.get('sslrootcert') === 'system')
    return withParameters(url, { sslmode: 'verify-full' }, ['sslrootcert'])
  if (['0', 'false'].includes(said.get('ssl') ?? '')) return url
  const asked = said.get('sslmode') ?? mode
  const sockets = parseDatabaseUrl(url).servers.every(({ name }) => name.startsWith('/'))
  if (!file || said.has('sslrootcert') || sockets || unverified.includes(asked ?? null)) return url
  if (file === 'system') return withParameters(url, { sslmode: 'verify-full' })
  return withParameters(url, { ...(asked && { sslmode: asked }), sslrootcert: file })
}

function withParameters(
  url: string,
  more: Readonly<Record<string, string>>,
  less: readonly string[] = [],
): string {
  const parameters = parametersOf(url)
  for (const name of less) parameters.delete(name)
  for (const [name, value] of Object.entries(more)) parameters.set(name, value)
  return `${url.replace(/\?.*$/s, '')}?${parameters}`
}

/** @throws DatabaseUrlError when the file that the URL names is none of authorities: the driver would only ever fail to connect */
export function checkAuthorities(url: string): void {
  const file = parametersOf(url).get('sslrootcert')
  if (!file) return
  let text: string
  try {
    text = readFileSync(file, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new DatabaseUrlError(`sslrootcert: ${file} can't be read (${code})`)
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new DatabaseUrlError(`sslrootcert: there is no certificate in ${file}`)
}

function parametersOf(url: string): URLSearchParams {
  const at = url.indexOf('?')
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1))
}
