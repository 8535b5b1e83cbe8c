import { parseAddress } from '../../../dataplane/wire/address.ts'

/** Labels of letters, digits, `-` and `_`, 253 characters at most without the final dot. */
const namePattern = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/

/** A host name in lower case without a final dot, or null when the text is none. An address is none. */
export function parseHostName(text: string): string | null {
  const name = text.toLowerCase().replace(/\.$/, '')
  return namePattern.test(name) && parseAddress(name) === null ? name : null
}

export interface Authority {
  /** A name in lower case without a final dot, or an address as it was written. */
  readonly host: string
  readonly isAddress: boolean
  /** Null when it is not told. */
  readonly port: number | null
}

/** `host:port` (RFC 9110 section 7.2), or null. User and password are no part of it. */
export function parseAuthority(text: string): Authority | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{0,5}))?$/.exec(text)
  if (match === null) return null
  const [, literal, plain, digits = ''] = match
  const port = digits === '' ? null : Number(digits)
  if (port !== null && port > 65535) return null
  // A zone index says by which interface, not where to.
  const address = parseAddress((literal ?? plain!).replace(/%.*$/, ''))
  if (literal !== undefined)
    return address?.length === 16 ? { host: literal.toLowerCase(), isAddress: true, port } : null
  if (address !== null) return { host: plain!, isAddress: true, port }
  const host = parseHostName(plain!)
  return host === null ? null : { host, isAddress: false, port }
}
