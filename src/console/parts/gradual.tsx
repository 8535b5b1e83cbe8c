/** Changes that move weights step by step: watched, paused, taken back. What moves answers is asked about first. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { OverviewReply } from '../../controlplane/api/operations/overview.ts'
import { ask, may, path, wordsOf } from '../api.ts'
import { clock, percent } from '../format.ts'
import { refresh } from '../live.ts'

type Change = OverviewReply['gradualChanges'][number]

/** `to`: where it moves the answers at once. */
const acts = [
  { verb: 'pause', name: 'Pause', phases: ['running'], to: null },
  { verb: 'resume', name: 'Go on', phases: ['paused'], to: null },
  { verb: 'go-back', name: 'Take back', phases: ['running', 'paused'], to: 'before' },
  { verb: 'finish', name: 'Finish at once', phases: ['running', 'paused'], to: 'after' },
] as const
/** Shares that a dialog lists. */
const mostMoves = 12

type Act = (typeof acts)[number]
type Move = Extract<Act, { to: string }>

export function Gradual({ changes }: { readonly changes: readonly Change[] }) {
  const [trouble, setTrouble] = useState('')
  const [asked, setAsked] = useState<{ readonly id: number; readonly move: Move } | null>(null)
  if (changes.length === 0) return null
  const moved = changes.find(({ id }) => id === asked?.id)
  const tell = async (id: number, verb: string) => {
    setTrouble('')
    try {
      await ask(path`/v1/gradual-changes/${id}/${verb}`, { method: 'POST' })
      refresh()
    } catch (error) {
      setTrouble(wordsOf(error))
    }
  }
  const press = (id: number, act: Act) => {
    if (act.to === null) void tell(id, act.verb)
    else setAsked({ id, move: act })
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
                .map((act) => (
                  <button key={act.verb} type="button" onClick={() => press(change.id, act)}>
                    {act.name}
                    {act.to === null ? '' : '…'}
                    <span class="unseen"> change {change.id}</span>
                  </button>
                ))}
            </div>
          </li>
        ))}
      </ul>
      {asked === null || moved === undefined ? null : (
        <Confirm
          key={asked.id}
          change={moved}
          move={asked.move}
          close={(isMeant) => {
            setAsked(null)
            if (isMeant) void tell(asked.id, asked.move.verb)
          }}
        />
      )}
    </section>
  )
}

interface ConfirmProps {
  readonly change: Change
  readonly move: Move
  readonly close: (isMeant: boolean) => void
}

function Confirm({ change, move, close }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  const shares = change.parts.flatMap(({ name, shares }) => shares.map((share) => ({ ...share, part: name })))
  const moving = shares.filter((share) => share.now !== share[move.to])
  return (
    <dialog ref={dialog} aria-labelledby="move-title" onClose={() => close(false)}>
      <div class="act">
        <h2 id="move-title">
          {move.name}: change {change.id}
        </h2>
        <section class="foreseen" aria-label="What it will do">
          <h3>What it will do, at once</h3>
          {moving.length === 0 ? <p>It moves no answer.</p> : null}
          <ul>
            {moving.slice(0, mostMoves).map((share) => (
              <li key={`${share.part} ${share.name}`}>
                {share.part}: {share.name} {percent(share.now)} → {percent(share[move.to])}
              </li>
            ))}
          </ul>
          {moving.length > mostMoves ? <p>And {moving.length - mostMoves} more.</p> : null}
        </section>
        <div class="buttons">
          <button type="button" onClick={() => close(false)}>
            Cancel
          </button>
          <button type="button" class="primary" onClick={() => close(true)}>
            {move.name}
          </button>
        </div>
      </div>
    </dialog>
  )
}
