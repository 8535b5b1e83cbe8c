/**
 * The system calls of the batched UDP listener, and of memory that processes share, by way of koffi: libc's functions, called in the calling thread, blocking ones
 * included. koffi is an optional dependency with a binary for each platform; where it is missing, or the layouts below are not
 * those of the platform, there is no batched listener.
 *
 * Pointers are plain numbers: an address fits the 53 bits of one, and koffi need not look at what it points to. Whoever
 * passes an address keeps the memory (`batch-buffers.ts`).
 */
import { createRequire } from 'node:module'
import { getSystemErrorMap } from 'node:util'

/** Each returns -1 for an error, and `errno` then says which. */
export interface Syscalls {
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: number, length: number): number
  listen(fd: number, backlog: number): number
  /** Two ends at `descriptors`, two int32. */
  socketpair(domain: number, type: number, protocol: number, descriptors: number): number
  fcntl(fd: number, command: number, argument: number): number
  /** Has descriptor `onto` be another one of `fd`, whatever it was. */
  dup3(fd: number, onto: number, flags: number): number
  getsockname(fd: number, address: number, length: number): number
  /** `length` is the address of what `value` has room for, and then of what it holds. */
  getsockopt(fd: number, level: number, option: number, value: number, length: number): number
  setsockopt(fd: number, level: number, option: number, value: number, length: number): number
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number
  sendmmsg(fd: number, messages: number, count: number, flags: number): number
  /** At `message`, a struct msghdr. */
  recvmsg(fd: number, message: number, flags: number): number
  sendmsg(fd: number, message: number, flags: number): number
  sendto(fd: number, octets: number, count: number, flags: number, address: number, length: number): number
  poll(fds: number, count: number, timeoutMs: number): number
  eventfd(initial: number, flags: number): number
  read(fd: number, buffer: number, length: number): number
  close(fd: number): number
  /** A file without a name, in memory. */
  memfdCreate(name: string, flags: number): number
  fallocate(fd: number, mode: number, at: number, octets: number): number
  lseek(fd: number, at: number, whence: number): number
  /** Not below 0 but `linux.mapFailed` for an error. */
  mmap(
    address: number,
    octets: number,
    protection: number,
    flags: number,
    fd: number,
    at: number,
  ): number | bigint
  usleep(microseconds: number): number
  prctl(option: number, argument: number): number
  /** Of the calling thread. */
  capset(header: number, data: number): number
  /** Changes how the calling thread is scheduled. */
  schedSetattr(attributes: number): number
  errno(): number
  /** Where the memory of a view is; it must be kept for as long as the address is used. */
  address(view: Uint8Array): number
}

/** A system call failed. `code` is the error's name, such as EADDRINUSE. */
export class SyscallError extends Error {
  readonly code: string

  constructor(call: string, errno: number, detail = '') {
    const [code = `error ${errno}`, text = 'unknown'] = getSystemErrorMap().get(-errno) ?? []
    super(`${call} ${code}: ${text}${detail === '' ? '' : ` ${detail}`}`)
    this.name = 'SyscallError'
    this.code = code
  }
}

/** Numbers of Linux on the platforms below, which share them (asm-generic); structures are those of 64 bits, little-endian. */
export const linux = {
  afUnix: 1,
  afInet: 2,
  afInet6: 10,
  sockStream: 1,
  sockDgram: 2,
  sockSeqpacket: 5,
  sockNonblock: 0x800,
  sockCloexec: 0x80000,
  dupfdCloexec: 1030,
  eventNonblock: 0x800,
  eventCloexec: 0x80000,
  solIp: 0,
  ipPktinfo: 8,
  ipMtuDiscover: 10,
  solSocket: 1,
  soReuseaddr: 2,
  soType: 3,
  soSndbuf: 7,
  soRcvbuf: 8,
  soReuseport: 15,
  soRcvtimeo: 20,
  soAcceptconn: 30,
  soProtocol: 38,
  soRxqOvfl: 40,
  soMeminfo: 55,
  solIpv6: 41,
  ipv6MtuDiscover: 23,
  ipv6V6only: 26,
  ipv6RecvPktinfo: 49,
  ipv6Pktinfo: 50,
  /** Never set "don't fragment", and believe no ICMP message about the size of packets. */
  pmtudiscOmit: 5,
  msgDontwait: 0x40,
  msgWaitforone: 0x10000,
  mfdCloexec: 1,
  mfdAllowSealing: 2,
  mfdNoexecSeal: 8,
  addSeals: 1033,
  /** Of the seals themselves, shrinking and growing. */
  sealsOfSize: 7,
  protRead: 1,
  mapShared: 1,
  mapFailed: 0xffff_ffff_ffff_ffffn,
  /** Leaves the size as it is (FALLOC_FL_KEEP_SIZE). */
  punchHole: 3,
  seekData: 3,
  seekHole: 4,
  msgNosignal: 0x4000,
  msgCmsgCloexec: 0x4000_0000,
  scmRights: 1,
  protocolTcp: 6,
  protocolUdp: 17,
  pollIn: 1,
  pollOut: 4,
  prSetNoNewPrivs: 38,
  capabilityVersion: 0x2008_0522,
} as const

