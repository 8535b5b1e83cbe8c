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
