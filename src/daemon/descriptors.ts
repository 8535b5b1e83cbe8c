/**
 * The descriptors of this process, shared out in one place among all that opens some, so that whoever talks to one part can't
 * take them from the others: idle HTTP connections must not keep a member from being probed, nor clients over TCP the database
 * from being read.
 *
 * What this node needs for itself comes first: its sockets, its database, its lookups. What clients may open, and the probes at a
 * time, share the rest. Where there is no more room, the connection that has been quiet longest makes it (`connection-table.ts`,
 * `admission/connections.ts`), and probes and lookups wait for their turn.
 *
 * Node raises the soft limit to the hard one when it starts, so the limit that is read here is the highest that the process may
 * have; who runs it sets that (`LimitNOFILE` of systemd, `ulimit -n`, `--ulimit` of containers).
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { defaultStreamLimits } from '../dataplane/listener/stream-limits.ts'

export interface DescriptorShares {
  /** Descriptors of the process; Infinity when nobody says. */
  readonly limit: number
  /** Open connections of DNS over TCP. */
  readonly dnsConnections: number
  /** Open connections of HTTP. */
  readonly httpConnections: number
  /** Probes at a time. */
  readonly probes: number
  /** Lookups of hosts at a time. */
  readonly lookups: number
}

/** What there is at the most, however many descriptors there are. */
const most = {
  dnsConnections: defaultStreamLimits.connections,
  httpConnections: 2048,
  probes: 512,
  lookups: 32,
}
/** What there is at the least, however few. */
const fewest = { dnsConnections: 16, httpConnections: 16, probes: 8, lookups: 4 }
/** Shares of what is left once everything that has a number of its own is taken off. */
const shares = { dnsConnections: 0.5, httpConnections: 0.25, probes: 0.15, lookups: 0.1 }

/** Node's own, listening sockets, the log, files that are read and written in passing, webhooks, canaries. */
const ownFiles = 100
/** Of a worker: its event loop, its sockets, its doorbell. */
const filesOfWorker = 12
/** The embedded database has its tables and indexes open; a server is talked to over a pool. */
const filesOfDatabase = { embedded: 160, server: 16 }
/** A lookup asks for both families, each by a socket of its own, and by TCP where an answer was cut off. */
const filesOfLookup = 4

/** With fewer there is not enough for everybody, and the log says so. */
export const comfortableLimit = 1024

export function shareDescriptors(
  limit: number,
  { workers, embedded }: { readonly workers: number; readonly embedded: boolean },
): DescriptorShares {
  const database = embedded ? filesOfDatabase.embedded : filesOfDatabase.server
  const left = Math.max(0, limit - ownFiles - workers * filesOfWorker - database)
  const share = (what: keyof typeof shares, files = 1): number =>
    Math.max(fewest[what], Math.min(most[what], Math.floor((left * shares[what]) / files)))
  return {
    limit,
    dnsConnections: share('dnsConnections'),
    httpConnections: share('httpConnections'),
    probes: share('probes'),
    lookups: share('lookups', filesOfLookup),
  }
}

/** @param path where Linux tells the limits of a process; elsewhere a shell says what it has got from us */
export function descriptorLimit(path = '/proc/self/limits'): number {
  return limitOfProcess(path) ?? limitOfShell() ?? Number.POSITIVE_INFINITY
}

function limitOfProcess(path: string): number | null {
  try {
    return readLimit(/^Max open files +(\S+)/m.exec(readFileSync(path, 'latin1'))?.[1])
  } catch {
    return null
  }
}

function limitOfShell(): number | null {
  const { stdout } = spawnSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'latin1', timeout: 5_000 })
  return readLimit(stdout?.trim())
}

function readLimit(text: string | undefined): number | null {
  if (text === 'unlimited') return Number.POSITIVE_INFINITY
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null
}
