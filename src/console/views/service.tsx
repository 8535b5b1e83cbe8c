/** One service: what is answered now and why, down to each member; and what would be answered to somebody else, or without somebody. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ExplainReply } from '../../controlplane/api/operations/explain.ts'
import type { SharesReply } from '../../controlplane/api/operations/traffic.ts'
import { act } from '../acts.ts'
import { ApiError, get, may, wordsOf } from '../api.ts'
import { clock, count, list, percent, span } from '../format.ts'
import { happened, overview, serverNow } from '../live.ts'
import { ActButton } from '../parts/act-button.tsx'
import { Answers } from '../parts/answers.tsx'
import { clientsText } from '../parts/effect.tsx'
import { Gradual } from '../parts/gradual.tsx'
import { ProbeStrip } from '../parts/probe-strip.tsx'
import { ServiceWord } from '../parts/service-word.tsx'
import { ShareBar } from '../parts/share-bar.tsx'
import { State } from '../parts/state.tsx'
import { VirtualList } from '../parts/virtual-list.tsx'
import { linkTo } from '../router.ts'
import { answeredGroups, useShares } from './overview.tsx'

type Explained = ExplainReply['services'][number]
type Pool = Explained['pools'][number]
type Member = Pool['members'][number]

interface Asked {
  readonly client: string
  readonly type: string
  /** Of members; empty for all. */
  readonly find: string
}

/** Members of each pool that are told at once; the others are found by their names. */
const mostTold = 100

export function ServiceView({ name }: { readonly name: string }) {
  const [asked, setAsked] = useState<Asked>({ client: '', type: 'A', find: '' })
  const { reply, trouble } = useExplained(name, asked)
  const shares = useShares(name)
  const status = overview.value?.services.find((each) => each.name === name)
  useEffect(() => {
    document.title = `${name} – pooldns`
  }, [name])
  const service = reply?.services.find((each) => each.name === name) ?? reply?.services[0]
  const isNone = reply !== null && service === undefined
  return (
    <>
      <section class={`headline ${moodOf(status?.state)}`}>
        <h1>
          {status === undefined ? null : <State state={status.state} />} {name}
        </h1>
        <a href={linkTo.part('service', name)}>{may('write') ? 'Change it' : 'Its settings'}</a>
        {status === undefined ? null : (
          <p>
            {status.reason}
            {status.since === null ? '' : ` · for ${span(serverNow() - Date.parse(status.since))}`}
            {status.pools.length === 0 ? '' : ` · answered from ${list(status.pools)}`}
          </p>
        )}
      </section>
      <Shares shares={shares} pools={service?.pools ?? []} />
      <Answers name={name} shares={shares} />
      <Gradual changes={changesOf(name)} />
      <section aria-labelledby="explain">
        <h2 id="explain">What a client is answered</h2>
        {isNone ? <p>{name} is no service that you may see.</p> : null}
        <AskForm asked={asked} setAsked={setAsked} />
        <p class="error" role="alert">
          {trouble}
        </p>
        {reply === null ? trouble === '' ? <p>Looking…</p> : null : <Answer reply={reply} />}
      </section>
      {service?.levels.map((level) => (
        <Level key={level.service} level={level} />
      ))}
      {service?.pools.map((pool) => (
        <PoolPart key={pool.name} pool={pool} shares={shares} asked={asked} setAsked={setAsked} />
      ))}
      <ServiceWord name={name} />
    </>
  )
}

/** Gradual changes that move its shares. */
const changesOf = (name: string) =>
  overview.value?.gradualChanges.filter(({ parts }) =>
    parts.some((part) => part.kind === 'service' && part.name === name),
  ) ?? []

const moodOf = (state: string | undefined) =>
  state === 'down' ? 'bad' : state === 'degraded' ? 'doubt' : state === 'up' ? 'good' : ''

