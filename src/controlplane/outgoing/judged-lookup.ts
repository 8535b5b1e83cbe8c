/**
 * A look-up whose addresses are judged before one of them is connected to, for requests to where somebody's configuration says: the
 * address that was judged is the one that is connected to, so a name can't mean something else in between.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { AddressPolicy } from '../model/pool.ts'

export function judgedLookup(policy: AddressPolicy): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, '', 0)
      const judged = found.map((entry) => ({ entry, refused: policy(entry.address) }))
      const allowed = judged.filter(({ refused }) => refused === null).map(({ entry }) => entry)
      const [first] = allowed
      if (first === undefined) callback(new Error(judged[0]?.refused ?? `${hostname} has no address`), '', 0)
      else if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
