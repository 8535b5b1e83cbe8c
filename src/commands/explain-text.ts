/**
 * An explanation for people: first what is answered and why, then for each service its choices, and its pools with their
 * members. What this answer came by is marked with an asterisk. Columns that say nothing are left out.
 */
import type { ExplainReply } from '../controlplane/api/operations/explain.ts'
import { table } from './frame/terminal.ts'

/** Lines; what is asked for as ANY may have more. */
const mostSignatures = 20

type Service = ExplainReply['services'][number]
type Level = Service['levels'][number]
type Pool = Service['pools'][number]
type Member = Pool['members'][number]

export function explainText(reply: ExplainReply): string {
  const lines = [
    ...head(reply),
    ...reply.services.flatMap((service) => ['', ...serviceLines(service)]),
    ...gradualLines(reply),
  ]
  return `${lines.join('\n')}\n`
}

function head(reply: ExplainReply): string[] {
  const { name, type, client, zone, answer, place, why } = reply
  const rows = [
    ['Question', `${name} ${type}, from ${client}`],
    ...(place === null ? [] : [['Place', placeText(place)]]),
    ['Zone', zone ?? 'none of ours'],
    ['Answer', answerText(reply)],
    ['Why', why],
    ...answer.signatures.slice(0, mostSignatures).map((each) => ['Signed', signedText(each)]),
    ...answer.proofs.map(({ name, type, data }) => ['Proof', `${name} ${type} ${data}`]),
    ...answer.chain.map((link) => ['Chain', chainText(link)]),
  ]
  const records = [...answer.records, ...answer.authority]
  return [
    ...table(rows, 0),
    ...(records.length === 0 ? [] : ['']),
    ...table(
      records.map(({ name, ttl, type, data }) => [name, String(ttl), type, data]),
      2,
    ),
  ]
}

/** Which records, by which key, and when that is good. */
function signedText({
  name,
  type,
  keyTag,
  algorithm,
  zone,
  beginsAt,
  expiresAt,
}: ExplainReply['answer']['signatures'][number]): string {
  return `${name} ${type} by key ${keyTag} (algorithm ${algorithm}) of ${zone}; good from ${beginsAt} until ${expiresAt}`
}

/** By what the keys of a zone are believed. */
function chainText({ zone, keys, parent, ds }: ExplainReply['answer']['chain'][number]): string {
  const each = keys.map(({ tag, algorithm, role, published, hasDs }) => {
    const state = published ? '' : ', not published'
    return `${role === 'none' ? 'key' : role} ${tag} (algorithm ${algorithm}${hasDs === true ? `, DS in ${parent}` : ''}${state})`
  })
  const unknown = ds.filter((tag) => !keys.some((key) => key.tag === tag))
  const others = unknown.length === 0 ? '' : `; ${parent} has DS of other keys: ${unknown.join(', ')}`
  const lacks = parent !== null && ds.length === 0 ? `; ${parent} has no DS of them, so nobody validates` : ''
  return `${zone}: ${each.join(', ')}${others}${lacks}`
}

/** Why weights are not what somebody's files say. */
function gradualLines({ gradualChanges }: ExplainReply): string[] {
  if (gradualChanges.length === 0) return []
  const rows = gradualChanges.map(({ id, phase, step, steps, percent, nextAt, parts }) => ({
    CHANGE: String(id),
    PHASE: phase,
    OF: parts.map(({ name }) => name).join(', '),
    STEP: `${step} of ${steps.length}`,
    MOVED: `${percent} %`,
    NEXT: nextAt === null ? '' : seconds(nextAt),
  }))
  return ['', 'Gradual changes', ...table(rows, 2)]
}

