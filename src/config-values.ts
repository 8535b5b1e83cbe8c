/** Values of settings, out of text; undefined for text that is none. */
import type { KeptBits } from './controlplane/model/logged-query.ts'
import type { TapTarget } from './dataplane/image/answer-settings.ts'
import type { ListenAddress } from './dataplane/listener/listener.ts'
import { canonicalAddress, parseAddress } from './dataplane/wire/address.ts'
import { type Prefix, parsePrefix } from './dataplane/wire/prefix.ts'

export function parseList<T>(text: string, parse: (item: string) => T | undefined): readonly T[] | undefined {
  const items = text.split(',').map((item) => parse(item.trim()))
  return items.every((item) => item !== undefined) ? (items as T[]) : undefined
}

export function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(text)
  const host = match === null ? null : canonicalAddress(match[1] ?? match[2]!)
  const port = Number(match?.[3])
  return host === null || port > 65535 ? undefined : { host, port }
}

/** Octets of the path of a socket (unix(7), without the last one). */
const longestSocketPath = 107

export function parseTapTarget(text: string): TapTarget | undefined {
  const path = /^unix:(\/[^\0]*[^\0/])$/.exec(text)?.[1]
  if (path !== undefined) return Buffer.byteLength(path) <= longestSocketPath ? { path } : undefined
  const to = text.startsWith('tcp:') ? parseListen(text.slice('tcp:'.length)) : undefined
  return to === undefined || to.port === 0 ? undefined : to
}

export function parseListens(text: string): readonly ListenAddress[] | undefined {
  return parseList(text, parseListen)
}

export function parsePath(text: string): string | undefined {
  return text || undefined
}

export function parsePrefixes(text: string): readonly Prefix[] | undefined {
  return text === 'none' ? [] : parseList(text, (item) => parsePrefix(item) ?? undefined)
}

export function parseAddressesAndPrefixes(text: string): readonly Prefix[] | undefined {
  const prefix = (item: string) => {
    const address = parseAddress(item)
    return address === null ? parsePrefix(item) : { address, length: address.length * 8 }
  }
  return text === 'none' ? [] : parseList(text, (item) => prefix(item) ?? undefined)
}

export function parseEither(text: string, yes: string, no: string): boolean | undefined {
  return text === yes ? true : text === no ? false : undefined
}

export function atMost<T>(most: number, items: readonly T[] | undefined): readonly T[] | undefined {
  return items !== undefined && items.length <= most ? items : undefined
}

/** `1/N`, as N. */
export function parseShare(text: string): number | undefined {
  const every = Number(/^1\/([1-9]\d{0,6})$/.exec(text)?.[1] ?? 0)
  return every >= 1 && every <= 1_000_000 ? every : undefined
}

/** Lengths of prefixes of IPv4 and of IPv6: `24/56`. */
export function parseKeptBits(text: string): KeptBits | undefined {
  const [, ipv4, ipv6] = /^(\d{1,2})\/(\d{1,3})$/.exec(text)?.map(Number) ?? []
  return ipv4 !== undefined && ipv6 !== undefined && ipv4 <= 32 && ipv6 <= 128 ? { ipv4, ipv6 } : undefined
}

export function parseLabelText(text: string): string | undefined {
  return /^[\x20-\x7e]{1,64}$/.test(text) ? text : undefined
}
