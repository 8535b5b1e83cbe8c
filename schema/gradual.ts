import {
  type GradualFragments,
  type GradualPart,
  gradualPhases,
  type HaltCondition,
  haltConditions,
} from '../src/controlplane/model/gradual.ts'
import { instant, oneOf, revision, someOf } from './column-types.ts'
import { bigint, check, index, integer, json, pgTable, sql, text } from './drizzle.ts'

/**
 * Gradual changes, those that ended too; times are the database's own. Rows change under the revision lock alone. Pruned by
 * `store/retention.ts`.
 */
export const gradualChanges = pgTable(
  'gradual_changes',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    phase: text('phase').notNull(),
    /** Steps that were taken. */
    step: integer('step').notNull(),
    steps: integer('steps').array().notNull(),
    stepMs: bigint('step_ms', { mode: 'number' }).notNull(),
    haltWhen: text('halt_when').array().$type<HaltCondition[]>().notNull(),
    parts: json('parts').$type<GradualPart[]>().notNull(),
    /** Of each part, in their order. */
    fragments: json('fragments').$type<GradualFragments[]>().notNull(),
    actor: text('actor').notNull(),
    message: text('message'),
    reason: text('reason'),
    startedAt: instant('started_at').notNull(),
    /** Of one that runs. */
    dueAt: instant('due_at'),
    /** Of one that is paused: how long it would have been to `due_at`. */
    leftMs: bigint('left_ms', { mode: 'number' }),
    endedAt: instant('ended_at'),
    revision: revision(),
    version: bigint('version', { mode: 'number' }).notNull(),
  },
  (t) => [
    index('gradual_changes_ended_at_index').on(t.endedAt),
    check('gradual_changes_phase_check', oneOf(t.phase, gradualPhases)),
    check('gradual_changes_halt_when_check', someOf(t.haltWhen, haltConditions)),
    check(
      'gradual_changes_step_check',
      sql`${t.step} between 1 and cardinality(${t.steps}) and ${t.steps}[cardinality(${t.steps})] = 100`,
    ),
    check('gradual_changes_times_check', sql`(${t.phase} = 'running') = (${t.dueAt} is not null)`),
  ],
)
