/** Changes that move weights step by step: watched, paused, taken back. */
import { useState } from 'preact/hooks'
import type { OverviewReply } from '../../controlplane/api/operations/overview.ts'
import { ask, may, path, wordsOf } from '../api.ts'
import { clock, percent } from '../format.ts'
import { refresh } from '../live.ts'

type Change = OverviewReply['gradualChanges'][number]

const acts = [
  { verb: 'pause', name: 'Pause', phases: ['running'] },
  { verb: 'resume', name: 'Go on', phases: ['paused'] },
  { verb: 'go-back', name: 'Take back', phases: ['running', 'paused'] },
  { verb: 'finish', name: 'Finish at once', phases: ['running', 'paused'] },
] as const

export function Gradual({ changes }: { readonly changes: readonly Change[] }) {
  const [trouble, setTrouble] = useState('')
  if (changes.length === 0) return null
  const tell = async (id: number, verb: string) => {
    setTrouble('')
    try {
      await ask(path`/v1/gradual-changes/${id}/${verb}`, { method: 'POST' })
      refresh()
    } catch (error) {
      setTrouble(wordsOf(error))
    }
  }
  return (
    <section aria-labelledby="gradual">
      <h2 id="gradual">Gradual changes</h2>
      <p class="error" role="alert">
        {trouble}
      </p>
      <ul class="cards">
        {changes.map((change) => (
          <li key={change.id} class="card">
            <p>
              <strong>Change {change.id}</strong>: {change.phase}, {change.percent} % of the way
              {change.nextAt === null ? '' : `, next step at ${clock(change.nextAt)}`}
            </p>
            <p>
              {change.actor}
              {change.message === null ? '' : `: ${change.message}`}
              {change.reason === null ? '' : ` · ${change.reason}`}
            </p>
            <ul>
              {change.parts.flatMap(({ name, shares }) =>
                shares.slice(0, 6).map((share) => (
                  <li key={`${name} ${share.name}`}>
                    {name}: {share.name} {percent(share.before)} → {percent(share.after)}, now{' '}
                    {percent(share.now)}
                  </li>
                )),
              )}
            </ul>
            <div class="buttons start">
              {(may('write') ? acts : [])
                .filter(({ phases }) => (phases as readonly string[]).includes(change.phase))
                .map(({ verb, name }) => (
                  <button key={verb} type="button" onClick={() => void tell(change.id, verb)}>
                    {name}
                    <span class="unseen"> change {change.id}</span>
                  </button>
                ))}
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}
