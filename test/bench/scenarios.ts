/** What is measured, by name. The first part are loads that all servers get in turn; the others are programs of their own. */
import { type QueryFile, queryFiles } from './query-files.ts'

export const loadNames = [...queryFiles, 'tcp'] as const
export type LoadName = (typeof loadNames)[number]
export const otherNames = [
  'tail',
  'monitors',
  'failover',
  'signed',
  'drain',
  'writes',
  'feeds',
  'feed-push',
  'apply',
  'zones',
  'scale',
  'signed-scale',
] as const
export type OtherName = (typeof otherNames)[number]
export type ScenarioName = LoadName | OtherName
export const scenarioNames: readonly ScenarioName[] = [...loadNames, ...otherNames]

export interface LoadScenario {
  readonly name: LoadName
  readonly title: string
  readonly file: QueryFile
  readonly transport: 'udp' | 'tcp'
  /** Share of the responses that must have this code, or else something else was measured. */
  readonly expected: { readonly rcode: 'NOERROR' | 'NXDOMAIN'; readonly share: number }
  /** What a server must have to be asked: a service of some kind, or those of `steered`. */
  readonly needs: 'nothing' | 'service' | 'steering'
}

const noError = { rcode: 'NOERROR', share: 1 } as const
const nxDomain = { rcode: 'NXDOMAIN', share: 1 } as const

export const loads: readonly LoadScenario[] = [
  load('hit', '1,000 names, an RRset of three addresses each', 'hit', noError),
  load('miss', 'random names below the zone: NXDOMAIN', 'miss', nxDomain),
  { ...load('lb', 'one service name with three members that are up', 'lb', noError), needs: 'service' },
  {
    ...load('weighted', 'a service on a pool that draws one of ten members by weight', 'weighted', noError),
    needs: 'steering',
  },
  {
    ...load('hash', 'a service on a pool that gives each client one of ten members', 'hash', noError),
    needs: 'steering',
  },
  {
    ...load('geo', 'a service that chooses one of three pools by where the client is', 'geo', noError),
    needs: 'steering',
  },
  {
    ...load('subnet', 'the same for random client subnets, with an OPT', 'subnet', noError),
    needs: 'steering',
  },
  load('mixed', '80 % hit, 10 % miss, 10 % lb, half of them with an OPT', 'mixed', {
    rcode: 'NOERROR',
    share: 0.9,
  }),
  load('flood', 'random names below a name of eight labels below the zone: NXDOMAIN', 'flood', nxDomain),
  load('any', 'ANY of names with an RRset of three addresses', 'any', noError),
  load('large', 'a TXT RRset of about 1,000 octets, with EDNS', 'large', noError),
  { ...load('tcp', 'the queries of hit over eight TCP connections', 'hit', noError), transport: 'tcp' },
]

function load(
  name: LoadName,
  title: string,
  file: QueryFile,
  expected: LoadScenario['expected'],
): LoadScenario {
  return { name, title, file, transport: 'udp', expected, needs: 'nothing' }
}
