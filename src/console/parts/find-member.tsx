/** Finds members by a part of their name or address, whatever they are up to: who is told a machine's name need not know its pool. */
import { useEffect, useState } from 'preact/hooks'
import { get, wordsOf } from '../api.ts'
import { happened, overview } from '../live.ts'
import { ActButton } from './act-button.tsx'
import { State } from './state.tsx'

interface PoolItem {
  readonly name: string
  readonly members?: Readonly<
    Record<
      string,
      {
        readonly address?: string
        readonly host?: string
        readonly status: {
          readonly state: string
          readonly reason: string
          readonly answered?: boolean
          readonly override: { readonly state: string; readonly pattern: string } | null
        }
      }
    >
  >
}

type Found = NonNullable<PoolItem['members']>[string] & { readonly pool: string; readonly member: string }

const mostFound = 50
/** Pages of pools that are looked through. */
const mostPages = 100

/** Goes through the pools until there are enough. */
async function find(wanted: string): Promise<readonly Found[]> {
  const found: Found[] = []
  let cursor: string | null = null
  for (let page = 0; page < mostPages; page++) {
    const query = new URLSearchParams({ limit: '200', ...(cursor === null ? {} : { cursor }) })
    const reply: { readonly items: readonly PoolItem[]; readonly nextCursor: string | null } = await get(
      `/v1/pools?${query}`,
    )
    for (const { name: pool, members = {} } of reply.items) {
      for (const [member, view] of Object.entries(members)) {
        const text = `${pool}/${member} ${view.address ?? ''} ${view.host ?? ''}`
        if (text.includes(wanted)) found.push({ ...view, pool, member })
        if (found.length > mostFound) return found
      }
    }
    cursor = reply.nextCursor
    if (cursor === null) break
  }
  return found
}

export function FindMember() {
  const [found, setFound] = useState<readonly Found[] | string | null>(null)
  const [wanted, setWanted] = useState('')
  const revision = overview.value?.revision
  // Again when something has happened: whoever was drained just now must not stand there as before.
  useEffect(() => {
    let isGone = false
    const show = (what: readonly Found[] | string | null) => {
      if (!isGone) setFound(what)
    }
    if (wanted === '') show(null)
    else find(wanted).then(show, (error: unknown) => show(wordsOf(error)))
    return () => {
      isGone = true
    }
  }, [wanted, revision, happened.value])
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem('member') as HTMLInputElement
    setWanted(field.value.trim())
  }
  return (
    <>
      <form class="inline find" onSubmit={submit}>
        <input type="search" name="member" aria-label="Name or address of a member" placeholder="fra-1" />
        <button type="submit">Find a member</button>
      </form>
      <div role="status" class="found">
        {typeof found === 'string' ? (
          <p class="error">{found}</p>
        ) : found === null ? null : (
          <Results found={found} />
        )}
      </div>
    </>
  )
}

function Results({ found }: { readonly found: readonly Found[] }) {
  if (found.length === 0) return <p>There is no such member that you may see.</p>
  return (
    <>
      <ul class="rows">
        {found.slice(0, mostFound).map(({ pool, member, address, host, status }) => (
          <li key={`${pool}/${member}`} class="row">
            <span>
              <State state={status.state} />
              {status.override === null ? null : <State state={status.override.state} held />}
            </span>
            <span class="name">
              {pool}/{member} <small>{address ?? host}</small>
            </span>
            <span class="why">{status.reason}</span>
            <ActButton pool={pool} member={member} held={status.override} />
          </li>
        ))}
      </ul>
      {found.length > mostFound ? <p>There are more: say more of the name.</p> : null}
    </>
  )
}
