/** What a revision changed, and the way back to it. */
import type { ComponentProps } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { ask, get, may, path, wordsOf } from '../api.ts'
import { clock } from '../format.ts'
import { overview } from '../live.ts'
import { Changes, type PlanReply, PlanText } from '../parts/plan.tsx'
import type { Revision } from './history.tsx'

type Seen = Revision & ComponentProps<typeof Changes> & { readonly more: number }

export function RevisionView({ revision }: { readonly revision: number }) {
  const [seen, setSeen] = useState<Seen | null>(null)
  const [trouble, setTrouble] = useState('')
  useEffect(() => {
    document.title = `Revision ${revision} – pooldns`
    const gone = new AbortController()
    get<Seen>(path`/v1/revisions/${revision}`, { signal: gone.signal })
      .then(setSeen)
      .catch((error: unknown) => {
        if (!gone.signal.aborted) setTrouble(wordsOf(error))
      })
    return () => gone.abort()
  }, [revision])
  return (
    <section aria-labelledby="revision">
      <h1 id="revision">Revision {revision}</h1>
      <p class="error" role="alert">
        {trouble}
      </p>
      {seen === null ? null : (
        <>
          <p>
            {clock(seen.at)} · {seen.actor} <small>by {seen.source}</small>
            {seen.message === null ? '' : ` · ${seen.message}`}
          </p>
          <Changes changes={seen.changes} />
          {seen.more > 0 ? <p>And {seen.more} changes more.</p> : null}
        </>
      )}
      {may('write') && overview.value !== null && overview.value.revision > revision ? (
        <Return revision={revision} />
      ) : null}
    </section>
  )
}

/** The way back: what it would change first. */
function Return({ revision }: { readonly revision: number }) {
  const [plan, setPlan] = useState<PlanReply | null>(null)
  const [told, setTold] = useState('')
  const [trouble, setTrouble] = useState('')
  const attempt = async (work: () => Promise<void>) => {
    setTrouble('')
    setTold('')
    try {
      await work()
    } catch (error) {
      setTrouble(wordsOf(error))
    }
  }
  const url = path`/v1/revisions/${revision}/rollback`
  const look = () =>
    attempt(async () => {
      setPlan(await get<PlanReply>(`${url}?dryRun=true`, { method: 'POST', patienceMs: 60_000 }))
    })
  const roll = () =>
    attempt(async () => {
      await ask(url, {
        method: 'POST',
        headers: { 'if-match': `"${plan!.revision}"` },
        patienceMs: 60_000,
      })
      setPlan(null)
      setTold(`The configuration is that of revision ${revision} again.`)
    })
  return (
    <div class="return">
      <p role="status">{told}</p>
      <p class="error" role="alert">
        {trouble}
      </p>
      {plan === null ? (
        <button type="button" onClick={() => void look()}>
          What would a return to revision {revision} change?
        </button>
      ) : (
        <div class="card">
          <h2>A return to revision {revision}</h2>
          <PlanText plan={plan} />
          <div class="buttons">
            <button type="button" onClick={() => setPlan(null)}>
              Cancel
            </button>
            {plan.changed ? (
              <button type="button" class="primary" onClick={() => void roll()}>
                Return to revision {revision}
              </button>
            ) : null}
          </div>
        </div>
      )}
    </div>
  )
}
