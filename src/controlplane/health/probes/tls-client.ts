import { createSecureContext, type SecureContext } from 'node:tls'
import type { TlsSettings } from '../../model/monitor.ts'
import { type Fault, fault } from '../verdict.ts'
import type { ClientCertificates, KeyPair } from './client-certificates.ts'
import { orStopped } from './ending.ts'
import { LeastRecentMap } from './least-recent.ts'

/**
 * The client's side of TLS for all probes.
 *
 * Contexts are kept, because making one takes a fifth of the CPU time of a handshake; they keep no sessions, which would
 * let a handshake pass without its certificate. Those without authorities of their own trust whom the process trusts
 * (`src/trust.ts`) when they are made, at the first probe that needs one. Bound: the 128 that were used last.
 */
export class TlsClient {
  readonly #certificates: ClientCertificates | null
  readonly #contexts = new LeastRecentMap<string, SecureContext>(128)

  /** @param certificates null when this node has no directory of them */
  constructor(certificates: ClientCertificates | null) {
    this.#certificates = certificates
  }

  /** What a handshake by such settings takes. Never rejects. */
  async secureContext(
    { ca, clientCertificate: name }: TlsSettings,
    stop: AbortSignal,
  ): Promise<SecureContext | Fault> {
    const pair = name === null ? null : await this.#pair(name, stop)
    if (pair !== null && 'failure' in pair) return pair
    // Names hold no NUL, and neither does PEM.
    const key = `${name ?? ''}\0${pair?.reading ?? ''}\0${ca ?? ''}`
    const known = this.#contexts.get(key)
    if (known !== undefined) return known
    try {
      const context = createSecureContext({
        // Whoever is named is trusted, also who is no root: an authority below one, or the certificate itself.
        allowPartialTrustChain: true,
        ...(ca === null ? {} : { ca }),
        ...(pair === null ? {} : { cert: pair.cert, key: pair.key }),
      })
      this.#contexts.set(key, context)
      return context
    } catch (error) {
      const reason = (error as { readonly reason?: unknown }).reason ?? (error as Error).message
      const what = name === null ? 'authority' : `client certificate ${name}`
      return fault('tls', `${what} can't be used: ${reason}`)
    }
  }

  async #pair(name: string, stop: AbortSignal): Promise<KeyPair | Fault> {
    if (this.#certificates !== null) return orStopped(this.#certificates.find(name), stop)
    return fault('tls', `client certificate ${name} is wanted, and this node has no directory of them`)
  }
}
