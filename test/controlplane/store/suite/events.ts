import type { Event, StoredEvent } from '../../../../src/controlplane/model/event.ts'
import {
  appendEvents,
  type EventQuery,
  eventIdBefore,
  eventsAfter,
  latestEventId,
  listEvents,
} from '../../../../src/controlplane/store/events.ts'
import { refused, type Suite } from './samples.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 1, 1, 0, minute))

/** One of each kind, a minute apart. */
export const everyKind: readonly Event[] = [
  {
    kind: 'member',
    node: 'n1',
    pool: 'p',
    member: 'a',
    from: 'up',
    to: 'down',
    reason: 'status 503',
    at: at(1),
  },
  {
    kind: 'pool',
    node: 'n1',
    pool: 'p',
    from: 'healthy',
    to: 'degraded',
    reason: '1 of 2 members up',
    at: at(2),
  },
  {
    kind: 'override',
    node: 'n2',
    pool: 'web-*',
    member: 'fra-*',
    what: 'set',
    state: 'drain',
    actor: 'token:ci',
    reason: '',
    at: at(3),
  },
  { kind: 'drained', node: 'n1', pool: 'p', member: 'b', at: at(4) },
  { kind: 'isolation', node: 'n2', from: 'trusted', to: 'suspect', reason: '9 of 10 at once', at: at(5) },
  { kind: 'hold', node: 'n1', pool: 'q', member: 'a', reason: '7 changes in 10m', until: at(60), at: at(6) },
  {
    kind: 'service',
    node: 'n3',
    service: 'www.example.test',
    from: 'up',
    to: 'degraded',
    reason: '1 of 2 members answer',
    pools: ['s'],
    before: ['q', 's'],
    at: at(7),
  },
]

/** Of the last kind, by itself. */
const certificateEvent: Event = {
  kind: 'certificate',
  node: 'n1',
  pool: 'q',
  member: 'a',
  what: 'ends-soon',
  name: 'www.example.test',
  notAfter: at(90),
  fingerprint: 'AB:CD',
  reason: 'certificate ends in 3 days, 14 wanted',
  at: at(6),
}

const withoutIds = (events: readonly StoredEvent[]) => events.map(({ id: _, ...event }) => event)

export const eventsSuite: Suite = async (t, database) => {
  const list = (query: Partial<EventQuery>) => database.read((tx) => listEvents(tx, { limit: 100, ...query }))

  await t.test('every kind comes back as it was', async (t) => {
    t.equal(await database.read(latestEventId), 0)
    await database.record((tx) => appendEvents(tx, everyKind))
    await database.record((tx) => appendEvents(tx, []))
    t.same(withoutIds((await list({})).items), everyKind.toReversed(), 'newest first')
    const all = await database.read((tx) => eventsAfter(tx, 0, 100))
    t.same(withoutIds(all), everyKind, 'oldest first')
    t.same(await database.read((tx) => eventsAfter(tx, all[1]!.id, 2)), all.slice(2, 4))
    t.same(await database.read((tx) => eventsAfter(tx, all[6]!.id, 2)), [])
    t.equal(await database.read(latestEventId), all[6]!.id)
    t.equal(await database.read((tx) => eventIdBefore(tx, at(3))), all[2]!.id - 1)
    t.equal(await database.read((tx) => eventIdBefore(tx, at(8))), all[6]!.id)
  })

  await t.test('page by page, and by filters', async (t) => {
    const page = await list({ limit: 4 })
    t.equal(page.items.length, 4)
    const rest = await list({ limit: 4, cursor: page.nextCursor })
    t.same(withoutIds(rest.items), everyKind.slice(0, 3).toReversed())
    t.equal(rest.nextCursor, null)
    const minutes = async (query: Partial<EventQuery>) =>
      (await list(query)).items.map((event) => event.at.getUTCMinutes())
    t.same(await minutes({ kind: 'isolation' }), [5])
    t.same(await minutes({ pool: 'p' }), [4, 2, 1])
    t.same(await minutes({ pool: 'p', member: 'a' }), [1])
    t.same(await minutes({ member: 'a' }), [6, 1])
    t.same(await minutes({ node: 'n2' }), [5, 3])
    t.same(await minutes({ service: 'www.example.test' }), [7])
    t.same(await minutes({ pool: 's' }), [7], 'answers')
    t.same(await minutes({ pool: 'q' }), [7, 6], 'answered before')
    t.same(await minutes({ pool: "s' or true" }), [])
    t.same(await minutes({ since: at(3), until: at(5) }), [4, 3])
    t.same(await minutes({ kind: 'pool', pool: 'q' }), [])
  })

  await t.test('a certificate comes back with its end as a time', async (t) => {
    await database.record((tx) => appendEvents(tx, [certificateEvent]))
    t.same(withoutIds((await list({ kind: 'certificate' })).items), [certificateEvent])
    const { name: _, ...nameless } = certificateEvent as Event & { readonly name: string }
    await t.rejects(database.record((tx) => appendEvents(tx, [nameless as Event])))
  })

  await t.test('what is not whole is refused', async (t) => {
    const wrong = [
      { ...everyKind[0], to: 'sideways' },
      { ...everyKind[0], to: null },
      { ...everyKind[0], member: null },
      { ...everyKind[1], from: 'up' },
      { ...everyKind[2], what: 'thought' },
      { ...everyKind[2], state: undefined },
      { ...everyKind[2], pool: undefined },
      { ...everyKind[4], to: 'down' },
      { ...everyKind[5], until: undefined },
      { ...everyKind[6], service: undefined },
      { ...everyKind[6], pools: undefined },
      { ...everyKind[6], to: 'healthy' },
      { ...everyKind[3], kind: 'soaked' },
    ] as unknown as Event[]
    for (const event of wrong) {
      await refused(
        t,
        'invalid',
        database.record((tx) => appendEvents(tx, [event])),
      )
    }
  })

  await t.test('an override may be of a service', async (t) => {
    const said = { what: 'set', state: 'down', actor: 'admin', reason: 'racks' } as const
    const event = { kind: 'override', node: 'n1', service: 'eu.example.test', ...said, at: at(3) } as const
    await database.record((tx) => appendEvents(tx, [event]))
    const { items } = await database.read((tx) => listEvents(tx, { service: event.service, limit: 9 }))
    t.match(items, [event])
  })
}
