import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'

/**
 * Below the ports that Linux gives to whoever asks for any (32768 and up). Tests that run at a time, which are numbered from 0 on, have parts of
 * their own: what one of them has found free, no other one takes before a program has it, or while the program is started again.
 */
const parts = 12
const count = 1_000
const first = 20_000 + count * (Number(process.env.TAP_JOB_ID ?? process.pid) % parts)
const attempts = 100
/** Where to look next. It only goes on: what was given away may be taken much later, and must not be given to another one meanwhile. */
let next = Math.floor(Math.random() * count)
/** Stands for both families where the host has both. */
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.family === 'IPv6')
const everywhere = hasIpv6 ? '::' : '0.0.0.0'

/**
 * A port that nobody has, over UDP and TCP, IPv4 and IPv6, for programs that can't be told to pick one. It is none of those that
 * the system gives away by itself: a daemon that asked for any port would share it with a program that sets SO_REUSEPORT.
 */
export async function freePort(): Promise<number> {
  for (let left = attempts; left > 0; left--) {
    const port = first + (next++ % count)
    if ((await isFreeForTcp(port)) && (await isFreeForUdp(port))) return port
  }
  throw new Error(`none of ${attempts} ports was free`)
}

async function isFreeForTcp(port: number): Promise<boolean> {
  const server = createServer().listen({ port, host: everywhere })
  return await isBound(server, () => server.close())
}

async function isFreeForUdp(port: number): Promise<boolean> {
  const socket = createSocket(hasIpv6 ? 'udp6' : 'udp4')
  socket.bind(port, everywhere)
  return await isBound(socket, () => socket.close())
}

async function isBound(listening: NodeJS.EventEmitter, close: () => void): Promise<boolean> {
  try {
    await once(listening, 'listening')
  } catch {
    return false
  }
  const closed = once(listening, 'close')
  close()
  await closed
  return true
}
