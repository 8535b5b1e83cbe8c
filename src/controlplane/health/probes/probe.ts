/**
 * One probe: one attempt to get the expected answer from one member, within `timeoutMs`, never more than one.
 * Retrying is the business of the rise/fall machine.
 */
import { ADDRCONFIG } from 'node:dns'
import { lookup } from 'node:dns/promises'
import type { PeerCertificate } from '../../model/certificate.ts'
import type { Family } from '../../model/family.ts'
import type { AddressPolicy, AddressText } from '../../model/pool.ts'
import { type Fault, fault, ownFault, type ProbeResult, type ProbeVerdict } from '../verdict.ts'
import { anywhere } from './address-policy.ts'
import { ClientCertificates } from './client-certificates.ts'
import { probeDns } from './dns-probe.ts'
import { probeGrpc } from './grpc-probe.ts'
import { probeHttp } from './http-probe.ts'
import { PatternMatcher } from './pattern-matcher.ts'
import type { ProbeContext, ProbeTarget, ResolveHost } from './probe-target.ts'
import { probeTcp } from './tcp-probe.ts'
import { TlsClient } from './tls-client.ts'

/** One for all probers. Its threads begin with the first pattern, and keep nobody from ending. */
const patterns = new PatternMatcher()

/** How members are probed; tests of the scheduling bring their own. */
export type Probe = (target: ProbeTarget, signal: AbortSignal) => Promise<ProbeVerdict>

export interface ProberOptions {
  readonly policy: AddressPolicy
  /** Directory of client certificates, pairs of `NAME.crt` and `NAME.key`; null when there is none. */
  readonly certificates: string | null
  /** Resolves hosts that redirects name; the system's resolver (getaddrinfo) when left out. */
  readonly resolve?: ResolveHost
  /** Whether this host has no address of a family that leads anywhere; left out: nobody asks, and no way to a member is its failure. */
  readonly lacks?: (family: Family) => boolean
}

/**
 * Makes a probe. It never rejects, and gives its verdict at the latest `monitor.timeoutMs` (and one turn of the event loop)
 * after the call. Its signal calls the probe off: the connection is closed at once and the verdict is the failure
 * `aborted`.
 */
export function createProber({
  policy,
  certificates,
  resolve = systemResolve,
  lacks = () => false,
}: ProberOptions): Probe {
  const tls = new TlsClient(certificates === null ? null : new ClientCertificates(certificates))
  const context = { policy, tls, resolve, lacks, patterns }
  return (target, signal) => attempt(target, context, signal)
}

/** Refuses no address and knows no client certificates. */
export const probe: Probe = createProber({ policy: anywhere, certificates: null })

async function attempt(
  target: ProbeTarget,
  shared: Omit<ProbeContext, 'stop'>,
  signal: AbortSignal,
): Promise<ProbeVerdict> {
  const startMs = performance.now()
  const { timeoutMs } = target.monitor
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(fault('aborted', 'probe aborted'))
  const timer = setTimeout(() => {
    // One more turn: after a stall of this process its sockets are read only after its timers ran, and an answer
    // that came in time must not count as late because we were.
    setImmediate(() => stop.abort(fault('timeout', `timeout after ${timeoutMs} ms`)))
  }, timeoutMs)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  let certificate: PeerCertificate | null = null
  const onCertificate = (shown: PeerCertificate): void => {
    if (certificate === null || shown.notAfterMs < certificate.notAfterMs) certificate = shown
  }
  let result: ProbeResult
  try {
    result = stop.signal.aborted
      ? (stop.signal.reason as Fault)
      : await dispatch(target, { ...shared, stop: stop.signal, onCertificate })
  } catch (error) {
    // A request that can't even be written comes here, such as a Host header that is no host, or a socket that can't be made.
    result = ownFault(error) ?? fault('protocol', error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  const durationMs = performance.now() - startMs
  const shown = certificate === null ? {} : { certificate }
  if ('failure' in result) return { ok: false, ...result, durationMs, ...shown }
  const { weight } = result
  return { ok: true, durationMs, ...(weight === null ? {} : { weight }), ...shown }
}

async function dispatch(target: ProbeTarget, context: ProbeContext): Promise<ProbeResult> {
  const refusal = context.policy(target.address)
  if (refusal !== null) return fault('refused', refusal)
  const { monitor } = target
  switch (monitor.type) {
    case 'http':
    case 'https':
      return probeHttp(target, monitor, context)
    case 'tcp':
      return probeTcp(target, monitor, context)
    case 'dns':
      return probeDns(target, monitor, context)
    case 'grpc':
      return probeGrpc(target, monitor, context)
  }
}

/** ADDRCONFIG: no IPv6 address where there is no IPv6. */
async function systemResolve(host: string): Promise<readonly AddressText[]> {
  return (await lookup(host, { all: true, hints: ADDRCONFIG })).map(({ address }) => address)
}
