/** The processes that the supervisor starts: how each is started, and what it is given. */
import { type ChildProcess, fork } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { BoundSocket } from '../dataplane/listener/listener.ts'
import { linux, SyscallError, type Syscalls } from '../dataplane/listener/syscalls.ts'
import type { Begin, Order } from '../dataplane/process/data-plane-process.ts'
import { goesFirst } from './out-of-memory.ts'
import type { Beginning, ToControl } from './words.ts'

/** Of this file, and so of those that are started: they run as they are, or compiled. */
const ending = import.meta.url.slice(-3)
const controlEntry = fileURLToPath(new URL(`../daemon/control-plane${ending}`, import.meta.url))
const dataEntry = fileURLToPath(new URL(`../dataplane/process/main${ending}`, import.meta.url))

/** Standard input, output and error, and the channel. */
const firstDescriptor = 4

/**
 * The C library of most systems (glibc) keeps what is freed for whoever comes next, and the more, the larger pieces it has seen: some
 * ten megabytes of each process after a start. With a threshold that is said, large pieces go back to the system at once. Part of the environment of each process.
 */
export const allocator = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' } as const

/**
 * Gets this process's environment and `args`; its log and its last words go where ours do.
 *
 * @param memory that processes share
 * @returns the process, and the memory as it has it
 */
export function startControl(
  args: readonly string[],
  memory: number | null,
): { readonly child: ChildProcess } & Pick<Beginning, 'memory'> {
  const descriptors = memory === null ? [] : [memory]
  const child = fork(controlEntry, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...descriptors] })
  if (child.pid !== undefined) goesFirst(child.pid)
  return { child, memory: memory === null ? null : firstDescriptor }
}

/** What there is around a data plane. */
export interface DataPlaneSurroundings {
  /** Where Node keeps what it has compiled, if anywhere. */
  readonly compileCache: string | undefined
  /** Somebody has Node load modules of their own before ours (`--import`), which may need any right. */
  readonly loadsOthers: boolean
}

/** What a data plane is given, as it has it. */
type Given = Pick<Begin, 'sockets' | 'handover' | 'memory'>

export function startData(
  { sockets: { tcp, udp }, handover, memory }: Given,
  around: DataPlaneSurroundings,
): { readonly child: ChildProcess; readonly given: Given } {
  const descriptors: number[] = []
  const giveFd = (fd: number) => firstDescriptor - 1 + descriptors.push(fd)
  const give = (socket: BoundSocket) => ({ ...socket, fd: giveFd(socket.fd) })
  const sockets = { tcp: tcp.map(give), udp: udp.map((each) => each.map(give)) }
  const given = {
    sockets,
    handover: { give: giveFd(handover.give), take: giveFd(handover.take) },
    memory: memory === null ? null : giveFd(memory),
  }
  const child = fork(dataEntry, {
    execArgv: [...process.execArgv, ...rights(around)],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...descriptors],
    // Nothing of what configures us: tokens and passwords are among it.
    env: {
      ...allocator,
      ...(around.compileCache === undefined ? {} : { NODE_COMPILE_CACHE: around.compileCache }),
    },
  })
  return { child, given }
}

/**
 * The data plane reads what strangers send, so it may do nothing but that: write no file but compiled code, start no process, let nobody
 * debug it. Its system calls go through an addon, so this keeps out of its way whoever makes its JavaScript do something, and
 * not whoever gets at its memory.
 */
function rights({ compileCache, loadsOthers }: DataPlaneSurroundings): string[] {
  if (loadsOthers) return []
  const writing = compileCache === undefined ? [] : [`--allow-fs-write=${compileCache}`]
  const reading = ['--allow-fs-read=*', '--allow-addons', '--allow-worker']
  return ['--permission', ...reading, ...writing, '--disable-warning=SecurityWarning']
}

/** How processes are started; tests have others. */
export interface Starters {
  readonly control: typeof startControl
  readonly data: typeof startData
}

export const starters: Starters = { control: startControl, data: startData }

/** What there is to say of the end of a process. */
export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why it could not be started, such as EAGAIN; Node tells of no exit then. */
  readonly err?: Error
}

/** Hears of the end of a process once, also of one that never began. */
export function onceEnded(child: ChildProcess, ended: (end: End) => void): void {
  child.once('exit', (code, signal) => ended({ code, signal }))
  child.on('error', (err) => {
    if (child.pid === undefined) ended({ code: null, signal: null, err })
  })
}

/**
 * Says something to a process, if it is there to hear it. A handle is closed here when it is on its way, or nobody is there to get it:
 * Node itself forgets it, open, when a process is killed before it has taken it, and whoever has the other end never hears that
 * the process is gone.
 */
export function say(child: ChildProcess, what: ToControl | Order, handle?: Socket): void {
  const close = () => {
    child.removeListener('exit', close)
    handle?.destroy()
  }
  if (!child.connected) {
    close()
    return
  }
  if (handle !== undefined) child.once('exit', close)
  child.send(what, handle, { keepOpen: true }, close)
}

/**
 * Two ends of a new connection, for two processes.
 *
 * @throws SyscallError
 */
export function connectedPair(syscalls: Syscalls): readonly [Socket, Socket] {
  // Large enough to lie outside the heap, where nothing moves it.
  const descriptors = new Int32Array(64)
  const address = syscalls.address(new Uint8Array(descriptors.buffer))
  if (syscalls.socketpair(linux.afUnix, linux.sockStream | linux.sockCloexec, 0, address) < 0)
    throw new SyscallError('socketpair', syscalls.errno())
  const [one, other] = descriptors
  // What comes is for the process that gets it.
  const end = (fd: number) => new Socket({ fd, manualStart: true } as ConstructorParameters<typeof Socket>[0])
  return [end(one!), end(other!)]
}
