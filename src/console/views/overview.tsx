/** What is down, since when, why, and what is answered instead; then all that an operator would look at next. */
import { useEffect, useState } from 'preact/hooks'
import type { OverviewReply } from '../../controlplane/api/operations/overview.ts'
import type { SharesReply } from '../../controlplane/api/operations/traffic.ts'
import { act, letBack, nameOf } from '../acts.ts'
import { get, may, path, wordsOf } from '../api.ts'
import { clock, count, list, span } from '../format.ts'
import { headlineOf } from '../headline.ts'
import { happened, overview, serverNow } from '../live.ts'
import { ActButton } from '../parts/act-button.tsx'
import { FindMember } from '../parts/find-member.tsx'
import { Gradual } from '../parts/gradual.tsx'
import { SafeAt } from '../parts/safe-at.tsx'
import { TakeServiceBack } from '../parts/service-word.tsx'
import { ShareBar } from '../parts/share-bar.tsx'
import { State } from '../parts/state.tsx'
import { Traffic } from '../parts/traffic.tsx'
import { linkTo } from '../router.ts'

export function Overview() {
  const seen = overview.value
  if (seen === null) return <p class="waiting">Waiting for the first word of the server…</p>
  return (
    <>
      <Top seen={seen} />
      <Overrides seen={seen} />
      <Services seen={seen} />
      <Members seen={seen} />
      <Gradual changes={seen.gradualChanges} />
      <Traffic />
      <Nodes seen={seen} />
    </>
  )
}

interface Props {
  readonly seen: OverviewReply
}

function Top({ seen }: Props) {
  const { mood, title, lines, more } = headlineOf(seen, serverNow())
  const sign = { good: '✓', doubt: '▲', bad: '✕' }[mood]
  useEffect(() => {
    document.title = `${sign} ${title} – pooldns`
  }, [sign, title])
  return (
    <section class={`headline ${mood}`} aria-labelledby="headline">
      <h1 id="headline" aria-live="polite">
        <span aria-hidden="true">{sign}</span> {title}
      </h1>
      {lines.length === 0 ? null : (
        <ul>
          {lines.map(({ text, service, mood }) => (
            <li key={`${service} ${text}`} class={mood}>
              {service === undefined ? null : <a href={linkTo.service(service)}>{service}</a>} {text}
            </li>
          ))}
          {more > 0 ? <li>And {more} more, below.</li> : null}
        </ul>
      )}
    </section>
  )
}

function Since({ at }: { readonly at: string | null }) {
  if (at === null) return <>since before this node looked</>
  return (
    <time dateTime={at} title={clock(at)}>
      {span(serverNow() - Date.parse(at))}
    </time>
  )
}

function Overrides({ seen: { overrides, serviceOverrides, more } }: Props) {
  if (overrides.length + serviceOverrides.length === 0) return null
  return (
    <section aria-labelledby="overrides">
      <h2 id="overrides">Held by operators</h2>
      <ul class="cards">
        {overrides.map((each) => {
          const { pool, member, state, until, reason, status } = each
          return (
            <li key={`${pool}/${member}`} class="card">
              <p>
                <State state={state} held /> <strong>{nameOf(each)}</strong>{' '}
                {status.matches === 1 ? '' : `(${count(status.matches, 'member')})`}
              </p>
              <p>
                {reason === '' ? 'No reason given' : reason} – {status.actor}, <Since at={status.since} />{' '}
                ago, {until === null ? 'until it is taken back' : `until ${clock(until)}`}
                {status.pending === true ? '; the other nodes have not heard of it yet' : ''}
              </p>
              {state === 'drain' ? <SafeAt status={status} /> : null}
              {may('override') ? (
                <button
                  type="button"
                  onClick={() =>
                    act({
                      pool,
                      member,
                      word: null,
                      held: { state, pattern: `${pool}/${member}` },
                    })
                  }
                >
                  Take back<span class="unseen"> what holds {nameOf(each)}</span>
                </button>
              ) : null}
            </li>
          )
        })}
        {serviceOverrides.map(({ service, state, until, reason, status }) => (
          <li key={service} class="card">
            <p>
              <State state={state} held /> service <strong>{service}</strong>, where others name it
            </p>
            <p>
              {reason === '' ? 'No reason given' : reason} – {status.actor}, <Since at={status.since} /> ago,{' '}
              {until === null ? 'until it is taken back' : `until ${clock(until)}`}
            </p>
            {may('override') ? <TakeServiceBack name={service} /> : null}
          </li>
        ))}
      </ul>
      <More number={(more.overrides ?? 0) + (more.serviceOverrides ?? 0)} what="overrides" />
    </section>
  )
}

function More({ number, what }: { readonly number: number; readonly what: string }) {
  return number === 0 ? null : (
    <p>
      And {number.toLocaleString('en')} more {what}.
    </p>
  )
}

/** Services whose shares are asked for: each is a request. */
const mostShares = 8

function Services({ seen: { services, more } }: Props) {
  const [wanted, setWanted] = useState('')
  const found = services.filter(({ name }) => name.includes(wanted.trim().toLowerCase()))
  return (
    <section aria-labelledby="services">
      <div class="heading">
        <h2 id="services">Services</h2>
        {services.length > 8 ? (
          <input
            type="search"
            class="find"
            placeholder="Find a service"
            aria-label="Find a service"
            value={wanted}
            onInput={({ currentTarget }) => setWanted(currentTarget.value)}
          />
        ) : null}
        {(more.services ?? 0) > 0 ? <OpenByName /> : null}
      </div>
      {services.length === 0 ? <p>There are none that you may see.</p> : null}
      <ul class="rows services">
        {found.map((each, nth) => (
          <li key={each.name} class="row">
            <State state={each.state} />
            <a class="name" href={linkTo.service(each.name)}>
              {each.name}
            </a>
            <span class="why">
              {each.reason}
              {each.since === null ? null : (
                <>
                  {' '}
                  · <Since at={each.since} />
                </>
              )}
            </span>
            {nth < mostShares ? <Answered name={each.name} /> : <span>from {list(each.pools, 3)}</span>}
          </li>
        ))}
      </ul>
      <More number={more.services ?? 0} what="services that are up" />
    </section>
  )
}

