/**
 * What an operator and a bad day do to a server while it is asked: an RRset is edited by the API again and again, and the
 * members of the service fail their checks and pass them again, one after the other, by small HTTP servers of ours.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startDemoBackends } from '../../src/daemon/demo.ts'
import type { Pooldns } from './contestants.ts'
import { edited, serviceAddresses, zone } from './zone-data.ts'

export interface DisturbanceOptions {
  readonly editsPerSecond: number
  readonly flapsPerSecond: number
}

export interface Disturbance extends AsyncDisposable {
  /** So far. */
  readonly edits: number
  /** How often a member was told to fail or to recover, so far. */
  readonly flaps: number
  /** Rejects as soon as an edit fails; never resolves. */
  readonly failed: Promise<never>
}

/** Gives the pool of `www` a monitor, and begins; ends when disposed of. */
export async function startDisturbance(
  pooldns: Pooldns,
  { editsPerSecond, flapsPerSecond }: DisturbanceOptions,
): Promise<Disturbance> {
  await using stack = new AsyncDisposableStack()
  const backends = stack.use(await startDemoBackends(serviceAddresses.map(() => 0)))
  await watchMembers(pooldns, backends.ports)
  const controller = new AbortController()
  const { signal } = controller
  const failed = Promise.withResolvers<never>()
  // Whoever waits for it is told; nobody has to.
  failed.promise.catch(() => undefined)
  let edits = 0
  let flaps = 0
  const loops = [
    repeat(editsPerSecond, signal, async () => {
      await edit(pooldns, edits)
      edits++
    }),
    repeat(flapsPerSecond, signal, async () => {
      const port = backends.ports[Math.floor(flaps / 2) % backends.ports.length]!
      await fetch(`http://127.0.0.1:${port}/${flaps % 2 === 0 ? 'fail' : 'recover'}`, { method: 'POST' })
      flaps++
    }),
  ]
  for (const loop of loops) loop.catch(failed.reject)
  stack.defer(async () => {
    controller.abort()
    await Promise.allSettled(loops)
  })
  const ending = stack.move()
  return {
    get edits() {
      return edits
    },
    get flaps() {
      return flaps
    },
    failed: failed.promise,
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  }
}

async function watchMembers(pooldns: Pooldns, ports: readonly number[]): Promise<void> {
  const monitor = { interval: '200ms', timeout: '150ms', rise: 1, fall: 1 }
  await pooldns.request('/v1/monitors/bench', { method: 'PUT', json: monitor })
  const members = Object.fromEntries(
    serviceAddresses.map((address, index) => [
      `m${index}`,
      { address, probe: { address: '127.0.0.1', port: ports[index]! } },
    ]),
  )
  await pooldns.request('/v1/pools/bench', { method: 'PUT', json: { monitor: 'bench', members } })
}

async function edit(pooldns: Pooldns, count: number): Promise<void> {
  const address = `10.8.${(count >> 8) & 0xff}.${count & 0xff}`
  const response = await pooldns.request(`/v1/zones/${zone}/rrsets/${edited}/A`, {
    method: 'PUT',
    json: { data: [address] },
  })
  await response.arrayBuffer()
}

/** At the most `perSecond`; less often when it takes longer. */
async function repeat(perSecond: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    const next = delay(1000 / perSecond, undefined, { signal }).catch(() => undefined)
    await act()
    await next
  }
}
