/**
 * Whom TLS trusts when nobody says otherwise: probes of monitors without `tls.ca`, webhooks, a PostgreSQL whose URL asks for
 * `sslmode=verify-full`, and the command line's requests to a server.
 *
 * Node brings a list of its own, which knows nothing of the authorities that an operator has added to the host, and is as old
 * as Node. So the host's list counts, which on Linux is what OpenSSL finds (SSL_CERT_FILE, SSL_CERT_DIR, or where the
 * distribution keeps it). Small images have none: there Node's own list is better than to trust nobody. What
 * NODE_EXTRA_CA_CERTS names counts beside either.
 */
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

/** For this thread; some 60 ms. What is trusted stays the same until the process ends. */
export function trustSystemAuthorities(): void {
  const system = getCACertificates('system')
  const own = system.length > 0 ? system : getCACertificates('bundled')
  // One that stands in a bundle and in a file of its own is read twice.
  setDefaultCACertificates([...new Set([...own, ...getCACertificates('extra')])])
}
