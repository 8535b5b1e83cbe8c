/**
 * The PostgreSQL that is installed here, Debian's in particular, with the settings of its package: it compiles expensive
 * queries (JIT), which the server of `postgres.ts` was built without.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type PostgresServer, startServer } from './postgres-server.ts'

const debianFolder = '/usr/lib/postgresql'

/** Where the newest version is; null when there is none. */
export function findSystemHome(): string | null {
  if (!existsSync(debianFolder)) return null
  const homes = readdirSync(debianFolder)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(debianFolder, version))
  return homes.find((home) => existsSync(join(home, 'bin/initdb'))) ?? null
}

/** For tap's `skip`: false when it can be started. */
export function withoutSystemPostgres(): string | false {
  return findSystemHome() === null ? `not installed: postgresql (in ${debianFolder})` : false
}

/**
 * Starts it. Ask `withoutSystemPostgres` before.
 *
 * @param flags of `postgres`, such as `-c fsync=off`
 */
export function startSystemPostgres(...flags: readonly string[]): Promise<PostgresServer> {
  return startServer(findSystemHome()!, flags)
}
