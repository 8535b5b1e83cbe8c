import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Below the ports that Linux gives to whoever asks for any (32768 and up). */
const [first, count] = [20_000, 12_000]
const attempts = 100
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
    const port = first + Math.floor(Math.random() * count)
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
