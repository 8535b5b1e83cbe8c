/**
 * The secret that names are hashed with, of all the threads that read or write images: the tables of names are in the images. Without
 * one anybody could work out names of one hash beforehand, and have each query for one compared with thousands (the attack
 * of Crosby and Wallach, "Denial of Service via Algorithmic Complexity Attacks", 2003).
 *
 * The first thread that loads this module makes it, unless it was given one before (`shareNameHashKey`), and threads get it with
 * what Node hands to every new one. Who starts a thread that reads images has loaded the module, since images are of no use
 * without it.
 */
import { inheritedNameHashKey, makeNameHashKey, shareNameHashKey } from './name-hash-key-sharing.ts'

function inheritOrMake() {
  const inherited = inheritedNameHashKey()
  if (inherited !== undefined) return inherited
  const key = makeNameHashKey()
  shareNameHashKey(key)
  return key
}

export const nameHashKey = inheritOrMake()
