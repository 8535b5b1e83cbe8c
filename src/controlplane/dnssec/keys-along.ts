/** Whether a zone that was signed by some keys may be answered beside one that is signed by others, as in a fleet with a node that can't sign. */
import type { ServedKey } from '../model/dnssec.ts'

/**
 * Whether a validator that has DS, DNSKEY and data from either finds neither bogus: each DNSKEY set has a key of each of its algorithms by which the
 * other's data is signed, and is signed by the keys that the parent is to have. Steps of a rollover that follow each other are so.
 */
export function areGoodAlong(before: readonly ServedKey[], now: readonly ServedKey[]): boolean {
  const entries = now.filter(({ duties }) => duties.atParent)
  const isEntered = entries.every((entry) => {
    const same = before.find((key) => isSame(key, entry))
    return same?.duties.published === true && same.duties.signsKeys
  })
  return isEntered && areSignedFor(before, now) && areSignedFor(now, before)
}

/** Whether the data of one has a signature by a key of each algorithm in the DNSKEY set of the other. */
function areSignedFor(data: readonly ServedKey[], keys: readonly ServedKey[]): boolean {
  const published = keys.filter(({ duties }) => duties.published)
  const signing = data.filter(({ duties }) => duties.signsZone)
  return [...new Set(published.map(({ algorithm }) => algorithm))].every((algorithm) =>
    published.some((key) => key.algorithm === algorithm && signing.some((each) => isSame(key, each))),
  )
}

const isSame = (a: ServedKey, b: ServedKey) => a.publicKey === b.publicKey && a.algorithm === b.algorithm
