/**
 * The sockets of DNS in a process that doesn't answer by them. They outlive those who do: what clients have sent waits in them until
 * the next one reads it, so that a process can die, or give way to another one, and no query is lost.
 *
 * TCP binds first: unlike the UDP sockets its port is not shared, so a port that somebody else holds is found at once, and a
 * port of 0 becomes a number that UDP then takes too.
 */
import { listensOn, mergeWildcards, openTcp, openUdp } from './bound-sockets.ts'
import { type BoundSocket, formatListenAddress, isMissingFamily, type ListenAddress } from './listener.ts'
import type { SyscallError, Syscalls } from './syscalls.ts'

/** As plain data, for those who answer. */
export interface SocketsByTransport {
  readonly tcp: readonly BoundSocket[]
  /** By worker. */
  readonly udp: readonly (readonly BoundSocket[])[]
}

export interface HeldSockets extends Disposable {
  readonly sockets: SocketsByTransport
  readonly bound: readonly ListenAddress[]
  /** Addresses left out because the host has no such family, with the reason. */
  readonly skipped: readonly string[]
}

interface Wishes {
  readonly listen: readonly ListenAddress[]
  readonly udpWorkers: number
  /** Whether one UDP socket may be bound to both wildcard addresses of a port. */
  readonly merged: boolean
}

/** Another process may hold the UDP port that the system gave us for TCP; then we ask for another one. */
export const portAttempts = 16

/** @throws SyscallError when an address can't be bound; nothing is left open then */
export function holdSockets(syscalls: Syscalls, wishes: Wishes, attemptsLeft = portAttempts): HeldSockets {
  try {
    return holdOnce(syscalls, wishes)
  } catch (error) {
    const anyPort = wishes.listen.some(({ port }) => port === 0)
    const taken = (error as SyscallError).code === 'EADDRINUSE'
    if (!anyPort || !taken || attemptsLeft === 1) throw error
    return holdSockets(syscalls, wishes, attemptsLeft - 1)
  }
}

function holdOnce(syscalls: Syscalls, { listen, udpWorkers, merged }: Wishes): HeldSockets {
  const fds: number[] = []
  const skipped: string[] = []
  const keep = (socket: BoundSocket) => {
    fds.push(socket.fd)
    return socket
  }
  const close = () => {
    for (const fd of fds.splice(0)) syscalls.close(fd)
  }
  try {
    const tcp = listen.flatMap((address) => {
      try {
        return keep(openTcp(syscalls, address))
      } catch (error) {
        if (!isMissingFamily(address, error as SyscallError)) throw error
        skipped.push(`${formatListenAddress(address)}: ${(error as SyscallError).message}`)
        return []
      }
    })
    const bound = tcp.flatMap(listensOn)
    const wanted = merged ? mergeWildcards(bound) : bound.map((address) => ({ ...address, dual: false }))
    const udp = Array.from({ length: udpWorkers }, () => wanted.map((each) => keep(openUdp(syscalls, each))))
    return { sockets: { tcp, udp }, bound, skipped, [Symbol.dispose]: close }
  } catch (error) {
    close()
    throw error
  }
}
