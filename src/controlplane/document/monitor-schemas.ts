/**
 * The schemas of monitors, one for each type. A body is checked by the one that its `type` names (`monitor.ts`); the
 * OpenAPI page shows them side by side.
 */
import Type, { type Static, type TProperties } from 'typebox'
import { rcodeNames } from '../../dataplane/wire/constants.ts'
import type { MonitorType } from '../model/monitor.ts'
import { httpMethods } from '../model/monitor.ts'
import { Duration, Name, Port, Text, Whole, Words } from './fields.ts'
import {
  bodyExpectation,
  Codes,
  Headers,
  HostHeader,
  RequestTarget,
  RequestText,
  Tls,
  TlsOrTrue,
  textExpectation,
  Weight,
} from './monitor-fields.ts'
import { show } from './schema-check.ts'

const dayMs = 86_400_000
const maxParts = 32
/** Characters of RDATA that is expected; for the canonical form too. */
export const maxDataText = 4096

const Flap = Type.Object(
  {
    changes: Type.Optional(Whole(1, 1000)),
    within: Type.Optional(Duration(1000, 7 * dayMs)),
    hold: Type.Optional(Duration(1000, 7 * dayMs)),
    maxHold: Type.Optional(Duration(1000, 7 * dayMs)),
  },
  { additionalProperties: false, description: 'an object with changes, within, hold and maxHold' },
)

/** What every monitor has that asks members. */
const probed = {
  interval: Type.Optional(Duration(100, dayMs)),
  timeout: Type.Optional(Duration(1, dayMs)),
  rise: Type.Optional(Whole(1, 1000)),
  fall: Type.Optional(Whole(1, 1000)),
  clear: Type.Optional(Whole(1, 1000)),
  recheck: Type.Optional(Duration(1, dayMs)),
  failBack: Type.Optional(Words(['auto', 'manual'])),
  failBackDelay: Type.Optional(Duration(0, 7 * dayMs)),
  flap: Type.Optional(Flap),
}

const http = {
  method: Type.Optional(Words(httpMethods)),
  port: Type.Optional(Port()),
  path: Type.Optional(RequestTarget),
  host: Type.Optional(HostHeader),
  headers: Type.Optional(Headers),
  body: Type.Optional(RequestText),
  expect: Type.Optional(
    Type.Object({ codes: Type.Optional(Codes), ...bodyExpectation }, { additionalProperties: false }),
  ),
  followRedirects: Type.Optional(Whole(0, 10)),
  weight: Type.Optional(Weight),
  tls: Type.Optional(Tls),
  ...probed,
}

const tcp = {
  port: Port(),
  send: Type.Optional(RequestText),
  expect: Type.Optional(Type.Object(textExpectation, { additionalProperties: false })),
  tls: Type.Optional(TlsOrTrue),
  ...probed,
}

const dns = {
  port: Type.Optional(Port()),
  transport: Type.Optional(Words(['udp', 'tcp'])),
  query: Type.Object(
    {
      name: Type.String({ maxLength: 1024, description: 'a name' }),
      type: Type.Optional(Type.String({ maxLength: 32, description: 'a type of RR' })),
    },
    { additionalProperties: false, description: 'an object with name and type' },
  ),
  expect: Type.Optional(
    Type.Object(
      {
        rcodes: Type.Optional(Type.Array(Words(rcodeNames), { minItems: 1, maxItems: rcodeNames.length })),
        data: Type.Optional(
          Type.Array(
            Type.String({
              maxLength: maxDataText,
              description: `RDATA as text, of at most ${maxDataText} characters`,
            }),
            { maxItems: 100 },
          ),
        ),
      },
      { additionalProperties: false },
    ),
  ),
  ...probed,
}

const grpc = {
  port: Port(),
  service: Type.Optional(
    Text('the name of a gRPC service, of at most 255 visible ASCII characters', (text) =>
      /^[\x21-\x7e]{0,255}$/.test(text),
    ),
  ),
  tls: Type.Optional(TlsOrTrue),
  ...probed,
}

const push = { ttl: Type.Optional(Duration(1000, 7 * dayMs)) }

const steady = { state: Words(['up', 'down']) }

const requireDescription = `all, any, or a whole number from 1 to ${maxParts}`

const composite = {
  monitors: Type.Array(Name(), { minItems: 1, maxItems: maxParts }),
  require: Type.Optional(
    Type.Refine(
      Type.Unsafe<'all' | 'any' | number>({ type: ['string', 'integer'], description: requireDescription }),
      (value) =>
        typeof value === 'number' ? value >= 1 && value <= maxParts : value === 'all' || value === 'any',
      (value) => `must be ${requireDescription}, not ${show(value)}`,
    ),
  ),
  invert: Type.Optional(Type.Boolean()),
}

function schemaOf<const T extends MonitorType, P extends TProperties>(type: T, fields: P) {
  return Type.Object(
    { type: Type.Literal(type), ...fields, status: Type.Optional(Type.Unknown()) },
    { additionalProperties: false, description: 'an object with the fields of a monitor' },
  )
}

/** A monitor without a type is one of http. */
const Http = Type.Object(
  {
    type: Type.Optional(Type.Literal('http')),
    ...http,
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a monitor' },
)

export const monitorSchemas = {
  http: Http,
  https: schemaOf('https', http),
  tcp: schemaOf('tcp', tcp),
  dns: schemaOf('dns', dns),
  grpc: schemaOf('grpc', grpc),
  push: schemaOf('push', push),
  static: schemaOf('static', steady),
  composite: schemaOf('composite', composite),
} as const satisfies Record<MonitorType, unknown>

type Schemas = typeof monitorSchemas
export type BodyOf<T extends MonitorType> = Static<Schemas[T]>
export type HttpBody = BodyOf<'http'> | BodyOf<'https'>
/** What monitors have that ask members. */
export type ProbeBody = HttpBody | BodyOf<'tcp'> | BodyOf<'dns'> | BodyOf<'grpc'>
export type MonitorBody = ProbeBody | BodyOf<'push'> | BodyOf<'static'> | BodyOf<'composite'>

/** For the OpenAPI page: one of the types. Bodies are checked by the schema of theirs. */
export const MonitorSchema = Type.Unsafe<MonitorBody>({
  oneOf: Object.values(monitorSchemas),
  description: 'an object with the fields of a monitor',
})
