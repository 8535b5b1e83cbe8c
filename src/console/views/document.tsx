/** The configuration as text: read, changed, planned, and applied when one has seen what it will do. */
import { useEffect, useState } from 'preact/hooks'
import { ApiError, ask, conditionOf, may, wordsOf } from '../api.ts'
import { type PlanReply, PlanText } from '../parts/plan.tsx'

/** Loaded by those alone who come here: it is as large as all the rest. */
const yaml = () => import('yaml')

interface Read {
  readonly etag: string | null
  /** Whether it holds all that there is, so that what it does not name can be meant to go. */
  readonly isWhole: boolean
}

/** Characters of a document that one can still edit as a text. */
const mostCharacters = 1_000_000

/** With the RRsets of zones where they are few; else without them, and they are edited in their zones. */
async function readDocument() {
  const whole = await ask('/v1/config', { patienceMs: 60_000 }).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 409) return null
    throw error
  })
  const text = (await whole?.text()) ?? ''
  if (whole !== null && text.length <= mostCharacters) {
    return { body: JSON.parse(text) as unknown, etag: whole.headers.get('etag'), isWhole: true }
  }
  const heads = await ask('/v1/config?rrsets=false', { patienceMs: 60_000 })
  return { body: (await heads.json()) as unknown, etag: heads.headers.get('etag'), isWhole: false }
}

export function DocumentView() {
  const [read, setRead] = useState<Read | null>(null)
  const [text, setText] = useState('')
  const [plan, setPlan] = useState<{ readonly of: string; readonly reply: PlanReply } | null>(null)
  const [prune, setPrune] = useState(false)
  const [message, setMessage] = useState('')
  const [told, setTold] = useState('')
  const [trouble, setTrouble] = useState<readonly string[]>([])
  const attempt = async (work: () => Promise<void>) => {
    setTrouble([])
    setTold('')
    try {
      await work()
    } catch (error) {
      const fields =
        error instanceof ApiError ? error.problems.map(({ path, message }) => `${path}: ${message}`) : []
      setTrouble([wordsOf(error), ...fields])
    }
  }
  const load = () =>
    attempt(async () => {
      const { body, ...found } = await readDocument()
      const { stringify } = await yaml()
      setRead(found)
      setPrune(false)
      setText(stringify(body, { lineWidth: 0 }))
      setPlan(null)
    })
  useEffect(() => {
    document.title = 'Document – pooldns'
    void load()
  }, [])
  const put = async (dryRun: boolean, headers: Record<string, string>) => {
    const { parse } = await yaml()
    const query = new URLSearchParams({
      ...(dryRun ? { dryRun: 'true' } : {}),
      ...(prune ? { prune: 'true' } : {}),
      ...(dryRun || message === '' ? {} : { message }),
    })
    const response = await ask(`/v1/config?${query}`, {
      method: 'PUT',
      json: parse(text) ?? {},
      headers,
      patienceMs: 60_000,
    })
    return (await response.json()) as PlanReply
  }
  const look = () =>
    attempt(async () => {
      setPlan({ of: text, reply: await put(true, read === null ? {} : conditionOf(read)) })
    })
  const apply = () =>
    attempt(async () => {
      await put(false, conditionOf({ etag: `"${plan!.reply.revision}"` }))
      await load()
      setMessage('')
      setTold('It is applied and served.')
    })
  const isPlanned = plan !== null && plan.of === text
  return (
    <section aria-labelledby="document">
      <h1 id="document">Document</h1>
      <p>
        The configuration, as <code>pooldns apply</code> takes it. What the text does not name stays as it is
        {read?.isWhole === false
          ? '. The RRsets of zones are too many to be here.'
          : ', unless you have it removed.'}
      </p>
      <textarea
        class="document"
        aria-label="The configuration as YAML"
        spellcheck={false}
        rows={24}
        value={text}
        readOnly={!may('write')}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
      <p role="status">{told}</p>
      <div class="error" role="alert">
        {trouble.map((each) => (
          <div key={each}>{each}</div>
        ))}
      </div>
      {may('write') ? (
        <div class="buttons start">
          {read?.isWhole === true ? (
            <label class="check">
              <input
                type="checkbox"
                checked={prune}
                onChange={({ currentTarget }) => {
                  setPrune(currentTarget.checked)
                  setPlan(null)
                }}
              />
              Remove what the text does not name
            </label>
          ) : null}
          <button type="button" onClick={() => void load()}>
            Read it again
          </button>
          <button type="button" class="primary" onClick={() => void look()}>
            What would change?
          </button>
        </div>
      ) : null}
      {isPlanned ? (
        <div class="card">
          <h2>The plan</h2>
          <PlanText plan={plan.reply} />
          {plan.reply.changed ? (
            <div class="buttons">
              <label>
                Why, for the history
                <input
                  value={message}
                  maxLength={1024}
                  onInput={({ currentTarget }) => setMessage(currentTarget.value)}
                />
              </label>
              <button type="button" class="primary" onClick={() => void apply()}>
                Apply
              </button>
            </div>
          ) : null}
        </div>
      ) : null}
    </section>
  )
}
