/**
 * An RRset of a service as text (`rrsetKey`): by that its signatures are looked for on the main thread, once for each answer that a plan may
 * give, and so it goes to the signing thread.
 */
import { rrsetKey } from '../../dataplane/image/answer-sets.ts'
import { types } from '../../dataplane/wire/constants.ts'

const lengths: ReadonlyMap<number, number> = new Map([
  [types.a, 4],
  [types.aaaa, 16],
])

/** @param data canonical RDATA in canonical order: addresses, or one name */
export function setKey(type: number, data: readonly Uint8Array[]): string {
  return rrsetKey({ type, data })
}

/** What `setKey` was made of. */
export function setOf(key: string): { readonly type: number; readonly data: readonly Uint8Array[] } {
  const type = key.charCodeAt(0)
  const octets = Buffer.from(key.slice(1), 'latin1')
  const length = lengths.get(type) ?? octets.length
  const data = Array.from({ length: octets.length / length }, (_, at) =>
    octets.subarray(at * length, (at + 1) * length),
  )
  return { type, data }
}
