/** An operator's word on a service where it stands in a pool's place: said, seen and taken back. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { OverviewReply } from '../../controlplane/api/operations/overview.ts'
import { sayOfService, takeServiceBack, type Word } from '../acts.ts'
import { get, may, path, wordsOf } from '../api.ts'
import { clock } from '../format.ts'
import { overview } from '../live.ts'
import { State } from './state.tsx'
import { WhyAndUntil } from './why.tsx'

type Said = Omit<OverviewReply['serviceOverrides'][number], 'service'>

const words = [
  { word: 'drain', name: 'Drain', does: 'The services that name it choose among their others.' },
  { word: 'down', name: 'Force down', does: 'They take it for down, whatever its pools are.' },
  { word: 'up', name: 'Force up', does: 'They take it for up, whatever its pools are.' },
] as const

export function ServiceWord({ name }: { readonly name: string }) {
  const [said, setSaid] = useState<Said | null>(null)
  const revision = overview.value?.revision
  const inForce = overview.value?.serviceOverrides.length
  useEffect(() => {
    const gone = new AbortController()
    get<{ readonly status?: { readonly override?: Said | null } }>(path`/v1/services/${name}`, {
      signal: gone.signal,
    })
      .then(({ status }) => setSaid(status?.override ?? null))
      .catch(() => undefined)
    return () => gone.abort()
  }, [name, revision, inForce])
  if (said === null && !may('override')) return null
  return (
    <section>
      <details open={said !== null || undefined}>
        <summary>
          <h2>Where other services name it</h2>
        </summary>
        <div class="stack">
          <p>
            This is for services that have {name} in the place of a pool. Who asks for {name} itself is
            answered as ever.
          </p>
          {said === null ? <Say name={name} /> : <InForce name={name} said={said} />}
        </div>
      </details>
    </section>
  )
}

function InForce({
  name,
  said: { state, reason, until, status },
}: {
  readonly name: string
  readonly said: Said
}) {
  return (
    <>
      <p>
        <State state={state} held /> {reason === '' ? 'No reason given' : reason} – {status.actor},{' '}
        {until === null ? 'until it is taken back' : `until ${clock(until)}`}
      </p>
      {may('override') ? <TakeServiceBack name={name} /> : null}
    </>
  )
}

export function TakeServiceBack({ name }: { readonly name: string }) {
  const [trouble, setTrouble] = useState('')
  const press = () => takeServiceBack(name).catch((error: unknown) => setTrouble(wordsOf(error)))
  return (
    <>
      <button type="button" class="start" onClick={() => void press()}>
        Take back<span class="unseen"> what holds service {name}</span>
      </button>
      <span class="error" role="alert">
        {trouble}
      </span>
    </>
  )
}

function Say({ name }: { readonly name: string }) {
  const [word, setWord] = useState<Word | null>(null)
  const [reason, setReason] = useState('')
  const [minutes, setMinutes] = useState<number | null>(60)
  const [isMissing, setMissing] = useState(false)
  const [trouble, setTrouble] = useState('')
  const why = useRef<HTMLInputElement>(null)
  if (word === null) {
    return (
      <div class="buttons start">
        {words.map(({ word, name: verb }) => (
          <button key={word} type="button" onClick={() => setWord(word)}>
            {verb}…<span class="unseen"> service {name}</span>
          </button>
        ))}
      </div>
    )
  }
  const { name: verb, does } = words.find((each) => each.word === word)!
  const submit = async (event: Event) => {
    event.preventDefault()
    if (reason.trim() === '') {
      setMissing(true)
      why.current?.focus()
      return
    }
    setTrouble('')
    try {
      await sayOfService(name, { state: word, reason, minutes })
    } catch (error) {
      setTrouble(wordsOf(error))
    }
  }
  return (
    <form class="stack" onSubmit={submit} noValidate aria-label={`${verb} service ${name}`}>
      <p>{does}</p>
      <WhyAndUntil
        {...{ reason, setReason, minutes, setMinutes }}
        isMissing={isMissing && reason.trim() === ''}
        field={why}
      />
      <p class="error" role="alert">
        {trouble}
      </p>
      <div class="buttons start">
        <button type="submit" class="primary">
          {verb} service {name}
        </button>
        <button type="button" onClick={() => setWord(null)}>
          Cancel
        </button>
      </div>
    </form>
  )
}
