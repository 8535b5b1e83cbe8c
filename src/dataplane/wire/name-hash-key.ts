/**
 * The secret that names are hashed with, of this process and of all its threads: the tables of names are shared memory. Without one
 * anybody could work out names of one hash beforehand, and have each query for one compared with thousands (the attack
 * of Crosby and Wallach, "Denial of Service via Algorithmic Complexity Attacks", 2003).
 *
 * The first thread that loads this module makes it, and threads get it with what Node hands to every new one. Who starts a
 * thread that reads images has loaded the module, since images are of no use without it.
 *
 * Both the start of the hash and its multiplier are secret: 62 bits that no answer tells anything of.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'

const place = 'pooldns-name-hash'

interface NameHashKey {
  readonly basis: number
  readonly multiplier: number
}

function inheritOrMake(): NameHashKey {
  const inherited = getEnvironmentData(place) as unknown as NameHashKey | undefined
  return inherited ?? make()
}

function make(): NameHashKey {
  const [basis, bits] = crypto.getRandomValues(new Int32Array(2)) as unknown as [number, number]
  // 5 modulo 8: such multipliers move every bit upwards, and have no inverse near by.
  const key = { basis, multiplier: (bits & ~7) | 5 }
  setEnvironmentData(place, key as never)
  return key
}

export const nameHashKey = inheritOrMake()
