/**
 * Faults of this host, told from those of whoever it talks to: no descriptor or memory left, no local port or address to go from, a
 * local firewall that says no. They say nothing of a member, a canary, a resolver or a receiver of webhooks, and everybody who
 * judges one of those asks here first.
 *
 * What the network says (ENETUNREACH, EHOSTUNREACH) stays out of it: a router on the way says so too.
 */
import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'

/** They are labels of metrics, so the list is closed. */
export const ownFaultCodes = [
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EADDRINUSE',
  'EACCES',
  'EPERM',
  'EAGAIN',
  'EAFNOSUPPORT',
  'ENETDOWN',
] as const
export type OwnFaultCode = (typeof ownFaultCodes)[number]

const codes: ReadonlySet<unknown> = new Set(ownFaultCodes)

/** Of a thread that could not be started nothing but the message says why. */
const unstarted = /\bWorker initialization failure: (E[A-Z]+)$/

/**
 * @param error what a socket or a file threw; of several that were tried in turn, every one must have failed by us
 * @returns its code when the fault is this host's, else null
 */
export function ownFaultCode(error: unknown): OwnFaultCode | null {
  if (typeof error !== 'object' || error === null) return null
  if (error instanceof AggregateError && error.errors.length > 0) {
    const each = error.errors.map(ownFaultCode)
    return each.includes(null) ? null : each[0]!
  }
  const message: unknown = Reflect.get(error, 'message')
  const code: unknown = unstarted.exec(String(message))?.[1] ?? Reflect.get(error, 'code')
  return codes.has(code) ? (code as OwnFaultCode) : null
}

/**
 * Whether this process can open nothing more: for those that hide the reason, as resolvers do. They say that nobody could be
 * connected to, whether a server refused or there was no socket to ask it by.
 */
export function lackOfDescriptors(): OwnFaultCode | null {
  try {
    closeSync(openSync(devNull, 'r'))
    return null
  } catch (error) {
    return ownFaultCode(error)
  }
}

/** How a fault of this host is told: in reasons, and in the log. */
export function formatOwnFault(what: string): string {
  return `this node's own fault: ${what}`
}