export const errnos = {
  intr: 4,
  nxio: 6,
  again: 11,
  nomem: 12,
  netdown: 100,
  netunreach: 101,
  nobufs: 105,
  connrefused: 111,
  hostunreach: 113,
} as const

/** The number of sched_setattr(2) by platform, which older C libraries have no function for. */
const schedSetattrNumbers: Readonly<Record<string, number>> = {
  'linux x64': 314,
  'linux arm64': 274,
  'linux riscv64': 274,
  'linux loong64': 274,
}
const platforms = Object.keys(schedSetattrNumbers)

type Koffi = typeof import('koffi')

/**
 * @param platform operating system and architecture, as `process` names them
 * @param require loads koffi
 * @throws Error that says why there are none
 */
export function loadSyscalls(
  platform = `${process.platform} ${process.arch}`,
  require: (name: string) => unknown = createRequire(import.meta.url),
): Syscalls {
  if (!platforms.includes(platform)) throw new Error(`there is none for ${platform}`)
  let koffi: Koffi
  try {
    koffi = require('koffi') as Koffi
  } catch (error) {
    const [reason] = (error as Error).message.split('\n')
    throw new Error(`koffi can't be loaded: ${reason}`, { cause: error })
  }
  // What the process has loaded already, which is libc whatever its file is called.
  const libc = koffi.load(null)
  const syscall = libc.func('long syscall(long, int, uintptr_t, uint32_t)')
  const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)')
  return {
    socket: libc.func('int socket(int, int, int)'),
    bind: libc.func('int bind(int, uintptr_t, uint32_t)'),
    listen: libc.func('int listen(int, int)'),
    socketpair: libc.func('int socketpair(int, int, int, uintptr_t)'),
    // Variable arguments are passed as others on these platforms.
    fcntl: libc.func('int fcntl(int, int, long)'),
    dup3: libc.func('int dup3(int, int, int)'),
    getsockname: libc.func('int getsockname(int, uintptr_t, uintptr_t)'),
    getsockopt: libc.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    setsockopt: libc.func('int setsockopt(int, int, int, uintptr_t, uint32_t)'),
    recvmmsg: libc.func('int recvmmsg(int, uintptr_t, uint32_t, int, uintptr_t)'),
    // musl has the same but sends one by one.
    sendmmsg: libc.func('int sendmmsg(int, uintptr_t, uint32_t, int)'),
    recvmsg: libc.func('long recvmsg(int, uintptr_t, int)'),
    sendmsg: libc.func('long sendmsg(int, uintptr_t, int)'),
    sendto: libc.func('long sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)'),
    poll: libc.func('int poll(uintptr_t, ulong, int)'),
    eventfd: libc.func('int eventfd(uint32_t, int)'),
    read: libc.func('long read(int, uintptr_t, size_t)'),
    close: libc.func('int close(int)'),
    memfdCreate: libc.func('int memfd_create(const char *, uint32_t)'),
    fallocate: libc.func('int fallocate(int, int, int64_t, int64_t)'),
    lseek: libc.func('int64_t lseek(int, int64_t, int)'),
    mmap: libc.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)'),
    usleep: libc.func('int usleep(uint32_t)'),
    // Variable arguments, all of which the kernel looks at for some options.
    prctl: (option, argument) => prctl(option, argument, 0, 0, 0),
    capset: libc.func('int capset(uintptr_t, uintptr_t)'),
    schedSetattr: (attributes) => syscall(schedSetattrNumbers[platform]!, 0, attributes, 0),
    errno: () => koffi.errno(),
    address: (view) => Number(koffi.address(view)),
  }
}

/** The shortest turn that the kernel grants. */
const sliceNanoseconds = 100_000n
/** struct sched_attr as it was first: size, policy, flags, nice, priority, runtime, deadline, period. */
const attributeOctets = 48
const attributeAt = { size: 0, runtime: 24 } as const

/**
 * Asks the kernel to run the calling thread in short turns. A thread that answers has little to do at a time, but must not
 * wait for a turn of the control plane to end, which by default is some milliseconds. Linux 6.12 and later give a thread
 * that asks for short turns an early one when it wakes (sched_setattr(2): `sched_runtime` of SCHED_OTHER is the length
 * of its slice); its share of the processor stays what it was. Earlier kernels take no notice, and a sandbox may forbid the
 * call: then things are as they were.
 *
 * @returns whether the kernel took it
 */
export function askForShortTurns(syscalls: Syscalls): boolean {
  const attributes = new DataView(new ArrayBuffer(attributeOctets))
  attributes.setUint32(attributeAt.size, attributeOctets, true)
  attributes.setBigUint64(attributeAt.runtime, sliceNanoseconds, true)
  return syscalls.schedSetattr(syscalls.address(new Uint8Array(attributes.buffer))) === 0
}
