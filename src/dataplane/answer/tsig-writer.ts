import { types } from '../wire/constants.ts'
import { type Tsig, tsigFields } from '../wire/tsig.ts'
import type { ResponseWriter } from './response-writer.ts'

const badKey = 17

/** Writes the unsigned TSIG by which a client learns that we do not have its key (RFC 8945 sections 5.2.1 and 5.3.2). */
export function writeBadKey(request: Uint8Array, tsig: Tsig, writer: ResponseWriter): void {
  writer.copy(tsig.name, 0, tsig.nameLength)
  writer.u16(types.tsig)
  writer.u16(tsigFields.class)
  writer.u16(0)
  writer.u16(0)
  writer.u16(0)
  const rdata = writer.length
  // The algorithm, the time and the fudge are those of the query. There is no MAC.
  writer.copy(request, tsig.algorithmAt, tsig.algorithmLength + tsigFields.timeAndFudge)
  writer.u16(0)
  writer.copy(request, 0, 2)
  writer.u16(badKey)
  writer.u16(0)
  writer.endRecord(rdata)
}
