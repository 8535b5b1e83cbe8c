import { key, oneOf } from './column-types.ts'
import { boolean, check, index, integer, pgTable, primaryKey, text } from './drizzle.ts'

/** As `model/signal.ts` has them. */
const obstacles = ['in-domain', 'too-long', 'no-zone', 'unsigned', 'taken']

/**
 * What tells the parent of a signed zone that it may take the zone's CDS for good, under the name of each of its name servers (RFC 9615):
 * a row for each server that the NS of a zone names, whether or not it can be told there. Derived from the zones, their keys and their
 * RRsets, in the transaction that changes one of those (`store/signals.ts`). Without references: who deletes a zone looks here.
 */
export const dnssecSignals = pgTable(
  'dnssec_signals',
  {
    /** Apex of the zone that is told of. */
    child: key('child').notNull(),
    /** Lower case, without the final dot. */
    server: key('server').notNull(),
    /** Labels of the server from the root on, each with a dot behind it: those below a name have a common beginning. */
    serverPath: key('server_path').notNull(),
    /** Of the RRsets, absolute. */
    name: key('name').notNull(),
    /** The zone that they stand in, and their owner there; null when they can't: `obstacle` says why. */
    zone: key('zone'),
    owner: key('owner'),
    obstacle: text('obstacle', { enum: ['in-domain', 'too-long', 'no-zone', 'unsigned', 'taken'] }),
    ttlSeconds: integer('ttl_seconds').notNull(),
    /** RDATA. */
    cds: text('cds').array().notNull(),
    cdnskey: text('cdnskey').array().notNull(),
    /** It was to be looked at while its zone was being written by others, and is to be looked at again. */
    stale: boolean('stale').notNull().default(false),
  },
  (t) => [
    primaryKey({ name: 'dnssec_signals_pkey', columns: [t.child, t.server] }),
    index('dnssec_signals_zone_index').on(t.zone, t.owner),
    index('dnssec_signals_path_index').on(t.serverPath),
    check('dnssec_signals_obstacle_check', oneOf(t.obstacle, obstacles)),
  ],
)
