import { formatListenAddress, type ListenAddress } from './protocol.ts'

export interface Bound<T> {
  readonly socket: T
  readonly port: number
}

export interface BoundAll<T> {
  readonly sockets: readonly T[]
  readonly bound: readonly ListenAddress[]
  /** Addresses left out because the host has no such family, with the reason. */
  readonly skipped: readonly string[]
}

/**
 * Binds a socket to each address. An address that can't be bound fails the whole, with nothing left bound; but hosts
 * without IPv6 (or IPv4) still serve on the wildcard of the other family.
 */
export async function bindAll<T>(
  listen: readonly ListenAddress[],
  bind: (address: ListenAddress) => Promise<Bound<T>>,
  close: (socket: T) => Promise<void>,
): Promise<BoundAll<T>> {
  const sockets: T[] = []
  const bound: ListenAddress[] = []
  const skipped: string[] = []
  for (const address of listen) {
    try {
      const { socket, port } = await bind(address)
      sockets.push(socket)
      bound.push({ host: address.host, port })
    } catch (error) {
      if (!isMissingFamily(address, error as NodeJS.ErrnoException)) {
        await Promise.all(sockets.map(close))
        throw error
      }
      skipped.push(`${formatListenAddress(address)}: ${(error as Error).message}`)
    }
  }
  return { sockets, bound, skipped }
}

function isMissingFamily({ host }: ListenAddress, { code }: NodeJS.ErrnoException): boolean {
  const wildcard = host === '::' || host === '0.0.0.0'
  return wildcard && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')
}
