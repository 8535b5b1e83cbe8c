/** `pooldns zones`, `pools`, `services` and `feeds`: a line each. */
import { type Command, defineCommand } from './frame/command.ts'
import { jsonOption } from './frame/shared-options.ts'
import { paintFor, printJson, type Row, table } from './frame/terminal.ts'
import { listOf } from './kinds.ts'
import { serverOptions, theServer } from './server-choice.ts'
import { stateCell } from './status-text.ts'

interface ZoneReply {
  readonly name: string
  readonly ttl?: string
  readonly status?: { readonly serial?: number; readonly rrsets?: number }
}

export const zones = listCommand<ZoneReply>('zone', 'pooldns zones', ({ name, status }) => ({
  zone: name,
  serial: String(status?.serial ?? ''),
}))

interface PoolReply {
  readonly name: string
  readonly monitor?: string
  // What somebody left out goes without saying.
  readonly select?: string
  readonly members?: Readonly<
    Record<string, { readonly status?: { readonly state: string; readonly override: unknown } }>
  >
  readonly status?: { readonly condition: string; readonly reason: string }
}

export const pools = listCommand<PoolReply>(
  'pool',
  'pooldns pools',
  ({ name, members = {}, monitor, select = 'all', status }) => {
    const all = Object.values(members)
    const up = all.filter((member) => member.status?.state === 'up').length
    const overridden = all.filter((member) => (member.status?.override ?? null) !== null).length
    return {
      state: stateCell(status?.condition ?? 'unknown'),
      pool: name,
      members: `${up} of ${all.length} up`,
      overridden: overridden === 0 ? '' : String(overridden),
      select,
      monitor: monitor ?? '',
      why: status?.reason ?? '',
    }
  },
)

interface ServiceReply {
  readonly name: string
  readonly steer?: string
  readonly pools: readonly unknown[]
  readonly status?: { readonly state: string; readonly pool: string | null; readonly reason: string }
}

export const services = listCommand<ServiceReply>(
  'service',
  'pooldns services',
  ({ name, steer = 'failover', status }) => ({
    state: stateCell(status?.state ?? 'unknown'),
    service: name,
    answered: status?.pool == null ? '' : `from ${status.pool}`,
    steer,
    why: status?.reason ?? '',
  }),
)

interface FeedReply {
  readonly name: string
  readonly columns: Readonly<Record<string, unknown>>
  readonly retention?: { readonly age?: string; readonly rows?: number }
  readonly source?: { readonly prometheus: string }
  readonly status?: { readonly source?: { readonly state: string; readonly reason?: string } }
}

export const feeds = listCommand<FeedReply>(
  'feed',
  'pooldns feeds',
  ({ name, columns, retention, source, status }) => ({
    feed: name,
    columns: Object.keys(columns).join(', '),
    keeps: retention?.age ?? '',
    source: source?.prometheus ?? '',
    state: status?.source?.state ?? '',
    why: status?.source?.reason ?? '',
  }),
)

function listCommand<T>(
  kind: 'zone' | 'pool' | 'service' | 'feed',
  line: string,
  row: (item: T) => Row,
): Command {
  return defineCommand({
    arguments: {},
    options: { ...jsonOption, ...serverOptions },
    examples: [{ line: `${line} --json`, does: 'an object a line, as the API has them' }],
    async run(_words, { json, ...given }) {
      const rows: Row[] = []
      for await (const item of listOf<T>(theServer(given, process.env), kind)) {
        if (json === true) printJson(item)
        else rows.push(row(item))
      }
      const lines = table(rows, 0, paintFor(process.stdout))
      process.stdout.write(lines.map((text) => `${text}\n`).join(''))
    },
  })
}
