/** What is measured, by name. The first part are loads that all servers get in turn; the others are programs of their own. */
import type { QueryFile } from './query-files.ts'

export const loadNames = ['hit', 'miss', 'lb', 'mixed', 'flood', 'any', 'large', 'tcp'] as const
export type LoadName = (typeof loadNames)[number]
export const otherNames = ['tail', 'monitors', 'scale'] as const
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
  /** Only for servers that choose among members. */
  readonly needsService: boolean
}

const noError = { rcode: 'NOERROR', share: 1 } as const
const nxDomain = { rcode: 'NXDOMAIN', share: 1 } as const

export const loads: readonly LoadScenario[] = [
  load('hit', '1,000 names, an RRset of three addresses each', 'hit', noError),
  load('miss', 'random names below the zone: NXDOMAIN', 'miss', nxDomain),
  { ...load('lb', 'one service name with three members that are up', 'lb', noError), needsService: true },
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
  return { name, title, file, transport: 'udp', expected, needsService: false }
}
