import { useEffect } from 'preact/hooks'
import { clock } from '../format.ts'
import { overview } from '../live.ts'
import { linkTo } from '../router.ts'
import { usePages } from './zones.tsx'

export interface Revision {
  readonly revision: number
  readonly at: string
  readonly actor: string
  readonly source: string
  readonly message: string | null
}

/** Who changed what, newest first. */
export function History() {
  const { items, trouble, more } = usePages<Revision>('/v1/revisions', overview.value?.revision)
  useEffect(() => {
    document.title = 'History – pooldns'
  }, [])
  return (
    <section aria-labelledby="history">
      <h1 id="history">History</h1>
      <p class="error" role="alert">
        {trouble}
      </p>
      <ul class="rows">
        {items.map(({ revision, at, actor, source, message }) => (
          <li key={revision} class="row">
            <a class="name" href={linkTo.revision(revision)}>
              Revision {revision}
            </a>
            <time dateTime={at}>{clock(at)}</time>
            <span>
              {actor} <small>by {source}</small>
            </span>
            <span class="why">{message ?? ''}</span>
          </li>
        ))}
      </ul>
      {more === null ? null : (
        <button type="button" onClick={() => void more()}>
          Older ones
        </button>
      )}
    </section>
  )
}
