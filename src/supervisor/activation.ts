/**
 * Sockets of DNS that whoever starts us has opened: socket activation, as systemd does it (sd_listen_fds(3)). `LISTEN_FDS` descriptors
 * come from number 3 on, for the process that `LISTEN_PID` names; `LISTEN_FDNAMES` has their names, for messages alone.
 *
 * They say where DNS is answered, whatever else is configured. Each address must be there for UDP and for TCP. A worker reads all sockets of
 * an address when there are fewer workers, and workers share one when there are more.
 */
import { listensOn, prepareUdp } from '../dataplane/listener/bound-sockets.ts'
import type { HeldSockets } from '../dataplane/listener/held-sockets.ts'
import { type BoundSocket, formatListenAddress, type ListenAddress } from '../dataplane/listener/listener.ts'
import type { Syscalls } from '../dataplane/listener/syscalls.ts'
import type { Transport } from '../dataplane/listener/transports.ts'
import { type AdoptedSocket, adoptSocket } from './adopted-socket.ts'

/** What was handed over can't be used. */
export class ActivationError extends Error {
  override readonly name = 'ActivationError'
}

export interface Activation {
  readonly fds: readonly number[]
  /** By descriptor, for messages. */
  readonly names: readonly string[]
}

type Environment = Record<string, string | undefined>

const firstDescriptor = 3
const mostDescriptors = 1024

/**
 * What this process was handed; null for nothing. The variables are taken away, since none of this is for its children.
 *
 * @throws ActivationError
 */
export function takeActivation(environment: Environment, pid: number): Activation | null {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'])
    delete environment[name]
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return null
  const count = Number(LISTEN_FDS)
  if (!/^\d{1,4}$/.test(LISTEN_FDS) || count > mostDescriptors)
    throw new ActivationError(
      `LISTEN_FDS: ${JSON.stringify(LISTEN_FDS)} is no number from 0 to ${mostDescriptors}`,
    )
  if (count === 0) return null
  const given = LISTEN_FDNAMES === undefined ? [] : LISTEN_FDNAMES.split(':')
  if (LISTEN_FDNAMES !== undefined && given.length !== count)
    throw new ActivationError(`LISTEN_FDNAMES has ${given.length} names for ${count} sockets`)
  const fds = Array.from({ length: count }, (_, index) => firstDescriptor + index)
  return { fds, names: fds.map((fd, index) => `socket ${fd}${given[index] ? ` (${given[index]})` : ''}`) }
}

interface Wishes {
  readonly udpWorkers: number
  /** Where DNS is to be answered, if anybody has said so. */
  readonly listen: readonly ListenAddress[] | null
}

/** @throws ActivationError */
export function holdActivated(
  syscalls: Syscalls,
  { fds, names }: Activation,
  { udpWorkers, listen }: Wishes,
): HeldSockets {
  const sockets: AdoptedSocket[] = fds.map((fd, index) => {
    try {
      const socket = adoptSocket(syscalls, fd)
      if (socket.transport === 'udp') prepareUdp(syscalls, socket)
      return socket
    } catch (error) {
      throw new ActivationError(`${names[index]} can't be used: ${(error as Error).message}`)
    }
  })
  const of = (transport: Transport) => sockets.filter((socket) => socket.transport === transport)
  const [tcp, udp] = [of('tcp'), of('udp')]
  const bound = unique(tcp.flatMap(listensOn))
  const boundUdp = unique(udp.flatMap(listensOn))
  demandSame(bound, 'TCP', boundUdp, 'UDP')
  demandSame(boundUdp, 'UDP', bound, 'TCP')
  if (listen !== null) {
    const handed = 'among the sockets that were handed over'
    const asked = 'in POOLDNS_DNS_LISTEN'
    const lacking = missing(listen, bound)
    if (lacking !== null) throw new ActivationError(`${lacking}, of POOLDNS_DNS_LISTEN, is not ${handed}`)
    const surplus = missing(bound, listen)
    if (surplus !== null) throw new ActivationError(`${surplus} is ${handed}, but not ${asked}`)
  }
  return {
    sockets: { tcp, udp: shareOut(udp, udpWorkers) },
    bound,
    skipped: [],
    [Symbol.dispose]: () => {
      for (const fd of fds) syscalls.close(fd)
    },
  }
}

function unique(addresses: readonly ListenAddress[]): ListenAddress[] {
  return [...new Map(addresses.map((address) => [formatListenAddress(address), address])).values()]
}

/** The first that the others lack, as text. */
function missing(wanted: readonly ListenAddress[], among: readonly ListenAddress[]): string | null {
  const has = new Set(among.map(formatListenAddress))
  return wanted.map(formatListenAddress).find((address) => !has.has(address)) ?? null
}

function demandSame(
  wanted: readonly ListenAddress[],
  name: string,
  others: readonly ListenAddress[],
  other: string,
): void {
  const lacking = missing(wanted, others)
  if (lacking !== null)
    throw new ActivationError(
      `a socket was handed over for ${name} at ${lacking}, and none for ${other} there`,
    )
}

/** Sockets by worker: each is read by one of them at least, and each of them reads one of every address. */
function shareOut(sockets: readonly BoundSocket[], workers: number): BoundSocket[][] {
  const byAddress = Object.values(Object.groupBy(sockets, formatListenAddress)) as BoundSocket[][]
  return Array.from({ length: workers }, (_, worker) =>
    byAddress.flatMap((alike) =>
      alike.length < workers
        ? [alike[worker % alike.length]!]
        : alike.filter((_, index) => index % workers === worker),
    ),
  )
}
