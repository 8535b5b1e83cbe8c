/** A collector of OTLP over HTTP: a server that reads what it is sent, octet by octet (opentelemetry-proto, `trace.proto`, `metrics.proto`). */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { orAborted } from '../../src/controlplane/timing/clock.ts'
import { patience } from './patience.ts'

export interface SentSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty for the first of a trace. */
  readonly parentId: string
  readonly name: string
  /** 2: a server's. */
  readonly kind: number
  readonly beganNs: bigint
  readonly endedNs: bigint
  readonly attributes: Attributes
  /** 2: an error. */
  readonly status: number
}

export interface SentPoint {
  readonly name: string
  readonly kind: 'gauge' | 'sum' | 'histogram'
  readonly attributes: Attributes
  /** Of a histogram its count. */
  readonly value: number
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number | null
}

type Attributes = Readonly<Record<string, string | number | boolean>>
type Fields = ReadonlyMap<number, readonly (bigint | Buffer)[]>

function fieldsOf(octets: Buffer): Fields {
  const fields = new Map<number, (bigint | Buffer)[]>()
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const octet = octets[at++]!
      value |= BigInt(octet & 0x7f) << shift
      if (octet < 0x80) return value
    }
  }
  const taken = (length: number) => {
    at += length
    return octets.subarray(at - length, at)
  }
  while (at < octets.length) {
    const tag = Number(varint())
    const kind = tag & 7
    const value = kind === 0 ? varint() : taken(kind === 1 ? 8 : kind === 5 ? 4 : Number(varint()))
    fields.set(tag >>> 3, [...(fields.get(tag >>> 3) ?? []), value])
  }
  return fields
}

const messages = (fields: Fields, number: number) =>
  (fields.get(number) ?? []).map((each) => fieldsOf(each as Buffer))
const octetsOf = (fields: Fields, number: number) =>
  (fields.get(number)?.[0] as Buffer | undefined) ?? Buffer.alloc(0)
const numberOf = (fields: Fields, number: number) => Number(fields.get(number)?.[0] ?? 0)
const doubleOf = (fields: Fields, number: number) =>
  fields.has(number) ? octetsOf(fields, number).readDoubleLE() : null

function attributesOf(fields: Fields, number: number): Attributes {
  return Object.fromEntries(
    messages(fields, number).map((pair) => {
      const [value] = messages(pair, 2) as [Fields]
      const read = value.has(1)
        ? String(octetsOf(value, 1))
        : value.has(4)
          ? doubleOf(value, 4)!
          : value.has(2)
            ? numberOf(value, 2) === 1
            : numberOf(value, 3)
      return [String(octetsOf(pair, 1)), read]
    }),
  )
}

function spansOf(body: Buffer): { resource: Attributes; spans: SentSpan[] } {
  const groups = messages(fieldsOf(body), 1)
  const spans = groups.flatMap((group) => messages(group, 2)).flatMap((scope) => messages(scope, 2))
  return {
    resource: attributesOf(messages(groups[0]!, 1)[0]!, 1),
    spans: spans.map((span) => ({
      traceId: octetsOf(span, 1).toString('hex'),
      spanId: octetsOf(span, 2).toString('hex'),
      parentId: octetsOf(span, 4).toString('hex'),
      name: String(octetsOf(span, 5)),
      kind: numberOf(span, 6),
      beganNs: octetsOf(span, 7).readBigUInt64LE(),
      endedNs: octetsOf(span, 8).readBigUInt64LE(),
      attributes: attributesOf(span, 9),
      status: messages(span, 15).map((status) => numberOf(status, 3))[0] ?? 0,
    })),
  }
}

const kinds = { 5: 'gauge', 7: 'sum', 9: 'histogram' } as const

function pointsOf(body: Buffer): SentPoint[] {
  const scopes = messages(fieldsOf(body), 1).flatMap((group) => messages(group, 2))
  return scopes
    .flatMap((scope) => messages(scope, 2))
    .flatMap((metric) =>
      Object.entries(kinds).flatMap(([number, kind]) =>
        messages(metric, Number(number)).flatMap((data) =>
          messages(data, 1).map((point) => pointOf(String(octetsOf(metric, 1)), kind, point)),
        ),
      ),
    )
}

function pointOf(name: string, kind: SentPoint['kind'], point: Fields): SentPoint {
  const isHistogram = kind === 'histogram'
  const packed = (number: number) =>
    Array.from({ length: octetsOf(point, number).length / 8 }, (_, nth) =>
      octetsOf(point, number).subarray(8 * nth, 8 * nth + 8),
    )
  return {
    name,
    kind,
    attributes: attributesOf(point, isHistogram ? 9 : 7),
    value: isHistogram
      ? Number(octetsOf(point, 4).readBigUInt64LE())
      : (doubleOf(point, 4) ?? Number(octetsOf(point, 6).readBigInt64LE())),
    bounds: isHistogram ? packed(7).map((octets) => octets.readDoubleLE()) : [],
    counts: isHistogram ? packed(6).map((octets) => Number(octets.readBigUInt64LE())) : [],
    sum: isHistogram ? doubleOf(point, 5) : null,
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export class OtlpCollector implements AsyncDisposable {
  readonly spans: SentSpan[] = []
  points: SentPoint[] = []
  /** Of whoever has sent spans last. */
  resource: Attributes = {}
  /** Of requests: path, type of content, and what the variable for headers says. */
  readonly requests: string[] = []
  #url = ''
  #come = Promise.withResolvers<void>()
  readonly #server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      this.requests.push(`${request.url} ${request.headers['content-type']} ${request.headers['x-tenant']}`)
      if (request.url === '/v1/traces') {
        const { resource, spans } = spansOf(body)
        this.resource = resource
        this.spans.push(...spans)
      } else this.points = pointsOf(body)
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
      this.#come.resolve()
      this.#come = Promise.withResolvers()
    })
  })

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector()
    collector.#server.listen(0, '127.0.0.1')
    await once(collector.#server, 'listening')
    collector.#url = `http://127.0.0.1:${(collector.#server.address() as AddressInfo).port}`
    return collector
  }

  /** Of the environment of who is to send. */
  get env(): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: this.#url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=blue',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRIC_EXPORT_INTERVAL: '200',
      OTEL_METRIC_EXPORT_TIMEOUT: '200',
    }
  }

  /** Resolves with what `find` finds in what has been sent, once it does. */
  async until<T>(find: (collector: this) => T | undefined): Promise<T> {
    for (const signal = patience(); ; ) {
      const { promise } = this.#come
      const found = find(this)
      if (found !== undefined) return found
      await orAborted(promise, signal)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
