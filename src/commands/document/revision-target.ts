/** Where revisions are looked up and returned to: on a running server, or straight in its database. */
import { UsageError } from '../../config.ts'
import { type PlanView, viewPlan } from '../../controlplane/apply/plan-view.ts'
import {
  checkRevision,
  differences,
  type PartDifference,
  planRollback,
  rollBack,
} from '../../controlplane/apply/revisions.ts'
import { ControlError } from '../../controlplane/model/errors.ts'
import type { Database } from '../../controlplane/store/database.ts'
import { getRevision, listRevisions, type Revision as Stored } from '../../controlplane/store/history.ts'
import { currentRevision } from '../../controlplane/store/revision.ts'
import { author, withOwnDatabase } from '../own-database.ts'
import { theServer } from '../server-choice.ts'
import type { PlannedEffect } from './plan-text.ts'
import type { Given } from './target-of.ts'

export interface Revision {
  readonly revision: number
  readonly at: string
  readonly actor: string
  readonly source: string
  readonly message: string | null
}

export interface Changes {
  readonly changes: readonly PartDifference[]
  /** Changes beyond those that are listed. */
  readonly more: number
}

export interface Planned {
  readonly plan: PlannedEffect
  /** What it was planned on, or has become. */
  readonly revision: number
}

export interface RevisionTarget {
  /** Newest first. */
  list(limit: number): Promise<readonly Revision[]>
  show(revision: number): Promise<Revision & Changes>
  /** @param to null for the last one */
  diff(from: number, to: number | null): Promise<Changes>
  /** @param replays whether it is tried on the questions of the last minutes, which a server alone knows */
  planRollback(revision: number, replays: boolean, all: boolean): Promise<Planned>
  /** @param since what it was planned on: with another one since then it is refused */
  rollBack(revision: number, since: number, message: string | undefined, all: boolean): Promise<Planned>
}

/** @throws UsageError when no token is known for the server */
export function revisionTarget(given: Given): RevisionTarget {
  return given.database === true ? ownDatabase : ofServer(theServer(given, process.env))
}

function ofServer(server: ReturnType<typeof theServer>): RevisionTarget {
  const read = async <T>(path: string) => (await (await server.ask(path)).json()) as T
  const rollback = async (
    revision: number,
    query: Record<string, string>,
    headers: Record<string, string> = {},
  ) => {
    const path = `/v1/revisions/${revision}/rollback?${new URLSearchParams(query)}`
    const response = await server.ask(path, { method: 'POST', headers })
    const plan = (await response.json()) as PlanView
    return { plan, revision: Number(response.headers.get('etag')?.replaceAll('"', '')) }
  }
  const whole = (all: boolean) => (all ? { all: 'true' } : {})
  return {
    list: async (limit) => (await read<{ items: Revision[] }>(`/v1/revisions?limit=${limit}`)).items,
    show: (revision) => read(`/v1/revisions/${revision}`),
    diff: (from, to) => read(`/v1/revisions/${from}/diff${to === null ? '' : `?to=${to}`}`),
    planRollback: (revision, replays, all) =>
      rollback(revision, { dryRun: 'true', ...(replays ? { replay: 'true' } : {}), ...whole(all) }),
    rollBack: (revision, since, message, all) =>
      rollback(
        revision,
        { ...(message === undefined ? {} : { message }), ...whole(all) },
        { 'if-match': `"${since}"` },
      ),
  }
}

const ownDatabase: RevisionTarget = {
  list: (limit) =>
    withOwnDatabase(async (database) => {
      const { items } = await database.read((tx) => listRevisions(tx, { limit }))
      return items.map(present)
    }),
  show: (revision) =>
    withOwnDatabase(async (database) => {
      const found = await database.read((tx) => getRevision(tx, revision, null))
      if (found === null) throw new ControlError('not-found', `nothing is known of a revision ${revision}`)
      return { ...present(found), changes: await differences(database, revision - 1, revision), more: 0 }
    }),
  diff: (from, to) =>
    withOwnDatabase(async (database) => {
      const last = await lastOf(database, [from, ...(to === null ? [] : [to])])
      return { changes: await differences(database, from, to ?? last), more: 0 }
    }),
  planRollback: async (revision, replays, all) => {
    if (replays) throw new UsageError('--replay needs a server: the database knows nothing of questions')
    return withOwnDatabase(async (database) => {
      await lastOf(database, [revision])
      const plan = await planRollback(database, { revision, since: null })
      return { plan: viewPlan(plan, all), revision: plan.revision }
    })
  },
  rollBack: (revision, since, message = `return to revision ${revision}`, all) =>
    withOwnDatabase(async (database) => {
      const by = { ...author, source: 'rollback', message } as const
      const done = await rollBack(database, by, { revision, since })
      return { plan: viewPlan(done.plan, all), revision: done.revision }
    }),
}

/** The last revision. Throws `not-found` for those that there have not been. */
async function lastOf(database: Database, revisions: readonly number[]): Promise<number> {
  const last = await database.read(currentRevision)
  for (const revision of revisions) checkRevision(revision, last)
  return last
}

const present = ({ at, ...revision }: Stored): Revision => ({ ...revision, at: at.toISOString() })
