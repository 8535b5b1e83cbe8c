/**
 * The one form in which hosts of URLs and Host headers are compared, asked for by SNI, looked for in certificates and held
 * against redirects: in lower case, other scripts as A-labels, addresses in their usual form without brackets, and
 * without the final dot, which names the same host and stands in no certificate (RFC 6066 section 3, RFC 9525 section 2).
 * What goes over the wire as a Host header stays as it was written.
 */
export function canonicalHost({ hostname }: URL): string {
  if (hostname.startsWith('[')) return hostname.slice(1, -1)
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname
}
