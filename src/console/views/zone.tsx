/** One zone: its RRsets, found and edited, with what the API says of each field. */
import { useEffect, useState } from 'preact/hooks'
import { get, may, path } from '../api.ts'
import { clock, list, span } from '../format.ts'
import { overview, serverNow } from '../live.ts'
import { type Rrset, RrsetForm } from '../parts/rrset-form.tsx'
import { ExportZone, ImportZone } from '../parts/zonefile.tsx'
import { usePages } from './zones.tsx'

/** Rows that are shown; the search finds the others. */
const mostShown = 300

export function ZoneView({ apex }: { readonly apex: string }) {
  const { items, trouble, more } = usePages<Rrset>(path`/v1/zones/${apex}/rrsets`, overview.value?.revision)
  const [wanted, setWanted] = useState('')
  const [editing, setEditing] = useState<Rrset | 'new' | 'file' | null>(null)
  const [told, setTold] = useState('')
  useEffect(() => {
    document.title = `${apex} – pooldns`
  }, [apex])
  const text = wanted.trim().toLowerCase()
  const found = items.filter((each) =>
    `${each.name} ${each.type} ${each.data.join(' ')}`.toLowerCase().includes(text),
  )
  const done = (what: string) => {
    setEditing(null)
    setTold(what)
  }
  return (
    <section aria-labelledby="zone">
      <div class="heading">
        <h1 id="zone">{apex}</h1>
        <input
          type="search"
          class="find"
          aria-label="Find RRsets"
          placeholder="Find a name, type or value"
          value={wanted}
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
        {may('write') ? (
          <>
            <button type="button" onClick={() => setEditing('new')}>
              Add an RRset
            </button>
            <button type="button" onClick={() => setEditing('file')}>
              Import a master file…
            </button>
          </>
        ) : null}
        <ExportZone apex={apex} />
      </div>
      <Signatures apex={apex} />
      <p role="status">{told}</p>
      <p class="error" role="alert">
        {trouble}
      </p>
      {editing === 'file' ? (
        <ImportZone apex={apex} done={done} cancel={() => setEditing(null)} />
      ) : editing === null ? null : (
        <RrsetForm
          key={editing === 'new' ? 'new' : `${editing.name} ${editing.type}`}
          apex={apex}
          rrset={editing === 'new' ? null : editing}
          done={done}
          cancel={() => setEditing(null)}
        />
      )}
      <div class="scroll" tabIndex={-1}>
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Type</th>
              <th scope="col" class="ttl">
                TTL
              </th>
              <th scope="col">Data</th>
              {may('write') ? <th scope="col">Edit</th> : null}
            </tr>
          </thead>
          <tbody>
            {found.slice(0, mostShown).map((each) => (
              <tr key={`${each.name} ${each.type}`}>
                <th scope="row">{each.name}</th>
                <td>{each.type}</td>
                <td class="ttl">{each.ttl ?? 'zone'}</td>
                <td class="data">
                  {each.data.slice(0, 8).map((value) => (
                    <div key={value}>{value}</div>
                  ))}
                  {each.data.length > 8 ? <small>and {each.data.length - 8} more</small> : null}
                </td>
                {may('write') ? (
                  <td>
                    <button type="button" onClick={() => setEditing(each)}>
                      Edit
                      <span class="unseen">
                        {' '}
                        {each.name} {each.type}
                      </span>
                    </button>
                  </td>
                ) : null}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length > mostShown ? <p>And {found.length - mostShown} more: search for them.</p> : null}
      {more === null ? null : (
        <button type="button" onClick={() => void more()}>
          Load more RRsets
        </button>
      )}
    </section>
  )
}

interface Dnssec {
  readonly enabled: boolean
  readonly status: {
    readonly keys: readonly { readonly tag: number; readonly state: string }[]
    readonly signatures: {
      readonly expiresAt: string | null
      readonly ended: boolean
      readonly trouble: string | null
    } | null
  }
}

/** Whether it is signed, and for how long that is good. */
function Signatures({ apex }: { readonly apex: string }) {
  const [found, setFound] = useState<Dnssec | null>(null)
  // Keys and signatures change without a revision, too.
  const turn = Math.floor((overview.value === null ? 0 : Date.parse(overview.value.at)) / 10_000)
  useEffect(() => {
    const gone = new AbortController()
    get<Dnssec>(path`/v1/zones/${apex}/dnssec`, { signal: gone.signal })
      .then(setFound)
      .catch(() => undefined)
    return () => gone.abort()
  }, [apex, turn, overview.value?.revision])
  if (found === null) return null
  if (!found.enabled) return <p>Not signed.</p>
  const { keys, signatures } = found.status
  const tags = keys.map(({ tag, state }) => `${tag} (${state})`)
  const expires = signatures?.expiresAt ?? null
  return (
    <p class={signatures === null || signatures.ended || signatures.trouble !== null ? 'error' : ''}>
      {signatures === null
        ? 'To be signed; this node has no signatures'
        : signatures.ended
          ? 'No signature is good any more: the zone is SERVFAIL'
          : 'Signed'}
      {expires === null ? '' : `, until ${clock(expires)} (${span(Date.parse(expires) - serverNow())})`}
      {signatures === null || signatures.trouble === null ? '' : `: ${signatures.trouble}`}
      {tags.length === 0 ? '' : ` · keys ${list(tags)}`}
    </p>
  )
}
