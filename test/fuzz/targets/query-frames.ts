/** What a worker leaves for the query log: frames that were changed on the way end in queries or in an error, and in no loop. */
import fc from 'fast-check'
import { readFrames } from '../../../src/controlplane/queries/read-frames.ts'
import { allocateTapRing, TapReader } from '../../../src/dataplane/tap-ring.ts'
import { Served } from '../../dataplane/answer/served.ts'
import { query } from '../../support/dns-client.ts'
import { mutatedOctets } from '../mutations.ts'
import { type Target, targetOf } from '../target.ts'

/** Frames of some responses. */
function framesOfSome(): Buffer {
  const ring = allocateTapRing()
  const queryLog = { queries: false, responses: true, every: 1, identity: 'n', version: 'v' }
  const zones = [{ apex: 'one.test', lines: ['a 60 A 192.0.2.9'] }]
  const served = new Served(zones, [], { queryLog: ring, settings: { queryLog } })
  for (const name of ['a.one.test', 'nx.one.test', 'other.test']) served.respond(query(name, 'A'))
  return Buffer.from(new TapReader(ring).read())
}

const kept = { ipv4: 24, ipv6: 56 }
const pieces = [[0x80], [0xff, 0xff, 0xff, 0xff], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]].map(Buffer.from)

export function queryFrames(): Target {
  return targetOf(5000, mutatedOctets(fc.constant(framesOfSome()), pieces), (octets) => {
    try {
      for (const { at, octets: length } of readFrames(octets, kept))
        if (!(at instanceof Date) || length < 0) return 'no query'
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    }
    return null
  })
}