/** Asked again when something has happened, and by and by; more seldom where it takes long. */
function useExplained(name: string, { client, type, find }: Asked) {
  const [reply, setReply] = useState<ExplainReply | null>(null)
  const [trouble, setTrouble] = useState('')
  const revision = overview.value?.revision
  useEffect(() => {
    const gone = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = async () => {
      const began = performance.now()
      const query = new URLSearchParams({
        ...{ name, type, members: String(mostTold) },
        ...(client === '' ? {} : { client }),
        ...(find === '' ? {} : { find }),
      })
      try {
        setReply(await get<ExplainReply>(`/v1/explain?${query}`, { signal: gone.signal }))
        setTrouble('')
      } catch (error) {
        if (gone.signal.aborted) return
        const fields = error instanceof ApiError ? error.problems.map(({ message }) => message) : []
        setTrouble([wordsOf(error), ...fields].join('; '))
      }
      timer = setTimeout(look, Math.max(5_000, 20 * (performance.now() - began)))
    }
    void look()
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [name, client, type, find, happened.value, revision])
  return { reply, trouble }
}

function Shares({ shares, pools }: { readonly shares: SharesReply | null; readonly pools: readonly Pool[] }) {
  if (shares === null) return null
  const several = pools
    .filter(
      ({ answers, select, members }) =>
        (answers ?? (select === 'all' ? 2 : 1)) > 1 && members.filter((each) => each.answers).length > 1,
    )
    .map(({ name }) => name)
  const groups = answeredGroups(shares)
  const moreGroups = shares.moreGroups + Math.max(0, groups.length - 8)
  return (
    <section aria-labelledby="shares">
      <h2 id="shares">Answers now</h2>
      {groups.length === 0 ? <p>Nobody is answered.</p> : null}
      {groups.slice(0, 8).map((group, nth) => (
        <div key={nth} class="group">
          {groups.length > 1 || group.types.length === 1 ? (
            <h3>
              {group.types.join(' and ')}
              {clientsText(group.clients)}
            </h3>
          ) : null}
          {group.members.length === 0 ? <p>No member: nobody is answered.</p> : null}
          <GroupBars group={group} />
        </div>
      ))}
      {several.length === 0 ? null : (
        <p>
          <small>
            A share is how often a member stands first in an answer. Answers of {list(several)} have others
            behind it, so a member is in more answers than its share says.
          </small>
        </p>
      )}
      {moreGroups > 0 ? <p>{moreGroups} kinds of clients more.</p> : null}
    </section>
  )
}

/** Members that are shown by themselves; of more than these their pools are. */
const mostBars = 12

function GroupBars({ group }: { readonly group: SharesReply['groups'][number] }) {
  const { pools, members, moreMembers } = group
  const all = members.length + moreMembers
  const bars =
    all <= mostBars
      ? members.map(({ pool, member, share }) => [`${pool}/${member}`, share] as const)
      : pools.slice(0, mostBars).map(({ pool, share }) => [pool, share] as const)
  return (
    <>
      <ul class="bars">
        {bars.map(([name, share]) => (
          <li key={name}>
            <ShareBar share={share} label={name} />
          </li>
        ))}
      </ul>
      {all <= mostBars ? null : <p>{count(all, 'member')} in all, below.</p>}
    </>
  )
}

function AskForm({ asked, setAsked }: { readonly asked: Asked; readonly setAsked: (asked: Asked) => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    setAsked({ ...asked, client: String(fields.get('client')).trim(), type: String(fields.get('type')) })
  }
  return (
    <form class="inline" onSubmit={submit}>
      <label>
        Client
        <input name="client" placeholder="your address" value={asked.client} inputMode="text" />
      </label>
      <label>
        Type
        <select name="type" value={asked.type}>
          {['A', 'AAAA', 'HTTPS', 'SVCB', 'ANY'].map((type) => (
            <option key={type}>{type}</option>
          ))}
        </select>
      </label>
      <button type="submit">Explain</button>
    </form>
  )
}

function Answer({ reply }: { readonly reply: ExplainReply }) {
  const { answer, client, place, why } = reply
  const where =
    place === null
      ? ''
      : ` (${[place.country, place.continent].filter((each) => each !== null).join(', ') || 'place not known'})`
  const given = reply.services.flatMap(({ pools }) =>
    pools.flatMap((pool) =>
      pool.members.filter((each) => each.given).map((each) => `${pool.name}/${each.name}`),
    ),
  )
  return (
    <div class="card">
      <p>
        <strong>{answer.rcode}</strong> to {client}
        {where}: {given.length === 0 ? 'no member' : list(given, 8)}
      </p>
      {reply.services.length === 0 ? <p>{why}</p> : null}
      {reply.services.map(({ name, why, ttl }) => (
        <p key={name}>
          {name}: {why} · TTL {ttl} s
        </p>
      ))}
    </div>
  )
}

function Level({ level }: { readonly level: Explained['levels'][number] }) {
  return (
    <section>
      <h2>
        {level.service} chooses by {level.steer}
      </h2>
      <ul class="rows">
        {level.choices.map((choice) => (
          <li key={`${choice.kind} ${choice.name}`} class="row">
            <State state={choice.absent ? 'absent' : choice.up ? 'up' : 'down'} />
            <span class="name">
              {choice.name} <small>{choice.kind === 'service' ? 'service' : ''}</small>
            </span>
            <span class="why">{choice.why}</span>
            <span>
              {choice.used ? 'used' : 'not used'} · weight {choice.weight}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

interface PoolProps {
  readonly pool: Pool
  readonly shares: SharesReply | null
  readonly asked: Asked
  readonly setAsked: (asked: Asked) => void
}

function PoolPart({ pool, shares, asked, setAsked }: PoolProps) {
  const [wanted, setWanted] = useState(asked.find)
  // The server looks for what is not here: once nobody types.
  const isPart = pool.moreMembers > 0 || asked.find !== ''
  const asking = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const find = (text: string) => {
    setWanted(text)
    clearTimeout(asking.current)
    if (isPart) asking.current = setTimeout(() => setAsked({ ...asked, find: text.trim() }), 300)
  }
  const all = pool.members
  const found =
    wanted === ''
      ? all
      : all.filter((each) =>
          `${each.name} ${each.address} ${each.status.state} ${each.status.override?.state ?? ''}`.includes(
            wanted,
          ),
        )
  // What is not as it should be comes first.
  const sorted = found.toSorted((one, other) => rank(one) - rank(other))
  const id = `pool-${pool.name}`
  const held =
    all.find(({ status }) => status.override?.pattern === `${pool.name}/*`)?.status.override ?? null
  return (
    <section aria-labelledby={id}>
      <div class="heading">
        <h2 id={id}>
          <State state={pool.condition} /> Pool {pool.name}
        </h2>
        {all.length > 8 || isPart ? (
          <input
            type="search"
            class="find"
            aria-label={`Find a member of ${pool.name}`}
            placeholder="Find a member"
            value={wanted}
            onInput={({ currentTarget }) => find(currentTarget.value)}
          />
        ) : null}
        {may('override') ? (
          <button
            type="button"
            onClick={() =>
              act({
                pool: pool.name,
                member: '*',
                word: held === null ? 'drain' : null,
                held,
              })
            }
          >
            {held === null ? 'Drain' : 'Take back'} the whole pool…<span class="unseen"> {pool.name}</span>
          </button>
        ) : null}
      </div>
      <p>
        <a href={linkTo.part('pool', pool.name)}>
          Settings<span class="unseen"> of pool {pool.name}</span>
        </a>{' '}
        · {pool.reason} · {pool.select}
        {pool.monitor === null ? ' · not monitored' : ` · monitor ${pool.monitor}`} ·{' '}
        {count(all.length + pool.moreMembers, 'member')}
        {asked.find === '' ? '' : ` with “${asked.find}”`}
        {pool.moreMembers > 0
          ? `, of which ${all.length} are here, the worst first: find the others by name or address`
          : ''}
      </p>
      <VirtualList
        items={sorted}
        rowHeight={innerWidth < 640 ? 148 : 68}
        label={`Members of ${pool.name}`}
        keyOf={({ name }) => name}
      >
        {(member) => <MemberRow pool={pool.name} member={member} shares={shares} />}
      </VirtualList>
    </section>
  )
}

function rank({ status }: Member): number {
  if (status.state === 'down') return 0
  if (status.override !== null) return 1
  return status.state === 'unknown' ? 2 : 3
}

function MemberRow({
  pool,
  member,
  shares,
}: {
  readonly pool: string
  readonly member: Member
  readonly shares: SharesReply | null
}) {
  const { status, weight } = member
  const share = shares?.groups[0]?.members.find(
    (each) => each.pool === pool && each.member === member.name,
  )?.share
  const since = status.since === null ? '' : ` · ${span(serverNow() - Date.parse(status.since))}`
  const days = status.certificate?.daysLeft
  return (
    <div class="member">
      <span>
        <State state={status.state} />
        {status.override === null ? null : <State state={status.override.state} held />}
      </span>
      <span class="name">
        {member.name} <small>{member.address ?? member.host}</small>
      </span>
      <span class="why" title={member.why}>
        {status.reason}
        {since}
        {status.override === null
          ? ''
          : ` · ${status.override.status.actor}: ${status.override.reason || 'no reason given'}, until ${status.override.until === null ? 'it is taken back' : clock(status.override.until)}`}
        {days === undefined ? '' : ` · certificate ${days} d`}
      </span>
      <span class="figures-small">
        {share === undefined ? (member.answers ? 'answered' : 'not answered') : percent(share)} · weight{' '}
        {weight.effective === weight.configured
          ? weight.configured
          : `${Math.round(weight.effective)} of ${weight.configured}`}
      </span>
      <ProbeStrip pool={pool} member={member.name} />
      <ActButton pool={pool} member={member.name} held={status.override} />
    </div>
  )
}
