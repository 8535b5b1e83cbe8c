/**
 * Whether the addresses to listen on can be had, asked before anything else is done: otherwise a start would make a database first, and
 * tell of a port that somebody has only then. What is free here may be taken a moment later; who listens in earnest says so, too.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config } from '../config.ts'
import { formatListenAddress, isMissingFamily, type ListenAddress } from '../dataplane/listener/listener.ts'

const firstFreePort = 1024

/** @throws Error that names variable, address and what to do about it */
export async function checkPorts(
  { dnsListen, httpListen }: Pick<Config, 'dnsListen' | 'httpListen'>,
  activated: boolean,
): Promise<void> {
  await check('POOLDNS_HTTP_LISTEN', httpListen, [listen])
  if (activated) return
  for (const address of dnsListen) await check('POOLDNS_DNS_LISTEN', address, [listen, bind])
}

const flags = { POOLDNS_DNS_LISTEN: '--dns-listen', POOLDNS_HTTP_LISTEN: '--http-listen' } as const

type Try = (address: ListenAddress) => Promise<void>

async function check(
  variable: keyof typeof flags,
  address: ListenAddress,
  tries: readonly Try[],
): Promise<void> {
  if (address.port === 0) return
  for (const attempt of tries) {
    try {
      await attempt(address)
    } catch (error) {
      const failure = error as NodeJS.ErrnoException
      const { code = '' } = failure
      // Left out later, and told, where the address is a wildcard.
      if (isMissingFamily(address, failure)) continue
      throw new Error(
        `${variable}: ${formatListenAddress(address)}: ${code}: ${explain(variable, code, address)}`,
        {
          cause: error,
        },
      )
    }
  }
}

function explain(variable: keyof typeof flags, code: string, { host, port }: ListenAddress): string {
  if (code === 'EADDRINUSE')
    return `another program has the address already: end it, or listen elsewhere by ${flags[variable]} or ${variable}, such as ${formatListenAddress({ host, port: portBeside(port) })}`
  if (code === 'EADDRNOTAVAIL') return 'this host has no such address'
  if (code === 'EACCES' && port < firstFreePort)
    return (
      `ports below ${firstFreePort} are for root and for those with CAP_NET_BIND_SERVICE: give it to the service ` +
      '(AmbientCapabilities=CAP_NET_BIND_SERVICE), have systemd open the socket, or take another port'
    )
  return 'it can not be listened on'
}

/** One that is likely to be free, and for everybody. */
function portBeside(port: number): number {
  if (port < firstFreePort) return 9999
  return port === 65_535 ? port - 1 : port + 1
}

async function listen({ host, port }: ListenAddress): Promise<void> {
  const server = createServer()
  server.listen({ host, port, ipv6Only: host.includes(':') })
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
}

async function bind({ host, port }: ListenAddress): Promise<void> {
  const ipv6 = host.includes(':')
  const socket = createSocket({ type: ipv6 ? 'udp6' : 'udp4', ipv6Only: ipv6 })
  try {
    socket.bind({ address: host, port })
    await once(socket, 'listening')
  } finally {
    socket.close()
  }
}
