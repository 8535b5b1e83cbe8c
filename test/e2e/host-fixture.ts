/** Members that are host names: the daemon behind its real edges, its resolver in the hands of the test. */
import { type DaemonOptions, type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import type { Upstream } from '../support/upstream.ts'
import { soa } from './fixture.ts'

export const lb = 'lb.provider.example'
export const zone = { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.test.'] }] }

export async function startResolving(
  upstream: Upstream,
  databaseUrl: string,
  options: DaemonOptions = {},
): Promise<DaemonProcess> {
  const env = { ...options.env, DATABASE_URL: databaseUrl, POOLDNS_RESOLVERS: upstream.address }
  return startDaemonProcess({ ...options, env })
}

export interface MemberStatus {
  readonly state: string
  readonly reason: string
  readonly resolution?: {
    readonly state: string
    readonly addresses: string[]
    readonly error: string | null
  }
}

/** The status of a member of the pool `web`. */
export async function memberStatus(daemon: DaemonProcess, member = 'lb'): Promise<MemberStatus> {
  const response = await daemon.request(`/v1/pools/web/members/${member}`)
  return ((await response.json()) as { status: MemberStatus }).status
}