/** One that is not listed. */
function OpenByName() {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem('service') as HTMLInputElement
    if (field.value.trim() !== '') location.hash = linkTo.service(field.value.trim())
  }
  return (
    <form onSubmit={submit} class="inline">
      <input name="service" aria-label="Name of a service" placeholder="www.example.test" />
      <button type="submit">Open</button>
    </form>
  )
}

/** What is answered now, by pool. */
function Answered({ name }: { readonly name: string }) {
  const shares = useShares(name)
  if (shares === null) return <span class="answered" />
  const groups = answeredGroups(shares)
  const [first] = groups
  if (first === undefined) return <span class="answered">nobody</span>
  const others = groups.length + shares.moreGroups - 1
  return (
    <span class="answered">
      {first.pools.slice(0, 3).map(({ pool, share }) => (
        <ShareBar key={pool} share={share} label={pool} />
      ))}
      {others > 0 ? <small>{count(others, 'kind')} of clients more</small> : null}
    </span>
  )
}

/** Without those who have no member at all, such as all that ask for AAAA where there is none; unless there are no others. */
export function answeredGroups({ groups }: SharesReply): SharesReply['groups'] {
  const answered = groups.filter(({ members }) => members.length > 0)
  return answered.length > 0 ? answered : groups
}

/** Read again when something has happened, and by and by. */
export function useShares(name: string): SharesReply | null {
  const [shares, setShares] = useState<SharesReply | null>(null)
  const turn = Math.floor((overview.value === null ? 0 : Date.parse(overview.value.at)) / 6_000)
  const revision = overview.value?.revision
  useEffect(() => {
    const gone = new AbortController()
    get<SharesReply>(path`/v1/services/${name}/shares`, { signal: gone.signal })
      .then(setShares)
      .catch(() => undefined)
    return () => gone.abort()
  }, [name, happened.value, turn, revision])
  return shares
}

/** Members that are shown unless all are asked for: the worst come first. */
const mostMembers = 20

function Members({ seen: { members, counts, more } }: Props) {
  const [isAll, setAll] = useState(false)
  const { up = 0, down = 0, unknown = 0, overridden = 0 } = counts.members
  return (
    <section aria-labelledby="members">
      <div class="heading">
        <h2 id="members">Members</h2>
        <FindMember />
      </div>
      <p>
        {count(up, 'member')} up, {down.toLocaleString('en')} down
        {unknown > 0 ? `, ${unknown} not probed yet` : ''}
        {overridden > 0 ? `, ${overridden} held by operators` : ''}.
      </p>
      <ul class="rows">
        {members
          .slice(0, isAll ? members.length : mostMembers)
          .map(({ pool, member, address, status, waitsForFailBack }) => (
            <li key={`${pool}/${member}`} class="row">
              <span>
                <State state={status.state} />
                {status.override === null ? null : <State state={status.override.state} held />}
              </span>
              <span class="name">
                {pool}/{member} <small>{address}</small>
              </span>
              <span class="why">
                {status.reason}
                {status.since === null ? null : (
                  <>
                    {' '}
                    · <Since at={status.since} />
                  </>
                )}
                {waitsForFailBack ? ' · waits to be let back' : ''}
              </span>
              <span>{status.answered === true ? 'answered' : 'not answered'}</span>
              {waitsForFailBack && may('override') ? <LetBack pool={pool} member={member} /> : null}
              <ActButton pool={pool} member={member} held={status.override} />
            </li>
          ))}
      </ul>
      {isAll || members.length <= mostMembers ? (
        <More number={more.members ?? 0} what="members that are not up, or held" />
      ) : (
        <button type="button" class="start" onClick={() => setAll(true)}>
          Show {members.length - mostMembers} more
        </button>
      )}
    </section>
  )
}

function LetBack(member: { readonly pool: string; readonly member: string }) {
  const [trouble, setTrouble] = useState('')
  const press = () => letBack(member).catch((error: unknown) => setTrouble(wordsOf(error)))
  return (
    <span>
      <button type="button" onClick={() => void press()}>
        Let it back<span class="unseen"> {nameOf(member)}</span>
      </button>
      <span class="error" role="alert">
        {trouble}
      </span>
    </span>
  )
}

function Nodes({ seen: { nodes, revision, more } }: Props) {
  if (nodes.length === 0) return null
  return (
    <section aria-labelledby="nodes">
      <h2 id="nodes">Nodes</h2>
      <ul class="rows">
        {nodes.map((node) => (
          <li key={node.id} class="row">
            <State state={node.live ? (node.suspect ? 'degraded' : 'up') : 'down'} />
            <span class="name">
              {node.name ?? node.id}
              {node.self ? <small> the one that you ask</small> : null}
            </span>
            <span class="why">
              {node.live ? '' : 'not heard of lately · '}
              {node.suspect ? 'doubts its own network · ' : ''}
              revision {node.revision}
              {node.revision < revision ? ` of ${revision}` : ''} · version {node.version} · started{' '}
              {clock(node.startedAt)}
            </span>
          </li>
        ))}
      </ul>
      <More number={more.nodes ?? 0} what="nodes" />
    </section>
  )
}
