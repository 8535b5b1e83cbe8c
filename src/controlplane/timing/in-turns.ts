/** Long work in turns of some milliseconds: what else a thread has to do, a verdict above all, waits for one of them at the most. */
import { setImmediate } from 'node:timers/promises'

const turnMs = 4
/** What a turn does in any case, in CPU time: a thread that waited for a processor would do next to nothing in each. */
const leastMs = 1

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Resolves when whatever else is due has had its turn. */
export const nextTurn = () => setImmediate()

/** Things that are left to do. */
interface Left<T> {
  keys(): Iterable<T>
  delete(thing: T): unknown
}

/** Takes things out until a turn is over, one at the least. */
export function* oneTurn<T>(left: Left<T>): Generator<T, void> {
  const until = performance.now() + turnMs
  const untilCpu = cpuMs() + leastMs
  for (const thing of left.keys()) {
    left.delete(thing)
    yield thing
    if (performance.now() >= until && cpuMs() >= untilCpu) return
  }
}

/**
 * @param turn does some of these things, as they come; the first ones at once
 * @returns whether anything else may have happened meanwhile
 */
export async function inTurns<T>(things: Iterable<T>, turn: (some: Iterable<T>) => void): Promise<boolean> {
  const left = new Set(things)
  turn(oneTurn(left))
  if (left.size === 0) return false
  while (left.size > 0) {
    await nextTurn()
    turn(oneTurn(left))
  }
  return true
}
