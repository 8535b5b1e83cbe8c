/**
 * The parts of a configuration as the snapshot has them, as text. It is kept with each part: catalogs share those that stay, and few change at
 * a time, while all of it is written again and again. What has no text yet, as after a large document, gets it in turns beforehand.
 */
import { formatFeed } from '../document/feed.ts'
import { formatMonitor } from '../document/monitor.ts'
import { formatPool } from '../document/pool.ts'
import { formatService } from '../document/service.ts'
import type { Feed } from '../model/feed.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import { inTurns } from '../timing/in-turns.ts'

interface Named {
  readonly name: string
}

interface Parts {
  readonly feeds: Iterable<Feed>
  readonly monitors: Iterable<Monitor>
  readonly pools: Iterable<Pool>
  readonly services: Iterable<Service>
}

const texts = new WeakMap<Named, string>()

/** Kinds with something in them, each a field of the document. */
export function kindTexts(parts: Parts): string[] {
  return listed(parts).flatMap(({ kind, fields }) =>
    fields.length === 0 ? [] : [`"${kind}":{${fields.map((field) => field()).join(',')}}`],
  )
}

/** Resolves when all parts have their text. */
export async function prepareTexts({
  feeds,
  monitors,
  pools,
  services,
}: {
  readonly [K in keyof Parts]: ReadonlyMap<string, Parts[K] extends Iterable<infer Part> ? Part : never>
}): Promise<void> {
  const parts = {
    feeds: feeds.values(),
    monitors: monitors.values(),
    pools: pools.values(),
    services: services.values(),
  }
  await inTurns(
    listed(parts).flatMap(({ fields }) => fields),
    (some) => {
      for (const field of some) field()
    },
  )
}

function listed({ feeds, monitors, pools, services }: Parts) {
  return [
    { kind: 'feeds', fields: fieldsOf(feeds, (feed) => formatFeed(feed)) },
    { kind: 'monitors', fields: fieldsOf(monitors, (monitor) => formatMonitor(monitor)) },
    { kind: 'pools', fields: fieldsOf(pools, (pool) => formatPool(pool)) },
    { kind: 'services', fields: fieldsOf(services, (service) => formatService(service)) },
  ]
}

function fieldsOf<Part extends Named>(parts: Iterable<Part>, format: (part: Part) => object) {
  return Array.from(parts, (part) => () => {
    const known = texts.get(part)
    if (known !== undefined) return known
    const text = `${JSON.stringify(part.name)}:${JSON.stringify(format(part))}`
    texts.set(part, text)
    return text
  })
}
