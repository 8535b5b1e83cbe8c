/** What the OpenAPI document says of the API as a whole. */

export const info = {
  title: 'pooldns',
  summary: 'Authoritative DNS from pools of healthy members',
  description:
    "Zones, pools, monitors, services and feeds as fragments of pooldns's document. Errors are RFC 9457 problem documents. " +
    'A write replies once this node answers DNS by it. While the database is away, what this node serves is read from its memory: such a ' +
    'reply has the header `pooldns-revision`, the revision that is served, and no ETag. Overrides are taken meanwhile, and marked `pending`; ' +
    'other writes, and what the database alone holds, get 503.',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
}

/** A relative one first: wherever the document comes from, there is the API. The other is for who has it as a file. */
export const servers = [
  { url: '/', description: 'The server that this document comes from' },
  {
    url: 'http://{host}:{port}',
    description: 'A server at another address',
    variables: {
      host: { default: '127.0.0.1', description: 'a name or an address' },
      port: { default: '3000', description: 'its HTTP port' },
    },
  },
]

export const securitySchemes = {
  token: {
    type: 'http',
    scheme: 'bearer',
    description:
      'The admin token (`admin-token` in the data directory), or one that was made at `/v1/tokens`.',
  },
} as const

/** Every tag that a route has, in the order in which somebody gets to know them. */
export const tags = [
  { name: 'config', description: 'The whole configuration as one document: exported, planned and applied.' },
  { name: 'monitor', description: 'How members are checked, and when they count as up.' },
  {
    name: 'pool',
    description: 'Members that can stand in for each other, and how many of them are enough.',
  },
  {
    name: 'member',
    description: 'One member of a pool: its address or host, its weight, its state, reports on it.',
  },
  {
    name: 'feed',
    description: 'Tables of measurements that come from outside: what is declared, and what is in them.',
  },
  { name: 'service', description: 'Names that are answered from pools, and how a client gets one of them.' },
  { name: 'zone', description: 'Zones, by their head and RRsets or as a master file.' },
  { name: 'dnssec', description: 'How zones are signed, and their keys.' },
  { name: 'RRset', description: 'The records of a zone that have one name and type.' },
  {
    name: 'override',
    description:
      "Operators' words on members and services (up, down, drain), which go before what is measured.",
  },
  { name: 'gradual', description: 'Changes of weights that are made in steps, and go back by themselves.' },
  { name: 'revision', description: 'What the configuration was: who changed it, how, and the way back.' },
  { name: 'journal', description: 'What happened: events, a stream of them, and the audit log.' },
  { name: 'webhook', description: 'Receivers that events are sent to.' },
  { name: 'explain', description: 'What a client is answered, and why.' },
  { name: 'fleet', description: 'The servers on one database, and everything at a glance.' },
  { name: 'token', description: 'Tokens for others than the admin, each with its scopes and limits.' },
  { name: 'database', description: 'What only an operator can say of the database.' },
  { name: 'state', description: 'What the process says of itself: version, health, readiness, metrics.' },
  { name: 'tool', description: 'Lookups of names, and whether a text is an address.' },
]
