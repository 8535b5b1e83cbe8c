/** One RRset: changed, tried, and saved once one has seen what that will do. */
import { Fragment } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, ask, conditionOf, get, path, wordsOf } from '../api.ts'
import { span } from '../format.ts'
import { Field } from './field.tsx'
import type { PlanReply } from './plan.tsx'
import { Planned } from './planned.tsx'

export interface Rrset {
  readonly name: string
  readonly type: string
  readonly ttl?: string | number
  readonly data: readonly string[]
}

interface Props {
  readonly apex: string
  /** One of which at least the name and the type are still so; null for a new one. */
  readonly rrset: Rrset | null
  readonly done: (told: string) => void
  readonly cancel: () => void
}

/** What is changed: what was seen, which may be another by now. */
interface Read {
  /** Counts them: what was typed goes when it is read again. */
  readonly nth: number
  readonly etag: string | null
  readonly rrset: Pick<Rrset, 'ttl' | 'data'>
}

/** What was tried: an RRset as it is to be, or null for its end. */
interface Tried {
  readonly name: string
  readonly type: string
  readonly body: { readonly ttl?: string; readonly data: readonly string[] } | null
  readonly plan: PlanReply & { readonly forgottenAfterSeconds?: number }
}

const pathOf = (apex: string, name: string, type: string) => path`/v1/zones/${apex}/rrsets/${name}/${type}`

/** Nothing is to be changed but what was read, and with the ETag of that. */
export function RrsetForm({ apex, rrset, done, cancel }: Props) {
  const [problems, setProblems] = useState<ApiError['problems']>([])
  const [trouble, setTrouble] = useState('')
  const [read, setRead] = useState<Read | null>(null)
  const [tried, setTried] = useState<Tried | null>(null)
  const reads = useRef(0)
  const form = useRef<HTMLFormElement>(null)
  const isReady = rrset === null || read !== null
  const condition = () => conditionOf(rrset === null ? null : { etag: read?.etag ?? null })
  const attempt = async (work: () => Promise<void>) => {
    setProblems([])
    setTrouble('')
    try {
      await work()
    } catch (error) {
      setTried(null)
      setTrouble(wordsOf(error))
      if (error instanceof ApiError) setProblems(error.problems)
    }
  }
  const load = (signal: AbortSignal | null = null) =>
    attempt(async () => {
      if (rrset === null) return
      setTried(null)
      setRead(null)
      try {
        const response = await ask(pathOf(apex, rrset.name, rrset.type), { signal })
        const found = (await response.json()) as Rrset
        setRead({ nth: ++reads.current, etag: response.headers.get('etag'), rrset: found })
      } catch (error) {
        if (signal?.aborted !== true) throw error
      }
    })
  useEffect(() => {
    const gone = new AbortController()
    void load(gone.signal)
    return () => gone.abort()
  }, [])
  useEffect(() => {
    form.current?.querySelector<HTMLElement>('input, textarea')?.focus()
    form.current?.scrollIntoView({ block: 'nearest' })
  }, [read])
  const attemptPlan = ({ name, type, body }: Omit<Tried, 'plan'>) =>
    attempt(async () => {
      const json = { kind: 'rrset', name: apex, owner: name, type, body }
      const headers = condition()
      const plan = await get<Tried['plan']>('/v1/plan', { method: 'POST', json, headers, patienceMs: 60_000 })
      setTried({ name, type, body, plan })
    })
  const submit = (event: Event) => {
    event.preventDefault()
    const fields = new FormData(form.current!)
    const value = (name: string) => String(fields.get(name) ?? '').trim()
    const [name, type] =
      rrset === null ? [value('name'), value('type').toUpperCase()] : [rrset.name, rrset.type]
    if (name === '' || type === '')
      return setTrouble('An RRset has a name (@ for the zone itself) and a type.')
    const data = value('data')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
    void attemptPlan({ name, type, body: { ...(value('ttl') === '' ? {} : { ttl: value('ttl') }), data } })
  }
  const confirm = ({ name, type, body }: Tried) =>
    attempt(async () => {
      const headers = condition()
      if (body === null) await ask(pathOf(apex, name, type), { method: 'DELETE', headers })
      else await ask(pathOf(apex, name, type), { method: 'PUT', json: body, headers })
      done(body === null ? `${name} ${type} is removed.` : `${name} ${type} is saved and served.`)
    })
  const saidOf = (field: string) =>
    problems.filter(
      ({ path }) => path === field || path.startsWith(`${field}[`) || path.startsWith(`${field}.`),
    )
  const others = problems.filter(({ path }) => !/^(ttl|data|name|owner|type)\b/.test(path))
  const label = rrset === null ? 'A new RRset' : `${rrset.name} ${rrset.type}`
  return (
    <div class="card edit">
      <form ref={form} class="stack" onSubmit={submit} onInput={() => setTried(null)} aria-label={label}>
        <h2>{label}</h2>
        {rrset === null ? (
          <div class="fields">
            <Field name="name" label="Name" problems={[...saidOf('name'), ...saidOf('owner')]} />
            <Field name="type" label="Type" problems={saidOf('type')} />
          </div>
        ) : null}
        {isReady ? (
          <Fragment key={read?.nth}>
            <Field
              name="ttl"
              label="TTL (empty: the zone's)"
              value={String(read?.rrset.ttl ?? '')}
              problems={saidOf('ttl')}
            />
            <Field
              name="data"
              label="Data, a line each"
              value={read?.rrset.data.join('\n') ?? ''}
              problems={saidOf('data')}
              isLong
            />
          </Fragment>
        ) : trouble === '' ? (
          <p>Looking…</p>
        ) : null}
        <div class="error" role="alert">
          {trouble}
          {others.map(({ path, message }) => (
            <div key={path}>
              {path} {message}
            </div>
          ))}
        </div>
        <div class="buttons">
          {rrset === null ? null : (
            <>
              <button
                type="button"
                class="danger"
                disabled={!isReady}
                onClick={() => void attemptPlan({ ...rrset, body: null })}
              >
                Remove…
              </button>
              <button type="button" disabled={!isReady && trouble === ''} onClick={() => void load()}>
                Read it again
              </button>
            </>
          )}
          <button type="button" onClick={cancel}>
            Cancel
          </button>
          <button type="submit" disabled={!isReady} class={tried === null ? 'primary' : ''}>
            What would change?
          </button>
        </div>
      </form>
      {tried === null ? null : (
        <Planned
          plan={tried.plan}
          verb={tried.body === null ? `Remove ${tried.name} ${tried.type}` : 'Save'}
          isDangerous={tried.body === null}
          confirm={() => confirm(tried)}
        >
          <Caches apex={apex} tried={tried} isThere={rrset !== null} />
        </Planned>
      )}
    </div>
  )
}

function Caches({
  apex,
  tried: { name, type, body, plan },
  isThere,
}: {
  readonly apex: string
  readonly tried: Tried
  readonly isThere: boolean
}) {
  const seconds = plan.forgottenAfterSeconds
  if (!plan.changed || seconds === undefined) return null
  const full = name === '@' ? apex : name.endsWith('.') ? name : `${name}.${apex}`
  return (
    <p>
      {body === null ? `${full} has no ${type} any more` : `${full} ${type} is answered so at once`}; caches
      that asked before go on with {isThere ? 'what was' : 'there being none'} for {span(seconds * 1_000)} at
      the most.
    </p>
  )
}
