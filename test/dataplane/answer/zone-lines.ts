/** A responder over zones written as lines, for tests that need types whose text the codec may not know. */

import { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { ZoneCompiler } from '../../../src/dataplane/image/compile.ts'
import { compileDirectory } from '../../../src/dataplane/image/directory.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { lowerName, parseName } from '../../../src/dataplane/wire/name.ts'
import { parseRdata, rrTypes } from '../../../src/dataplane/wire/rdata.ts'

/** By apex: lines such as `www 300 A 192.0.2.1`, owners relative to the apex, which has an SOA of TTL 300, MINIMUM 60. */
export type ZoneLines = Readonly<Record<string, readonly string[]>>

export type Respond = (request: Uint8Array) => Buffer

const dname = 39

export function serveLines(zones: ZoneLines, stream = false): Respond {
  const apexes = Object.keys(zones).map((apex) => parseName(apex))
  const state = new ServingState()
  state.apply({
    generation: 1,
    directory: only(compileDirectory(new Map(apexes.entries()))),
    zones: Object.values(zones).map((lines, slot) => [slot, compileLines(apexes[slot]!, lines)]),
  })
  const responder = new Responder(state, new Counters(allocateCounters()), { stream })
  const client = new Client()
  client.set('192.0.2.200', false)
  const out = new Uint8Array(65_535)
  return (request) => {
    // What an earlier response left in the buffer must not show.
    out.fill(0xee)
    return Buffer.from(out.subarray(0, responder.respond(request, request.length, client, out)))
  }
}

function compileLines(apex: Uint8Array, lines: readonly string[]): SharedArrayBuffer {
  const soa = parseRdata('SOA', 'ns1 hostmaster 1 3600 600 86400 60', apex)
  const compiler = new ZoneCompiler(apex, { rdata: soa, ttlSeconds: 300 })
  const rrsets = Map.groupBy(
    lines.map((line) => /^(\S+) (\d+) (\S+) (.*)$/.exec(line)!.slice(1) as [string, string, string, string]),
    ([owner, , type]) => `${owner} ${type}`,
  )
  for (const rrs of rrsets.values()) {
    const [owner, ttl, type] = rrs[0]!
    compiler.add({
      owner: lowerName(parseName(owner, apex)),
      type: type === 'DNAME' ? dname : rrTypes.get(type)!,
      ttlSeconds: Number(ttl),
      rdata: rrs.map(([, , , text]) =>
        type === 'DNAME' ? parseName(text, apex) : parseRdata(type, text, apex),
      ),
    })
  }
  return compiler.finish()
}
