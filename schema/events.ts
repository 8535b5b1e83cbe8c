import {
  certificateTurns,
  type EventKind,
  eventKinds,
  overrideActions,
  poolConditions,
  rolloverTurns,
  serviceConditions,
  sourceStates,
  steeringTurns,
  trustStates,
} from '../src/controlplane/model/event.ts'
import { gradualTurns } from '../src/controlplane/model/gradual.ts'
import { healthStates } from '../src/controlplane/model/observation.ts'
import { overrideStates } from '../src/controlplane/model/override.ts'
import { instant, key, oneOf } from './column-types.ts'
import { bigint, check, index, jsonb, pgTable, type SQL, sql, text } from './drizzle.ts'

/**
 * What happened, of every kind. No foreign key: it stays on record when the member is gone. Rows are inserted under a lock
 * (`store/events.ts`), so that ids become visible in their order. Pruned by `store/retention.ts`.
 */
export const events = pgTable(
  'events',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    kind: text('kind').notNull(),
    node: key('node').notNull(),
    pool: key('pool'),
    service: key('service'),
    member: key('member'),
    from: text('from_state'),
    to: text('to_state'),
    reason: text('reason'),
    /** What only one kind has. */
    detail: jsonb('detail').$type<Readonly<Record<string, unknown>>>().notNull().default({}),
    at: instant('at').notNull(),
  },
  (t) => {
    const named = sql`${t.pool} is not null and ${t.member} is not null`
    const changed = (words: readonly string[]) =>
      sql`${t.from} is not null and ${oneOf(t.from, words)} and ${t.to} is not null and ${oneOf(t.to, words)} and ${t.reason} is not null`
    const word = (name: string, words: readonly string[]) =>
      sql`coalesce(${t.detail} ->> ${sql.raw(`'${name}'`)}, '') in (${sql.raw(words.map((one) => `'${one}'`).join(', '))})`
    const shapes: Readonly<Record<EventKind, SQL>> = {
      member: sql`${named} and ${changed(healthStates)}`,
      pool: sql`${t.pool} is not null and ${changed(poolConditions)}`,
      override: sql`((${named}) or ${t.service} is not null) and ${t.reason} is not null and ${word('what', overrideActions)} and ${word('state', overrideStates)} and ${t.detail} ? 'actor'`,
      drained: named,
      isolation: changed(trustStates),
      service: sql`${t.service} is not null and ${changed(serviceConditions)} and ${t.detail} ?& array['pools', 'before']`,
      certificate: sql`${named} and ${t.reason} is not null and ${word('what', certificateTurns)} and ${t.detail} ?& array['name', 'notAfter', 'fingerprint']`,
      gradual: sql`${t.reason} is not null and ${word('what', gradualTurns)} and ${t.detail} ?& array['change', 'percent', 'services', 'pools', 'actor']`,
      feed: sql`${t.detail} ? 'feed' and ${changed(sourceStates)}`,
      steering: sql`${t.pool} is not null and ${t.reason} is not null and ${word('what', steeringTurns)} and ${t.detail} ?& array['feed', 'entity', 'column']`,
      dnssec: sql`${t.reason} is not null and ${word('what', rolloverTurns)} and ${t.detail} ? 'zone'`,
      hold: sql`${named} and ${t.reason} is not null and ${t.detail} ? 'until'`,
    }
    const cases = eventKinds.map((kind) => sql`when ${sql.raw(`'${kind}'`)} then ${shapes[kind]}`)
    return [
      index('events_member_index').on(t.pool, t.member, t.id),
      index('events_service_index').on(t.service, t.id),
      index('events_kind_index').on(t.kind, t.id),
      index('events_node_index').on(t.node, t.id),
      index('events_at_index').on(t.at),
      // An unknown kind fits no shape.
      check('events_shape_check', sql`case ${t.kind} ${sql.join(cases, sql` `)} else false end`),
    ]
  },
)
