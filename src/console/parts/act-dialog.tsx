/**
 * Says a word on a member. Three steps in one dialog: what, why and until when; what it will do to answers, by the code that answers;
 * and, once it is said, when it is safe.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { EffectReply } from '../../controlplane/api/operations/override-preview.ts'
import {
  acting,
  heldTarget,
  nameOf,
  type OverrideReply,
  readOverride,
  say,
  type Target,
  takeBack,
  tryWord,
  type Word,
} from '../acts.ts'
import { may, wordsOf } from '../api.ts'
import { EffectText } from './effect.tsx'
import { SafeAt } from './safe-at.tsx'
import { WhyAndUntil } from './why.tsx'

const acts = [
  {
    word: 'drain',
    name: 'Drain',
    does: 'No new answers have it; you are told when no cache has it any more.',
  },
  { word: 'down', name: 'Force down', does: 'Take it for down, whatever its probes say.' },
  { word: 'up', name: 'Force up', does: 'Answer with it, whatever its probes say.' },
] as const

export function ActDialog() {
  const target = acting.value
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (target !== null && dialog.current?.open === false) dialog.current.showModal()
  }, [target])
  if (target === null) return null
  const close = () => dialog.current?.close()
  const key = `${target.pool}/${target.member}`
  return (
    <dialog ref={dialog} aria-labelledby="act-title" onClose={forget}>
      <Act key={key} target={target} close={close} />
    </dialog>
  )
}

function forget(): void {
  acting.value = null
}

type Done =
  | { readonly kind: 'said'; readonly override: OverrideReply; readonly behind: string | null }
  | {
      readonly kind: 'taken-back'
    }

function Act({ target, close }: { readonly target: Target; readonly close: () => void }) {
  const { held } = target
  const [word, setWord] = useState<Word | null>(target.word)
  const [reason, setReason] = useState('')
  const [minutes, setMinutes] = useState<number | null>(60)
  const [done, setDone] = useState<Done | null>(null)
  const [trouble, setTrouble] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [isMissing, setMissing] = useState(false)
  const why = useRef<HTMLInputElement>(null)
  const whom = word === null && held !== null ? { ...target, ...heldTarget(held) } : target
  const attempt = async (work: () => Promise<Done>) => {
    setBusy(true)
    setTrouble('')
    try {
      setDone(await work())
    } catch (error) {
      setTrouble(wordsOf(error))
    }
    setBusy(false)
  }
  const undo = (of: Pick<Target, 'pool' | 'member'>) =>
    attempt(async () => {
      await takeBack(of)
      return { kind: 'taken-back' }
    })
  const submit = (event: Event) => {
    event.preventDefault()
    if (word === null) return void undo(whom)
    if (reason.trim() === '') {
      setMissing(true)
      why.current?.focus()
      return
    }
    void attempt(async () => ({ kind: 'said', ...(await say(target, { state: word, reason, minutes })) }))
  }
  if (done !== null) return <Outcome {...{ done, target: whom, trouble, isBusy, undo, close }} />
  const verb = acts.find((each) => each.word === word)?.name ?? 'Take back'
  return (
    <form onSubmit={submit} class="act">
      <h2 id="act-title">{nameOf(target)}</h2>
      <fieldset>
        <legend>What</legend>
        {acts.map((each) => (
          <label key={each.word} class="choice">
            <input
              type="radio"
              name="word"
              checked={word === each.word}
              onChange={() => setWord(each.word)}
            />
            <span>
              <b>{each.name}</b> <small>{each.does}</small>
            </span>
          </label>
        ))}
        {held === null ? null : (
          <label class="choice">
            <input type="radio" name="word" checked={word === null} onChange={() => setWord(null)} />
            <span>
              <b>Take back</b> <small>What the probes say counts again, for {held.pattern}.</small>
            </span>
          </label>
        )}
      </fieldset>
      {word === null || !may('override') ? null : (
        <WhyAndUntil
          {...{ reason, setReason, minutes, setMinutes }}
          isMissing={isMissing && reason.trim() === ''}
          field={why}
        />
      )}
      <Foreseen whom={whom} word={word} />
      <p class="error" role="alert">
        {trouble}
      </p>
      <div class="buttons">
        <button type="button" onClick={close}>
          {may('override') ? 'Cancel' : 'Close'}
        </button>
        {may('override') ? (
          <button type="submit" class="primary" disabled={isBusy}>
            {isBusy ? 'Waiting until it is served…' : `${verb} ${nameOf(whom)}`}
          </button>
        ) : null}
      </div>
    </form>
  )
}

/** What will be answered. */
function Foreseen({ whom, word }: { readonly whom: Target; readonly word: Word | null }) {
  const [effect, setEffect] = useState<EffectReply | string | null>(null)
  const { pool, member } = whom
  useEffect(() => {
    const gone = new AbortController()
    setEffect(null)
    tryWord({ pool, member }, word, gone.signal)
      .then(setEffect)
      .catch((error: unknown) => {
        if (!gone.signal.aborted) setEffect(`It can't be told: ${wordsOf(error)}`)
      })
    return () => gone.abort()
  }, [pool, member, word])
  return (
    <section class="foreseen" aria-live="polite" aria-label="What it will do">
      <h3>What it will do</h3>
      {effect === null ? (
        <p>Looking…</p>
      ) : typeof effect === 'string' ? (
        <p>{effect}</p>
      ) : (
        <EffectText effect={effect} />
      )}
    </section>
  )
}

interface OutcomeProps {
  readonly done: Done
  readonly target: Pick<Target, 'pool' | 'member'>
  readonly trouble: string
  readonly isBusy: boolean
  readonly undo: (of: Pick<Target, 'pool' | 'member'>) => void
  readonly close: () => void
}

function Outcome({ done, target, trouble, isBusy, undo, close }: OutcomeProps) {
  const closing = useRef<HTMLButtonElement>(null)
  useEffect(() => closing.current?.focus(), [])
  return (
    <div class="act">
      <h2 id="act-title">{nameOf(target)}</h2>
      <div role="status">
        {done.kind === 'taken-back' ? (
          <p>The override is taken back: what the probes say counts again.</p>
        ) : (
          <Said override={done.override} behind={done.behind} target={target} />
        )}
      </div>
      <p class="error" role="alert">
        {trouble}
      </p>
      <div class="buttons">
        {done.kind === 'said' ? (
          <button type="button" disabled={isBusy} onClick={() => undo(target)}>
            Take it back
          </button>
        ) : null}
        <button type="button" class="primary" ref={closing} onClick={close}>
          Close
        </button>
      </div>
    </div>
  )
}

function Said({
  override,
  behind,
  target,
}: {
  readonly override: OverrideReply
  readonly behind: string | null
  readonly target: Pick<Target, 'pool' | 'member'>
}) {
  const [newest, setNewest] = useState(override)
  const { pool, member } = target
  useEffect(() => {
    if (override.state !== 'drain') return
    const timer = setInterval(() => {
      readOverride({ pool, member })
        .then(setNewest)
        .catch(() => undefined)
    }, 2_000)
    return () => clearInterval(timer)
  }, [override, pool, member])
  const { state, status } = newest
  const what = { drain: 'Drained.', down: 'Forced down.', up: 'Forced up.' }[state]
  return (
    <>
      <p>
        <strong>{what}</strong>{' '}
        {status.pending === true
          ? 'The database is away: this node has taken it, the others hear of it later.'
          : ''}
        {behind === null ? '' : `These nodes do not answer by it yet: ${behind}.`}
      </p>
      {state === 'drain' ? <SafeAt status={status} isLarge /> : null}
    </>
  )
}
