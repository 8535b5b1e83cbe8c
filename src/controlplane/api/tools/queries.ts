/**
 * The query log, as a source of history. It tells what others have asked, so it is behind a token, whatever else of the tools is open
 * (`tools.ts`). It is read from the database each time: whoever looks at it wants what is new, and asks for other things each time.
 */
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { parseAddress } from '../../../dataplane/wire/address.ts'
import { parsePrefix } from '../../../dataplane/wire/prefix.ts'
import { AbsoluteName, InstantText, Text } from '../../document/fields.ts'
import { queryTransports } from '../../model/logged-query.ts'
import { listQueries, type StoredQuery } from '../../store/queries.ts'
import { invalid } from '../configuration/resource.ts'
import type { Ground } from '../context.ts'
import { Instant, PageQuery, pageReply, pageRequest, TextOrNull } from '../schemas.ts'

export const aboutQueries =
  'The query log is of what this server and the others on its database have been asked, one query in so many, as `POOLDNS_QUERY_LOG` ' +
  'says; it needs a token without limits, also where the tools are open to everybody. `since` is the first instant that counts, `until` the first ' +
  'that does not any more.'

const Named = (what: string) => Text(what, (text) => text.length <= 1004).schema
const Client = Text(
  'an address, or a network such as 192.0.2.0/24',
  (text) => parseAddress(text) !== null || parsePrefix(text) !== null,
)

/** Lookups take no parameters, and mind none. */
export const HistoryQuery = Type.Object({
  source: Type.Optional(
    Type.Unsafe<string>({
      type: 'string',
      enum: ['lookups', 'dns'],
      description: 'lookups unless said otherwise',
    }),
  ),
  ...PageQuery.properties,
  name: Type.Optional(Named('the name that was asked for')),
  client: Type.Optional(Client.schema),
  service: Type.Optional(Named('the name of a service that was answered with')),
  rcode: Type.Optional(Named('such as NXDOMAIN')),
  node: Type.Optional(Named('the id of the node that answered')),
  since: Type.Optional(InstantText.schema),
  until: Type.Optional(InstantText.schema),
})

const QueryView = Type.Object(
  {
    id: Type.Integer(),
    at: Instant,
    node: Type.String({ description: 'who answered' }),
    client: Type.String({
      description: 'the network that it came from, or the address where all of it is kept',
    }),
    transport: Type.Enum([...queryTransports]),
    name: TextOrNull('without its final dot; null where the question could not be read'),
    type: TextOrNull('such as AAAA'),
    rcode: Type.String({ description: 'such as NXDOMAIN' }),
    octets: Type.Integer({ description: 'of the response' }),
    answered: Type.Array(
      Type.Object({ service: Type.String(), pool: Type.String(), member: Type.String() }),
      { description: 'the members that it was answered with; none where no service was asked for' },
    ),
  },
  { title: 'LoggedQuery' },
)

export const QueryPage = Type.Object(
  {
    items: Type.Array(QueryView),
    nextCursor: TextOrNull('the cursor of the next page, null at the end'),
  },
  { title: 'LoggedQueryPage' },
)

type Wanted = Readonly<
  Partial<Record<'name' | 'client' | 'service' | 'rcode' | 'node' | 'since' | 'until', string>>
>

/** Answers a request whose query has been checked. */
export async function listLoggedQueries(context: Ground, request: FastifyRequest): Promise<object> {
  const unknown = Object.keys(request.query as object).filter((name) => !(name in HistoryQuery.properties))
  // One that is ignored, such as a misspelt filter, would be a trap.
  if (unknown.length > 0)
    throw invalid(
      'the query',
      unknown.map((path) => ({ path, message: 'is unknown' })),
    )
  const { name, service, since, until, client, rcode, node } = request.query as Wanted
  const query = {
    ...pageRequest(context, request.query),
    name: name === undefined ? undefined : domainOf(name, 'name'),
    service: service === undefined ? undefined : domainOf(service, 'service'),
    client,
    rcode: rcode?.toUpperCase(),
    node,
    since: instantOf(since),
    until: instantOf(until),
  }
  const page = await context.database.read((tx) => listQueries(tx, query))
  return pageReply(context, page, page.items.map(present))
}

function present(query: StoredQuery): object {
  const { id, at, node, client, transport, name, type, rcode, octets, answered } = query
  return { id, at, node, client, transport, name, type, rcode, octets, answered }
}

/** As the log has it. */
function domainOf(text: string, path: string): string {
  const absolute = AbsoluteName.parse(text.endsWith('.') ? text : `${text}.`, path, [])
  if (absolute === undefined) throw invalid('the query', [{ path, message: 'is no domain name' }])
  return absolute === '.' ? absolute : absolute.slice(0, -1)
}

const instantOf = (text: string | undefined) =>
  text === undefined ? undefined : InstantText.parse(text, '', [])
