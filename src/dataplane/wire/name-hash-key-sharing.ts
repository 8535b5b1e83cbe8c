/**
 * How the key of the name hash (`name-hash-key.ts`) comes to threads and to processes. Apart from the key itself, so that a process
 * can be given one before anything is loaded that hashes.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'

/** Both the start of the hash and its multiplier are secret: 62 bits that no answer tells anything of. */
export interface NameHashKey {
  readonly basis: number
  readonly multiplier: number
}

const place = 'pooldns-name-hash'

export function makeNameHashKey(): NameHashKey {
  const [basis, bits] = crypto.getRandomValues(new Int32Array(2)) as unknown as [number, number]
  // 5 modulo 8: such multipliers move every bit upwards, and have no inverse near by.
  return { basis, multiplier: (bits & ~7) | 5 }
}

/** Gives the key to this thread's modules that are loaded later, and to threads that it starts. */
export function shareNameHashKey(key: NameHashKey): void {
  setEnvironmentData(place, key as never)
}

export function inheritedNameHashKey(): NameHashKey | undefined {
  return getEnvironmentData(place) as unknown as NameHashKey | undefined
}
