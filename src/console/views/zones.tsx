import { useEffect, useState } from 'preact/hooks'
import { get, may, wordsOf } from '../api.ts'
import { overview } from '../live.ts'
import { ImportZone } from '../parts/zonefile.tsx'
import { go, linkTo } from '../router.ts'

interface ZoneItem {
  readonly name: string
  readonly ttl?: string | number
  readonly status?: { readonly serial?: number; readonly rrsets?: number }
}

interface Page<T> {
  readonly items: readonly T[]
  readonly nextCursor: string | null
}

/** All pages of a list as far as somebody has asked for them. */
export function usePages<T>(path: string, revision: unknown) {
  const [items, setItems] = useState<readonly T[]>([])
  const [cursor, setCursor] = useState<string | null>(null)
  const [trouble, setTrouble] = useState('')
  const [isLoaded, setLoaded] = useState(false)
  const load = async (after: string | null, before: readonly T[], signal?: AbortSignal) => {
    const query = new URLSearchParams({ limit: '500', ...(after === null ? {} : { cursor: after }) })
    try {
      const page = await get<Page<T>>(`${path}?${query}`, signal === undefined ? {} : { signal })
      setItems([...before, ...page.items])
      setCursor(page.nextCursor)
      setTrouble('')
      setLoaded(true)
    } catch (error) {
      if (signal?.aborted !== true) setTrouble(wordsOf(error))
    }
  }
  useEffect(() => {
    const gone = new AbortController()
    void load(null, [], gone.signal)
    return () => gone.abort()
  }, [path, revision])
  return { items, trouble, isLoaded, more: cursor === null ? null : () => load(cursor, items) }
}

export function Zones() {
  const { items, trouble, isLoaded, more } = usePages<ZoneItem>('/v1/zones', overview.value?.revision)
  const [wanted, setWanted] = useState('')
  const [isImporting, setImporting] = useState(false)
  const found = items.filter(({ name }) => name.includes(wanted.trim().toLowerCase()))
  useEffect(() => {
    document.title = 'Zones – pooldns'
  }, [])
  return (
    <section aria-labelledby="zones">
      <div class="heading">
        <h1 id="zones">Zones</h1>
        <input
          type="search"
          class="find"
          aria-label="Find a zone"
          placeholder="Find a zone"
          value={wanted}
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
        {may('write') ? (
          <button type="button" onClick={() => setImporting(true)}>
            Import a zone…
          </button>
        ) : null}
      </div>
      <p class="error" role="alert">
        {trouble}
      </p>
      {isImporting ? (
        <ImportZone
          apex={null}
          done={(_, apex) => go(linkTo.zone(apex))}
          cancel={() => setImporting(false)}
        />
      ) : null}
      {isLoaded && found.length === 0 ? <p>None.</p> : null}
      <ul class="rows">
        {found.map(({ name, status }) => (
          <li key={name} class="row">
            <a class="name" href={linkTo.zone(name)}>
              {name}
            </a>
            <span class="why">{status?.serial === undefined ? '' : `serial ${status.serial}`}</span>
          </li>
        ))}
      </ul>
      {more === null ? null : (
        <button type="button" onClick={() => void more()}>
          More zones
        </button>
      )}
    </section>
  )
}
