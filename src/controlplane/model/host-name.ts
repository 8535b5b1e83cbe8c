/**
 * The one form in which hosts of URLs and Host headers are compared, asked for by SNI, looked for in certificates and held
 * against redirects: in lower case, other scripts as A-labels, addresses in their usual form without brackets, and
 * without the final dot, which names the same host and stands in no certificate (RFC 6066 section 3, RFC 9525 section 2).
 * What goes over the wire as a Host header stays as it was written.
 *
 * @returns null for what URLs may have for a host and DNS can't: labels that are empty or too long (RFC 1035 section 2.3.4)
 */
export function canonicalHost({ hostname }: URL): string | null {
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  const host = hostname.endsWith('.') ? hostname.slice(0, -1) : hostname
  return host.length <= 253 && host.split('.').every(({ length }) => length >= 1 && length <= 63)
    ? host
    : null
}
