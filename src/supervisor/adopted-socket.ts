/** What a socket is that somebody else has opened: asked of the kernel, for nothing else says so. */
import type { BoundSocket } from '../dataplane/listener/listener.ts'
import { linux, SyscallError, type Syscalls } from '../dataplane/listener/syscalls.ts'
import type { Transport } from '../dataplane/listener/transports.ts'
import { formatIpv4, formatIpv6 } from '../dataplane/wire/address.ts'

export interface AdoptedSocket extends BoundSocket {
  readonly transport: Transport
}

/** Room for a sockaddr or the value of an option; large enough to lie outside the heap, where nothing moves it. */
const scratchOctets = 256
/** Where the length of either is kept, behind it. */
const lengthAt = 192

/** @throws Error, a SyscallError among them, that says why DNS can't be answered by it */
export function adoptSocket(syscalls: Syscalls, fd: number): AdoptedSocket {
  const memory = new Uint8Array(scratchOctets)
  const view = new DataView(memory.buffer)
  const at = syscalls.address(memory)
  const check = (call: string, result: number) => {
    if (result < 0) throw new SyscallError(call, syscalls.errno())
  }
  const option = (level: number, name: number) => {
    view.setUint32(lengthAt, 4, true)
    check('getsockopt', syscalls.getsockopt(fd, level, name, at, at + lengthAt))
    return view.getInt32(0, true)
  }
  const transport = transportOf(
    option(linux.solSocket, linux.soType),
    option(linux.solSocket, linux.soProtocol),
  )
  if (transport === 'tcp' && option(linux.solSocket, linux.soAcceptconn) === 0)
    throw new Error('it is one of TCP, and does not listen')
  view.setUint32(lengthAt, lengthAt, true)
  check('getsockname', syscalls.getsockname(fd, at, at + lengthAt))
  const ipv6 = view.getUint16(0, true) === linux.afInet6
  const host = ipv6 ? formatIpv6(memory.slice(8, 24)) : formatIpv4(memory.slice(4, 8))
  const port = view.getUint16(2)
  if (port === 0) throw new Error('it is bound to no port')
  const dual = host === '::' && option(linux.solIpv6, linux.ipv6V6only) === 0
  return { fd, host, port, dual, transport }
}

function transportOf(type: number, protocol: number): Transport {
  if (type === linux.sockStream && protocol === linux.protocolTcp) return 'tcp'
  if (type === linux.sockDgram && protocol === linux.protocolUdp) return 'udp'
  throw new Error('it is neither one of UDP nor one of TCP')
}
