/** An event as a line: when, what of, what became of it, why. */
import { printable } from '../terminal-text.ts'
import type { Paint } from './frame/terminal.ts'

/** The fields that kinds of events have; each has some of them. */
export interface EventReply {
  readonly id: number
  readonly kind: string
  readonly at: string
  readonly node: string
  readonly pool?: string
  readonly member?: string
  readonly address?: string
  readonly service?: string
  readonly from?: string
  readonly to?: string
  readonly what?: string
  readonly state?: string
  readonly actor?: string
  readonly reason?: string
  readonly until?: string
  readonly pools?: readonly string[]
  readonly name?: string
  readonly notAfter?: string
  readonly change?: number
  readonly step?: number
  readonly steps?: number
  readonly percent?: number
}

const bad = new Set(['down', 'suspect', 'degraded', 'returned', 'halted'])
const good = new Set(['up', 'healthy', 'trusted'])

export function eventLine(event: EventReply, paint: Paint): string {
  const { at, kind, to } = event
  const style = bad.has(event.what ?? '')
    ? 'red'
    : to !== undefined && bad.has(to)
      ? 'red'
      : to !== undefined && good.has(to)
        ? 'green'
        : 'reset'
  const reason = event.reason === undefined || event.reason === '' ? '' : `: ${event.reason}`
  const said = printable(`${subject(event)} ${becoming(event)}`)
  return `${paint('dim', at)}  ${kind.padEnd(11)}  ${paint(style, said)}${printable(reason)}`
}

function subject({ pool, member, address, service, node, name, change }: EventReply): string {
  if (change !== undefined) return `change ${change}`
  if (service !== undefined) return service
  const of = address === undefined ? '' : ` (${address})`
  const certificate = name === undefined ? '' : ` ${name}`
  if (pool !== undefined) return `${member === undefined ? pool : `${pool}/${member}`}${of}${certificate}`
  return `node ${node}`
}

function becoming(event: EventReply): string {
  const { kind, from, to, what, state, actor, until, pools, notAfter } = event
  if (from !== undefined && to !== undefined) {
    const by = pools === undefined || pools.length === 0 ? '' : `, answered from ${pools.join(', ')}`
    return (from === to ? `stays ${to}` : `${from} -> ${to}`) + by
  }
  if (kind === 'override') return `${state} ${what} by ${actor}`
  if (kind === 'certificate') return `${what}, good until ${notAfter}`
  if (kind === 'gradual')
    return `${what}, step ${event.step} of ${event.steps}, ${event.percent} %, by ${actor}`
  if (kind === 'hold') return `held down until ${until}`
  return 'is in no cache any more'
}
