/**
 * What every server of a zone's parent says of the zone's DS, and whether that is what a rollover waits for. The servers are found by
 * resolvers, as resolvers of others find them, and asked themselves: what a resolver has in its cache says nothing of the others'.
 *
 * A server has several addresses, some of which this host may have no way to. It counts by those that answer, each of which must say what is
 * waited for: behind them may be different machines. Of a server that none of them answers for nobody knows.
 */
import { createHash } from 'node:crypto'
import { rcodeName, rcodes, types } from '../../dataplane/wire/constants.ts'
import { formatName, hostnameToWire } from '../../dataplane/wire/name.ts'
import { type DnsExchange, exchangeByUdp, serverOf } from '../dns-client/udp-exchange.ts'
import { resolversAmong, timeoutMs, tries } from './parent-ds.ts'
import { keyTag } from './zone-key.ts'

/** Of a parent's servers, and of the addresses of one: of a root zone's 13 all, with an address of each family. */
const mostServers = 16
const mostAddresses = 4

/** A server of the parent. */
export interface ParentServer {
  /** As people know it. */
  readonly name: string
  /** As `address:port`. */
  readonly addresses: readonly string[]
}

/** What one said, by one of its addresses; `records` are RDATA of DS. */
export type SaidByServer =
  | { readonly name: string; readonly records: readonly Uint8Array[]; readonly ttlSeconds: number | null }
  | { readonly name: string; readonly trouble: string }

/**
 * @param port that they are asked by
 * @returns the servers of the zone above, or why they can't be found
 */
export async function findParentServers(
  apex: string,
  resolvers: readonly string[],
  signal: AbortSignal,
  port = 53,
): Promise<readonly ParentServer[] | string> {
  const ask = (name: Uint8Array, type: number) => askResolvers(name, type, resolvers, signal)
  let name = hostnameToWire(apex)
  while (name.length > 1) {
    name = name.subarray(name[0]! + 1)
    const found = await ask(name, types.ns)
    if (typeof found === 'string') return found
    const servers = found.answers.filter(({ type }) => type === types.ns).map(({ rdata }) => rdata)
    if (servers.length === 0) continue
    return await Promise.all(
      servers.slice(0, mostServers).map(async (server): Promise<ParentServer> => {
        const both = await Promise.all([ask(server, types.a), ask(server, types.aaaa)])
        const addresses = both.flatMap((answer) =>
          typeof answer === 'string'
            ? []
            : answer.answers.flatMap(({ type, rdata }) => addressesIn(type, rdata, port)),
        )
        return { name: formatName(server), addresses: addresses.slice(0, mostAddresses) }
      }),
    )
  }
  return `no resolver knows the servers of the zone above ${apex}`
}

function addressesIn(type: number, rdata: Uint8Array, port: number): string[] {
  if (type === types.a) return [`${rdata.join('.')}:${port}`]
  if (type !== types.aaaa) return []
  const groups = Array.from({ length: 8 }, (_, i) => ((rdata[2 * i]! << 8) | rdata[2 * i + 1]!).toString(16))
  return [`[${groups.join(':')}]:${port}`]
}

async function askResolvers(
  name: Uint8Array,
  type: number,
  resolvers: readonly string[],
  signal: AbortSignal,
): Promise<DnsExchange | string> {
  let last = 'there is no resolver to ask'
  for (const resolver of resolversAmong(resolvers)) {
    for (let attempt = 0; attempt < tries; attempt++) {
      const answer = await exchangeByUdp(serverOf(resolver), { name, type }, timeoutMs, signal)
      if ('failure' in answer) last = `${resolver}: ${answer.failure}`
      else if (answer.rcode === rcodes.noerror || answer.rcode === rcodes.nxdomain) return answer
      else last = `${resolver}: ${rcodeName(answer.rcode)}`
    }
  }
  return last
}

/** Asks all of them for the DS of a zone, by all their addresses, at the same time. */
export async function askParentServers(
  apex: string,
  servers: readonly ParentServer[],
  signal: AbortSignal,
): Promise<SaidByServer[]> {
  const byServer = await Promise.all(
    servers.map(async ({ name, addresses }): Promise<SaidByServer[]> => {
      const said = await Promise.all(addresses.map((address) => askAddress(apex, address, signal)))
      const good = said.flatMap((each, i) =>
        typeof each === 'string' ? [] : [{ name: nameOf(name, addresses[i]!), ...each }],
      )
      if (good.length > 0) return good
      return [{ name, trouble: said.find((each) => typeof each === 'string') ?? 'it has no address' }]
    }),
  )
  return byServer.flat()
}

