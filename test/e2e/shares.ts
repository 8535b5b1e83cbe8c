/** Which answers come how often. */
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import type { Server } from './ask.ts'

/** The share of the responses to `queries` queries that hold each address. */
export async function sharesOf(
  server: Server,
  name: string,
  queries = 400,
): Promise<ReadonlyMap<string, number>> {
  await using client = await UdpClient.open(server)
  const counts = new Map<string, number>()
  for (let index = 0; index < queries; index++) {
    const { answer } = readResponse(await client.exchange(query(name, 'A')))
    for (const line of answer) {
      const address = line.split(' ').at(-1)!
      counts.set(address, (counts.get(address) ?? 0) + 1)
    }
  }
  return new Map([...counts].map(([address, count]) => [address, count / queries]))
}

/** Of one degree of freedom for each kind but one, a value that chance exceeds once in 100,000. */
const limits = [0, 19.5, 23, 25.9]

/** Null when counts are shared like that, by chi-squared; else why not. */
export function sharedOtherwise(
  counts: ReadonlyMap<string, number>,
  expected: Readonly<Record<string, number>>,
): string | null {
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)
  const [counted, all] = [sum(counts.values()), sum(Object.values(expected))]
  const strangers = [...counts.keys()].filter((kind) => !(expected[kind]! > 0))
  if (strangers.length > 0) return `${strangers.join()} answered, too`
  let chi = 0
  for (const [kind, share] of Object.entries(expected)) {
    const wanted = (counted * share) / all
    if (wanted > 0) chi += ((counts.get(kind) ?? 0) - wanted) ** 2 / wanted
  }
  const degrees = Object.values(expected).filter((share) => share > 0).length - 1
  return chi <= limits[degrees]! ? null : `chi-squared ${chi}: ${JSON.stringify([...counts])}`
}
