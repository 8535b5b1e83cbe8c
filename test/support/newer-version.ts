/**
 * A version of the server that is newer by one migration, for tests of updates: a copy of the sources, in which monitors have their
 * settings in a column of another name, and pools a column more.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from './daemon.ts'

/** What it has and this version has not. */
export const newerMigration = '9999_next'

export interface NewerVersion extends AsyncDisposable {
  /** Its `src/main.ts`. */
  readonly entry: string
}

const statements = [
  `alter table monitors rename column settings to options`,
  `alter table pools add column note text not null default ''`,
]

/** What takes the schema back to this version, as the restoration of a backup would. */
export const undoNewerMigration: readonly string[] = [
  `alter table monitors rename column options to settings`,
  `alter table pools drop column note`,
  `delete from schema_migrations where tag = '${newerMigration}'`,
]

export async function makeNewerVersion(): Promise<NewerVersion> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-newer-'))
  for (const part of ['src', 'schema', 'drizzle', 'package.json'])
    await cp(join(repository, part), join(folder, part), { recursive: true })
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(
    join(folder, `drizzle/${newerMigration}.sql`),
    statements.join(';\n--> statement-breakpoint\n'),
  )
  await edit(join(folder, 'drizzle/meta/_journal.json'), (text) => {
    const journal = JSON.parse(text) as { entries: { tag: string }[] }
    return JSON.stringify({ ...journal, entries: [...journal.entries, { tag: newerMigration }] })
  })
  // Where the column is named.
  const renames: readonly (readonly [path: string, from: string, to: string])[] = [
    ['schema/pools.ts', `jsonb('settings')`, `jsonb('options')`],
    [
      'src/controlplane/store/monitors.ts',
      'monitors (name, type, settings,',
      'monitors (name, type, options,',
    ],
    ['src/controlplane/store/monitors.ts', 'settings = excluded.settings', 'options = excluded.options'],
  ]
  for (const [path, from, to] of renames)
    await edit(join(folder, path), (text) => {
      if (!text.includes(from)) throw new Error(`${path} has no ${from}`)
      return text.replace(from, to)
    })
  return {
    entry: join(folder, 'src/main.ts'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  await writeFile(path, change(await readFile(path, 'utf8')))
}
