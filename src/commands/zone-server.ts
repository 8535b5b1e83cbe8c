/** Zone files by the HTTP API of a running daemon. */
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { type ApiServer, askApi } from './api-server.ts'

/** What a PUT of a zone file replies. */
export interface PutReply {
  readonly status: {
    readonly serial: number
    readonly rrsets: number
    readonly changed: boolean
    readonly warnings: readonly PlacedWarning[]
  }
}

export interface PlacedWarning {
  readonly line?: number
  readonly column?: number
  readonly owner: string
  readonly type: string
  readonly message: string
}

/** @throws ControlError with the problems that the server tells */
export async function putZonefile(
  server: ApiServer,
  apex: string,
  body: AsyncIterable<Uint8Array | string>,
  dryRun: boolean,
): Promise<PutReply> {
  const response = await askApi(server, `${pathOf(apex)}${dryRun ? '?dryRun=true' : ''}`, {
    method: 'PUT',
    headers: { 'content-type': 'text/dns' },
    body: Readable.toWeb(Readable.from(body, { objectMode: false })) as unknown as RequestInit['body'],
    duplex: 'half',
  } as RequestInit)
  return (await response.json()) as PutReply
}

/** The text of a zone, as it comes. */
export async function getZonefile(server: ApiServer, apex: string): Promise<Readable> {
  const response = await askApi(server, pathOf(apex), {})
  return response.body === null ? Readable.from([]) : Readable.fromWeb(response.body as ReadableStream)
}

const pathOf = (apex: string) => `/v1/zones/${encodeURIComponent(apex)}/zonefile`
