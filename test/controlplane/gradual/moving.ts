/** A mover on a real database, with what it knows of members and the time in the hands of a test. */
import { EventEmitter, once } from 'node:events'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { GradualMover } from '../../../src/controlplane/gradual/mover.ts'
import type { NewEvent } from '../../../src/controlplane/model/event.ts'
import { readConfiguration } from '../../../src/controlplane/store/configuration.ts'
import type { Database } from '../../../src/controlplane/store/database.ts'
import { currentGradual } from '../../../src/controlplane/store/gradual.ts'
import { currentRevision } from '../../../src/controlplane/store/revision.ts'
import { monotonicClock } from '../../../src/controlplane/timing/clock.ts'
import { patience } from '../../support/patience.ts'

export type GradualEvent = Extract<NewEvent, { kind: 'gradual' }>

export interface Moving extends AsyncDisposable {
  readonly mover: GradualMover
  readonly told: readonly GradualEvent[]
  readonly errors: readonly unknown[]
  /** By `pool web` or `service www.example.test`. */
  readonly conditions: Map<string, { readonly condition: string; readonly reason: string }>
  /** By `pool/member`. */
  readonly members: Map<string, { readonly state: 'up' | 'down' | 'unknown'; readonly reason: string }>
  trusts: boolean
  /** Time goes by at once. */
  leap(ms: number): void
  /** Reads the configuration, as nodes do after a change, and what the database has of changes. */
  follow(): Promise<void>
  /** Resolves to the next event of this kind that has not been taken yet. */
  event(what: string): Promise<GradualEvent>
  /** Takes all events that there were: what is waited for comes from now on. */
  takeAll(): void
  /** Resolves when a look that began after the call is over. */
  looked(): Promise<void>
}

export async function startMoving(database: Database): Promise<Moving> {
  const signs = new EventEmitter()
  const told: GradualEvent[] = []
  const errors: unknown[] = []
  let taken = 0
  let offsetMs = 0
  let catalog = Catalog.empty
  const conditions: Moving['conditions'] = new Map()
  const members: Moving['members'] = new Map()
  const until = async (sign: string, is: () => boolean) => {
    const signal = patience()
    while (!is()) await once(signs, sign, { signal })
  }
  let looks = 0
  const mover = new GradualMover({
    database,
    onBad: (message) => {
      throw new Error(message)
    },
    watched: () => ({
      catalog,
      condition: (kind, name) => conditions.get(`${kind} ${name}`) ?? null,
      member: (pool, member) => members.get(`${pool}/${member}`) ?? null,
    }),
    trusts: () => {
      looks++
      signs.emit('look')
      return moving.trusts
    },
    tell: (event) => {
      told.push(event as GradualEvent)
      signs.emit('told')
    },
    onError: (error) => void errors.push(error),
    clock: { ...monotonicClock, nowMs: () => monotonicClock.nowMs() + offsetMs },
  })
  const moving: Moving = {
    mover,
    told,
    errors,
    conditions,
    members,
    trusts: true,
    leap: (ms) => {
      offsetMs += ms
      mover.hint()
    },
    follow: async () => {
      catalog = await readCatalog(database)
      mover.look()
      // What it has not read yet would be due by the time after a leap, as on a node that comes late.
      const there = await database.read(currentGradual)
      const knows = () =>
        there.every(({ id, version }) =>
          mover.current.some((known) => known.id === id && known.version >= version),
        )
      for (mover.hint(); !knows(); mover.hint()) await new Promise((resolve) => setImmediate(resolve))
    },
    event: async (what) => {
      await until('told', () => told.slice(taken).some((event) => event.what === what))
      taken = told.findIndex((event, index) => index >= taken && event.what === what) + 1
      return told[taken - 1]!
    },
    takeAll: () => {
      taken = told.length
    },
    looked: async () => {
      // Whether a node trusts its network is asked three times in a look, so with the seventh a whole one has gone by.
      for (const goal = looks + 7; looks < goal; ) {
        mover.hint()
        await until('look', () => looks > 0)
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    [Symbol.asyncDispose]: () => mover[Symbol.asyncDispose](),
  }
  mover.start()
  await moving.follow()
  return moving
}

async function readCatalog(database: Database): Promise<Catalog> {
  return database.read(async (tx) => {
    const { pools, services } = await readConfiguration(tx)
    return new Catalog({
      revision: await currentRevision(tx),
      monitors: new Map(),
      pools: new Map(Array.from(pools, ([name, { value }]) => [name, value])),
      services: new Map(Array.from(services, ([name, { value, zone }]) => [name, { ...value, zone }])),
      zones: new Map(),
      overrides: new Map(),
    })
  })
}
