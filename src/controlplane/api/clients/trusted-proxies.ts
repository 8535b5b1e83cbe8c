/**
 * Who the client is. A proxy in between has the client's address in a field that it adds: `X-Forwarded-For` or `Forwarded` (RFC
 * 7239). Anybody may send such a field, so it is believed as far as it was written by proxies that are named: from the right,
 * each entry is who spoke to the one behind it, and the first that is no trusted proxy is the client. What stands left of it
 * are words of its own.
 *
 * Proxies write one of the two fields and as a rule pass the other on as it came. When both are there and disagree, one is made
 * up; then, and where an entry is no address, the client is the nearest proxy that is known.
 *
 * ## Who is local
 * The tools are open without a token to whoever asks from this host. A proxy on this host asks from here, too, for the whole
 * world, so a client is local when nothing speaks of a proxy: it comes from a loopback address that is no trusted proxy (or such a
 * proxy says that it does), asks for a loopback address or `localhost`, and brings no field that proxies add. Some proxies
 * add none unless they are told to; the most common one speaks HTTP/1.0 then, which no client of ours does.
 */
import type { FastifyRequest } from 'fastify'
import { canonicalAddress, isMappedIpv4, parseAddress } from '../../../dataplane/wire/address.ts'
import { type Prefix, prefixHolds } from '../../../dataplane/wire/prefix.ts'
import { parseAuthority } from './authority.ts'

export interface Client {
  /** Canonical text. */
  readonly address: string
  /** Whether it is on this host, as far as can be told. */
  readonly local: boolean
}

/** Entries of a field that are looked at; further left nobody has so many proxies. */
const mostHops = 32

/** Fields that proxies and networks of them add to what they pass on: `Forwarded` in all its forms, or the client's address. */
const proxyField =
  /^(?:via|forwarded|x-(?:original-)?forwarded|x-envoy)(?:-|$)|^(?:x-real|x-client|x-cluster-client|true-client|fastly-client|cf-connecting)-ip$/

export function identifyClient(request: FastifyRequest, trusted: readonly Prefix[]): Client {
  const peer = plainAddress(request.socket.remoteAddress ?? '') ?? ''
  const isTrusted = (address: string) => holdsAddress(trusted, address)
  if (!isTrusted(peer)) {
    return { address: peer, local: isLoopbackAddress(peer) && isDirect(request) && asksForLoopback(request) }
  }
  const chains = [forwardedFor(request), forwarded(request)].filter((chain) => chain.length > 0)
  const found = [...new Set(chains.map((chain) => clientOf(chain, peer, isTrusted)))]
  const [address] = found
  if (address === undefined || found.length > 1) return { address: peer, local: false }
  return { address, local: isLoopbackAddress(address) && !isTrusted(address) && asksForLoopback(request) }
}

/** Goes from the right to the left, as far as it is told by those who are trusted. */
function clientOf(chain: readonly string[], peer: string, isTrusted: (address: string) => boolean): string {
  let client = peer
  for (const entry of chain.slice(-mostHops).reverse()) {
    const address = nodeAddress(entry)
    if (address === null) return client
    client = address
    if (!isTrusted(address)) return client
  }
  return client
}

function forwardedFor(request: FastifyRequest): string[] {
  const fields = request.raw.headersDistinct['x-forwarded-for'] ?? []
  return fields.flatMap((field) => field.split(',')).map((entry) => entry.trim())
}

/** The `for` of each element; an element without one stands for somebody who is not told. */
function forwarded(request: FastifyRequest): string[] {
  const text = (request.raw.headersDistinct.forwarded ?? []).join(',')
  if (text === '') return []
  // Commas and semicolons may stand in quotes (section 4).
  const elements = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []
  return elements.map((element) => {
    const found = /(?:^|;)\s*for=(?:"((?:[^"\\]|\\.)*)"|([^;,\s"]*))/i.exec(element.trim())
    return found === null ? '' : (found[1]?.replaceAll(/\\(.)/g, '$1') ?? found[2]!)
  })
}

/** The address of `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80` or `2001:db8::1`; null for other words. */
function nodeAddress(text: string): string | null {
  const match = /^\[([^\]]+)\](?::\w+)?$|^(\d+\.\d+\.\d+\.\d+)(?::\w+)?$/.exec(text)
  return plainAddress(match?.[1] ?? match?.[2] ?? text)
}

/** Canonical text, an IPv4 address in the form of IPv6 as plain IPv4; null when the text is none. */
function plainAddress(text: string): string | null {
  const octets = parseAddress(text.replace(/%.*$/, ''))
  if (octets === null) return null
  return isMappedIpv4(octets) ? octets.subarray(12).join('.') : canonicalAddress(text.replace(/%.*$/, ''))
}

function holdsAddress(prefixes: readonly Prefix[], address: string): boolean {
  const octets = parseAddress(address)
  return octets !== null && prefixes.some((prefix) => prefixHolds(prefix, octets, octets.length))
}

function isLoopbackAddress(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

function isDirect(request: FastifyRequest): boolean {
  return (
    request.raw.httpVersion !== '1.0' && !Object.keys(request.headers).some((field) => proxyField.test(field))
  )
}

function asksForLoopback(request: FastifyRequest): boolean {
  const host = parseAuthority(request.headers.host ?? '')?.host
  return host === 'localhost' || (host !== undefined && isLoopbackAddress(host))
}