function placeText({ continent, country, subdivision, asn, location }: NonNullable<ExplainReply['place']>) {
  const parts = [
    continent,
    country,
    subdivision,
    asn === null ? null : `AS${asn}`,
    location === null ? null : `${degrees(location.latitude)}, ${degrees(location.longitude)}`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? 'unknown' : parts.join(', ')
}

/** A kilometre is as much as any database knows. */
function degrees(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function answerText({ answer, client }: ExplainReply): string {
  const { rcode, authoritative, ttl, scope, byChance } = answer
  const parts = [rcode]
  if (authoritative) parts.push('authoritative')
  if (ttl !== null) parts.push(`good for ${ttl} s`)
  if (scope > 0) parts.push(`for clients that share ${scope} bits with ${client}`)
  if (byChance) parts.push('another query may get another one')
  return parts.join(', ')
}

function serviceLines(service: Service): string[] {
  const { name, state, ttl, minTtl, unsettled, why, levels, pools } = service
  const times =
    minTtl === null
      ? `${ttl} s`
      : `${ttl} s, ${minTtl} s while the answer may change soon${unsettled ? ', as now' : ''}`
  return [
    `Service ${name}: ${state === 'absent' ? 'has nothing of that family' : state}`,
    ...table(
      [
        ['TTL', times],
        ['Why', why],
      ],
      2,
    ),
    ...levels.flatMap((level) => ['', ...levelLines(level, name)]),
    ...pools.flatMap((pool) => ['', ...poolLines(pool)]),
  ]
}

function levelLines({ service, steer, up, area, choices }: Level, asked: string): string[] {
  const whose = service === asked ? 'Choices' : `Choices of service ${service}`
  const areaText = area === null ? '' : `, area ${area.number}: ${area.choices.join(', ')}`
  const isAbsent = choices.length > 0 && choices.every(({ absent }) => absent)
  const rows = choices.map(({ taken, kind, name, up, absent, latencyMs, why }) => ({
    '': taken ? '*' : '',
    CHOICE: `${kind} ${name}`,
    STATE: absent ? '' : up ? 'up' : 'down',
    LATENCY: milliseconds(latencyMs),
    WHY: why,
  }))
  return [`  ${whose}: by ${steer}${up || isAbsent ? '' : ', none is up'}${areaText}`, ...table(rows, 2)]
}

function poolLines(pool: Pool): string[] {
  const { name, select, answers, monitor, met, condition, reason, members, moreMembers } = pool
  const how = answers === null ? select : `${select}, at most ${answers} in an answer`
  const watched = monitor === null ? 'not monitored' : `monitor ${monitor}`
  return [
    `  ${met ? '* ' : ''}Pool ${name}: ${condition === 'absent' ? '' : `${condition}, `}${reason}; ${how}; ${watched}${capacityText(pool)}`,
    ...table(members.map(memberRow), 2),
    ...(moreMembers > 0 ? [`  and ${moreMembers} more members`] : []),
  ]
}

function capacityText({ capacity }: Pool): string {
  if (capacity === null) return ''
  const { feed, entity, column, value, age, limit, share, state } = capacity
  if (state !== 'good') {
    return `; limit ${limit}, but ${column} of ${entity} in feed ${feed} is ${notGood[state]}: it spills nothing`
  }
  const spills = share === 0 ? '' : `, ${Math.round(share * 1000) / 10} % of its answers go on`
  return `; ${column} ${value} of ${limit}, ${age} s old${spills}`
}

const notGood = { stale: 'too old', missing: 'missing', waiting: 'not read yet' } as const

/** How old what a member goes by is. */
function agesText({ weight, shed }: Member): string {
  return [weight.feed, shed]
    .flatMap((fed) => (fed === null || fed.age === null ? [] : [`${fed.column} ${fed.age} s`]))
    .join(', ')
}

/** What the API says of members that nothing measures. */
const unmonitored = 'the pool has no monitor'

function memberRow(member: Member) {
  const { name, address, addresses, host, given, why, weight, latencyMs, status } = member
  const { configured, effective } = weight
  return {
    '': given ? '*' : '',
    MEMBER: name,
    ADDRESS: host ?? (addresses.length > 1 ? addresses.join(', ') : (address ?? '')),
    STATE: stateText(member),
    SINCE: status.since === null ? '' : seconds(status.since),
    WEIGHT: configured === effective ? String(configured) : `${effective} of ${configured}`,
    LATENCY: milliseconds(latencyMs),
    WHY: why,
    'AGE OF VALUES': agesText(member),
    MEASURED: status.reason === unmonitored ? '' : status.reason,
    OVERRIDE: overrideText(status.override),
    CLIENTS: clientsText(status),
  }
}

function stateText({ status, near, own }: Member): string {
  const soon = near ? ', about to change' : ''
  return own === null
    ? `${status.state}${soon}`
    : `${status.state}${soon} (here: ${own.state}, ${own.reason})`
}

function overrideText(override: Member['status']['override']): string {
  if (override === null) return ''
  const { state, until, reason, pattern, status } = override
  const end = until === null ? '' : ` until ${seconds(until)}`
  return `${state} by ${status.actor} (${pattern})${end}${reason === '' ? '' : `: ${reason}`}`
}

/** Whether clients of this node may have it. */
function clientsText({ answered, safeAt }: Member['status']): string {
  if (answered === undefined || answered) return ''
  return safeAt == null ? 'none have it' : `may have it until ${seconds(safeAt)}`
}

function seconds(instant: string): string {
  return instant.replace(/\.\d+Z$/, 'Z')
}

function milliseconds(time: number | null): string {
  if (time === null) return ''
  return `${time < 10 ? Math.round(time * 10) / 10 : Math.round(time)} ms`
}
