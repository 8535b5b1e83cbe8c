/** UDP listeners of either backend in this thread, for tests. */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import koffi from 'koffi'
import type { Test } from 'tap'
import { BatchSockets } from '../../../src/dataplane/listener/batch-sockets.ts'
import type { ListenAddress, Listener } from '../../../src/dataplane/listener/listener.ts'
import { loadSyscalls, type Syscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { UdpBatch } from '../../../src/dataplane/listener/udp-batch.ts'
import { startUdp } from '../../../src/dataplane/listener/udp-dgram.ts'
import { UdpClient } from '../../support/dns-client.ts'
import { type Answering, answering } from './listening.ts'

const syscalls = loadSyscalls()

/** The calls with some of them replaced. */
export function syscallsWith(changes: Partial<Syscalls>): Syscalls {
  return { ...syscalls, ...changes }
}

/** The calls, some of them replaced, and the descriptors of sockets that they leave open. */
export function countingSockets(calls: Partial<Syscalls>) {
  const open = new Set<number>()
  const counted = syscallsWith({
    ...calls,
    socket: (...args) => {
      const fd = (calls.socket ?? syscalls.socket)(...args)
      if (fd >= 0) open.add(fd)
      return fd
    },
    close: (fd) => {
      open.delete(fd)
      return syscalls.close(fd)
    },
  })
  return { counted, open }
}

/** Opens the batched listener, which answers when it is given a turn. */
export function openBatch(
  listen: readonly ListenAddress[],
  { responder, counters }: Answering,
  calls: Syscalls = syscalls,
): { batch: UdpBatch; sockets: BatchSockets } {
  const sockets = new BatchSockets(calls, listen)
  return { batch: new UdpBatch(calls, sockets.end, responder, counters), sockets }
}

/** Runs the batched listener between the events of this thread. */
async function startBatch(listen: readonly ListenAddress[], parts: Answering): Promise<Listener> {
  const { batch, sockets } = openBatch(listen, parts)
  let running = true
  const run = () => {
    if (!running) return
    batch.turn(0)
    setImmediate(run)
  }
  run()
  const stop = async () => {
    if (running) batch.drain()
    running = false
    sockets.close()
  }
  return { bound: sockets.bound, skipped: [], stop }
}

/** Replaces a call by `errno` where `fails` says so. */
export function failing<A extends unknown[]>(
  call: (...args: A) => number,
  fails: (...args: A) => number,
): { call: (...args: A) => number; errno: () => number } {
  let errno = 0
  return {
    call: (...args) => {
      errno = fails(...args)
      return errno === 0 ? call(...args) : -1
    },
    errno: () => (errno === 0 ? syscalls.errno() : errno),
  }
}

export type StartListener = (listen: readonly ListenAddress[], parts: Answering) => Promise<Listener>

export const backends: Readonly<Record<'batch' | 'dgram', StartListener>> = {
  batch: startBatch,
  dgram: startUdp,
}

/** Starts a listener on one address, and a client of it. */
export async function listenAndAsk(t: Test, start: StartListener, host = '127.0.0.1') {
  const parts = answering(false)
  const listener = await start([{ host, port: 0 }], parts)
  const endpoint = listener.bound[0]!
  const client = await UdpClient.open(endpoint)
  t.teardown(async () => {
    await client[Symbol.asyncDispose]()
    await listener.stop()
  })
  return { ...parts, listener, endpoint, client }
}

/** Puts something into the place of the UDP socket on a port that is no socket, under the feet of the thread that has it. */
export function breakUdpSocket(port: number): void {
  const table = readFileSync('/proc/self/net/udp', 'utf8')
  const local = new RegExp(`^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')} .*`, 'm')
  const inode = local.exec(table)![0].trim().split(/ +/)[9]
  const fd = readdirSync('/proc/self/fd').find((name) => linkOf(name) === `socket:[${inode}]`)
  const file = openSync('/dev/null', 'r')
  koffi.load(null).func('int dup2(int, int)')(file, Number(fd))
  closeSync(file)
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    // Gone since it was listed.
    return ''
  }
}
