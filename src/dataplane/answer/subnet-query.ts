import { classes, streamPayload, types } from '../wire/constants.ts'
import { optionCodes } from '../wire/edns-options.ts'

/** A network that a client is in. */
export interface SubnetOf {
  readonly ipv6: boolean
  /** Of its prefix. */
  readonly bits: number
  /** As many octets of the address as the prefix needs, or more. */
  readonly octets: Uint8Array
}

/**
 * A query with a client subnet (RFC 7871 section 6), so that it is answered as a client there would be.
 *
 * @param name in wire form
 */
export function subnetQuery(
  name: Uint8Array,
  type: number,
  { ipv6, bits, octets }: SubnetOf,
  dnssecOk = false,
): Uint8Array {
  const address = octets.subarray(0, Math.ceil(bits / 8))
  const { length } = address
  // ID and flags, then one question and one additional record.
  const header = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
  const question = [...name, type >>> 8, type & 0xff, 0, classes.in]
  const opt = [
    0,
    0,
    types.opt,
    streamPayload >>> 8,
    streamPayload & 0xff,
    0,
    0,
    dnssecOk ? 0x80 : 0,
    0,
    0,
    length + 8,
  ]
  const subnet = [0, optionCodes.clientSubnet, 0, length + 4, 0, ipv6 ? 2 : 1, bits, 0, ...address]
  return Uint8Array.from([...header, ...question, ...opt, ...subnet])
}
