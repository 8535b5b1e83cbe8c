/** What `pooldns dnssec` shows, and in which forms others take it. */

export interface DnssecKeyReply {
  readonly tag: number
  readonly algorithm: number
  readonly flags: number
  readonly role: string
  readonly state: string
  readonly since: string
  /** RDATA. */
  readonly dnskey: string
  readonly ds: string
  /** Whether the parent is to have that. */
  readonly atParent: boolean
  readonly published: boolean
}

export interface DnssecRolloverReply {
  readonly goal: string
  readonly step: string
  readonly waits: readonly { readonly step: string; readonly seconds: number | null }[]
  readonly reverting: boolean
  readonly stepSince: string
  readonly due: string | null
  readonly endsAt: string
  readonly waitsFor: string
  readonly parent: string | null
}

/** The reply of `/v1/zones/{apex}/dnssec`. */
export interface DnssecReply {
  readonly enabled: boolean
  readonly algorithm?: number
  readonly denial?: string
  /** Left out for true. */
  readonly bootstrap?: boolean
  readonly status: {
    readonly keys: readonly DnssecKeyReply[]
    readonly rollover: DnssecRolloverReply | null
    readonly bootstrap: {
      readonly endedAt: string | null
      readonly signals: readonly {
        readonly server: string
        readonly name: string
        readonly zone: string | null
        readonly reason: string | null
      }[]
    }
    readonly signatures: {
      readonly count: number
      readonly made: number
      readonly expiresAt: string | null
      readonly renewsAt: string | null
      readonly ended: boolean
      readonly trouble: string | null
    } | null
  }
}

export const dsFormats = ['ds', 'dnskey', 'delv', 'unbound'] as const
export type DsFormat = (typeof dsFormats)[number]

/**
 * A line each of the keys that the parent is to have, or that may be trusted by who trusts a key; none when the zone is not signed.
 */
export function dsLines(apex: string, { status }: DnssecReply, format: DsFormat): string[] {
  const name = apex === '.' ? '.' : `${apex}.`
  const isFor = format === 'ds' || format === 'dnskey'
  const keys = status.keys.filter(({ role, published, atParent }) =>
    isFor ? atParent : published && role !== 'zsk',
  )
  switch (format) {
    case 'ds':
      return keys.map(({ ds }) => `${name} 3600 IN DS ${ds}`)
    case 'dnskey':
      return keys.map(({ dnskey }) => `${name} 3600 IN DNSKEY ${dnskey}`)
    case 'unbound':
      return keys.map(({ ds }) => `trust-anchor: "${name} DS ${ds}"`)
    case 'delv': {
      const anchors = keys.map(({ dnskey }) => {
        const [flags, protocol, algorithm, ...key] = dnskey.split(' ')
        return `  "${name}" static-key ${flags} ${protocol} ${algorithm} "${key.join('')}";`
      })
      return anchors.length === 0 ? [] : ['trust-anchors {', ...anchors, '};']
    }
  }
}

/** Keys that a zone has and is not signed by: one that was imported to sign it, and is of another kind, is none that the parent's DS is of. */
export function unusedLines({ status }: DnssecReply): string[] {
  return status.keys
    .filter(({ state }) => state === 'retired')
    .map(({ role, tag, algorithm }) => `not used: ${role} ${tag}, algorithm ${algorithm}`)
}

export function statusLines(apex: string, { enabled, denial, bootstrap, status }: DnssecReply): string[] {
  const { keys, rollover, signatures } = status
  const signed = keys.map(
    ({ tag, role, algorithm, state, since }) =>
      `${role} ${tag}, algorithm ${algorithm}: ${state} since ${timeText(since)}`,
  )
  if (!enabled) return [`zone ${apex} is not signed`, ...signed]
  const hashed = denial === 'nsec3' ? ', and hides its names (nsec3)' : ''
  return [
    `zone ${apex} is signed${hashed}`,
    ...signed,
    ...bootstrapLines(bootstrap ?? true, status.bootstrap),
    ...rolloverLines(rollover),
    ...signatureLines(signatures),
  ]
}

/** By what the parent learns that the zone is signed (RFC 9615). */
function bootstrapLines(
  isWanted: boolean,
  { endedAt, signals }: DnssecReply['status']['bootstrap'],
): string[] {
  if (!isWanted) return ['its parent is told of it by no signal: bootstrap is off']
  if (endedAt !== null) return [`its parent has a DS since ${timeText(endedAt)} at the latest`]
  return signals.map(({ server, name, zone, reason }) =>
    zone === null
      ? `no signal for its parent under ${server}: ${reason}`
      : `a signal for its parent under ${server}: ${name} in zone ${zone}`,
  )
}

function rolloverLines(rollover: DnssecRolloverReply | null): string[] {
  if (rollover === null) return []
  const { goal, step, waits, reverting, stepSince, due, endsAt, waitsFor, parent } = rollover
  const what = goal === 'unsigned' ? 'it is to be signed no more' : 'its keys are rolled over'
  const back = reverting ? ', on its way back' : ''
  const until = due === null ? '' : `, until ${timeText(due)} at the least`
  return [
    `${what}${back}: step ${step} since ${timeText(stepSince)}, of ${waits.map(waitText).join(', ')}`,
    `it comes to its end at ${timeText(endsAt)} at the earliest`,
    `it waits${until}: ${waitsFor}`,
    ...(parent === null ? [] : [`the parent: ${parent}`]),
  ]
}

const waitText = ({ step, seconds }: DnssecRolloverReply['waits'][number]) =>
  seconds === null ? step : `${step} (${spanText(seconds)})`

/** Rounded up to the unit that it is shown in: whoever waits is not told too little. */
function spanText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.ceil(seconds / 60)} min`
  return `${Math.ceil(seconds / 3_600)} h`
}

function signatureLines(signatures: DnssecReply['status']['signatures']): string[] {
  if (signatures === null) return ['the server that was asked has no signatures of it yet']
  const { count, expiresAt, renewsAt, ended, trouble } = signatures
  const good = ended
    ? 'none of its signatures is good any more: it is answered with SERVFAIL'
    : `${count} signatures, good until ${timeText(expiresAt)} at the least, to be renewed from ${timeText(renewsAt)} on`
  return trouble === null ? [good] : [good, `it can't be signed: ${trouble}`]
}

const timeText = (at: string | null) => (at === null ? 'never' : at.slice(0, 16).replace('T', ' '))
