/** Backups of databases of a test's server, and their restoration under the feet of whoever uses the database. */
import pg from 'pg'
import type { PostgresServer } from './postgres-server.ts'

/** Copies a database as it is, whoever uses it: they lose their connections, and get new ones. */
export async function backUp({ url: server }: PostgresServer, database: string, copy: string): Promise<void> {
  await closed(server, database, async (run) => {
    await run(`create database ${copy} template ${nameOf(database)}`)
  })
}

/** Has a copy take the place of a database. */
export async function restore(
  { url: server }: PostgresServer,
  database: string,
  copy: string,
): Promise<void> {
  const name = nameOf(database)
  await closed(server, database, async (run) => {
    await run(`alter database ${name} rename to ${name}_before`)
    await run(`alter database ${copy} rename to ${name}`)
  })
}

/** Drops a database and makes it anew, with nothing in it. */
export async function makeAnew({ url: server }: PostgresServer, database: string): Promise<void> {
  const name = nameOf(database)
  await closed(server, database, async (run) => {
    await run(`alter database ${name} is_template false`)
    await run(`drop database ${name}`)
    await run(`create database ${name} template template0`)
  })
}

const nameOf = (url: string) => new URL(url).pathname.slice(1)

/** While nobody can connect to a database. */
async function closed(
  server: string,
  database: string,
  work: (run: (statement: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const client = new pg.Client(server)
  await client.connect()
  const run = (statement: string) => client.query(statement)
  const name = nameOf(database)
  try {
    await run(`alter database ${name} allow_connections false`)
    // Some have come in meanwhile, and go by and by.
    for (;;) {
      const { rowCount } = await client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
        [name],
      )
      if (rowCount === 0) break
    }
    await work(run)
    await run(`alter database ${name} allow_connections true`)
  } finally {
    await client.end()
  }
}