const nameOf = (name: string, address: string) => (name === address ? name : `${name} at ${address}`)

interface SaidByAddress {
  readonly records: readonly Uint8Array[]
  readonly ttlSeconds: number | null
}

async function askAddress(
  apex: string,
  address: string,
  signal: AbortSignal,
): Promise<SaidByAddress | string> {
  const name = hostnameToWire(apex)
  let last = ''
  for (let attempt = 0; attempt < tries; attempt++) {
    const answer = await exchangeByUdp(serverOf(address), { name, type: types.ds }, timeoutMs, signal)
    if ('failure' in answer) last = answer.failure
    else return readDs(name, answer)
  }
  return last
}

function readDs(
  apex: Uint8Array,
  { rcode, truncated, answers, authorities }: DnsExchange,
): SaidByAddress | string {
  if (truncated) return 'its answer is truncated'
  if (rcode !== rcodes.noerror && rcode !== rcodes.nxdomain) return rcodeName(rcode)
  const found = answers.filter(({ type }) => type === types.ds)
  // Who has the zone itself and not the parent denies by the zone's own SOA (RFC 4035 section 3.1.4.1).
  const isChild = authorities.some(
    ({ type, owner }) => type === types.soa && Buffer.compare(owner, apex) === 0,
  )
  if (found.length === 0 && isChild) return 'it serves the zone, and not the parent'
  const ttls = found.map(({ ttlSeconds }) => ttlSeconds)
  return {
    records: found.map(({ rdata }) => rdata),
    ttlSeconds: ttls.length === 0 ? null : Math.max(...ttls),
  }
}

/** What is to be at the parent, as RDATA of DNSKEY. */
export interface WantedAtParent {
  /** Of each there is a DS everywhere. */
  readonly wanted: readonly Uint8Array[]
  /** Of none there is one anywhere. */
  readonly unwanted: readonly Uint8Array[]
  /** No DS is to be there at all. */
  readonly none: boolean
}

export interface ParentVerdict {
  readonly isDone: boolean
  /** A server, or all, could not be asked. */
  readonly isSilent: boolean
  /** The greatest TTL of a DS that was seen; null when there was none. */
  readonly ttlSeconds: number | null
  /** What it waits for, in words. */
  readonly says: string
}

/** Whether all servers say what is wanted. Without a server nobody knows. */
export function judgeParent(
  apex: string,
  said: readonly SaidByServer[],
  { wanted, unwanted, none }: WantedAtParent,
): ParentVerdict {
  const problems = said.flatMap((server) => {
    if ('trouble' in server) return [`${server.name}: ${server.trouble}`]
    const { name, records } = server
    if (none) return records.length === 0 ? [] : [`${name} still has a DS`]
    const has = (dnskey: Uint8Array) => records.some((record) => isDsOf(apex, dnskey, record))
    const lacks = wanted
      .filter((dnskey) => !has(dnskey))
      .map((dnskey) => `${name} lacks the DS of key ${keyTag(dnskey)}`)
    const still = unwanted.filter(has).map((dnskey) => `${name} still has the DS of key ${keyTag(dnskey)}`)
    return [...lacks, ...still]
  })
  if (said.length === 0) problems.push('no server of the parent is known')
  const ttls = said.flatMap((server) => ('records' in server ? (server.ttlSeconds ?? []) : []))
  const names = said.map(({ name }) => name).join(', ')
  return {
    isDone: problems.length === 0,
    isSilent: said.length === 0 || said.some((server) => 'trouble' in server),
    ttlSeconds: ttls.length === 0 ? null : Math.max(...ttls),
    says: problems.length === 0 ? `${names}: as it is to be` : problems.slice(0, 8).join('; '),
  }
}

const digests: Readonly<Record<number, string>> = { 1: 'sha1', 2: 'sha256', 4: 'sha384' }

/** Whether a DS is of a key (RFC 4034 section 5.1.4, RFC 4509, RFC 6605); by its tag where its digest is of a kind that nobody knows. */
function isDsOf(apex: string, dnskey: Uint8Array, ds: Uint8Array): boolean {
  const tag = (ds[0]! << 8) | ds[1]!
  if (tag !== keyTag(dnskey) || ds[2] !== dnskey[3]) return false
  const kind = digests[ds[3]!]
  if (kind === undefined) return true
  const digest = createHash(kind).update(hostnameToWire(apex)).update(dnskey).digest()
  return digest.equals(ds.subarray(4))
}
