/** A zone as a master file: fetched, or tried and taken. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, ask, path, wordsOf } from '../api.ts'
import { count } from '../format.ts'
import { Changes } from './plan.tsx'

/** Problems and warnings that are shown. */
const mostShown = 50

export function ExportZone({ apex }: { readonly apex: string }) {
  const [trouble, setTrouble] = useState('')
  const fetchFile = async () => {
    setTrouble('')
    try {
      // Not by a link: whoever asks by the session says that it is the console.
      const response = await ask(path`/v1/zones/${apex}/zonefile`, { patienceMs: null })
      const url = URL.createObjectURL(await response.blob())
      const link = document.createElement('a')
      link.href = url
      link.download = `${apex === '.' ? 'root' : apex}.zone`
      link.click()
      setTimeout(() => URL.revokeObjectURL(url), 60_000)
    } catch (error) {
      setTrouble(wordsOf(error))
    }
  }
  return (
    <>
      <button type="button" onClick={() => void fetchFile()}>
        Export
      </button>
      <span class="error" role="alert">
        {trouble}
      </span>
    </>
  )
}

interface Rrset {
  readonly ttl?: string | number
  readonly data: readonly string[]
}

interface Imported {
  readonly status: {
    readonly serial: number
    readonly rrsets: number
    readonly changed: boolean
    readonly changes: readonly {
      readonly name: string
      readonly action: 'put' | 'delete'
      readonly before?: Rrset
      readonly after?: Rrset
    }[]
    readonly moreChanges: number
    readonly warnings: readonly { readonly line?: number; readonly message: string }[]
  }
}

interface Tried {
  readonly apex: string
  readonly file: File
  /** The zone that it was tried on; null where there is none. */
  readonly etag: string | null
  readonly found: Imported['status']
}

interface Props {
  /** Null for a zone that is to be named. */
  readonly apex: string | null
  readonly done: (told: string, apex: string) => void
  readonly cancel: () => void
}

export function ImportZone({ apex: given, done, cancel }: Props) {
  const [tried, setTried] = useState<Tried | null>(null)
  const [trouble, setTrouble] = useState<readonly string[]>([])
  const [isBusy, setBusy] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  useEffect(() => {
    form.current?.querySelector('input')?.focus()
    form.current?.scrollIntoView({ block: 'nearest' })
  }, [])
  const attempt = async (work: () => Promise<void>) => {
    setTrouble([])
    setBusy(true)
    try {
      await work()
    } catch (error) {
      setTried(null)
      const places = error instanceof ApiError ? error.problems : []
      setTrouble([wordsOf(error), ...places.map(({ path, message }) => `${path}: ${message}`)])
    }
    setBusy(false)
  }
  const submit = (event: Event) => {
    event.preventDefault()
    const fields = new FormData(form.current!)
    const apex = given ?? String(fields.get('apex')).trim()
    const file = fields.get('file') as File
    if (apex === '') return setTrouble(['Say which zone it is.'])
    if (file.name === '') return setTrouble(['Choose a file.'])
    void attempt(async () => {
      const etag = await etagOf(apex)
      setTried({ apex, file, etag, found: (await send(apex, file, etag, true)).status })
    })
  }
  const take = ({ apex, file, etag }: Tried) =>
    attempt(async () => {
      const { status } = await send(apex, file, etag, false)
      done(`${apex} is imported and served: ${count(status.rrsets, 'RRset')}, serial ${status.serial}.`, apex)
    })
  const label = given === null ? 'Import a zone' : `Import ${given}`
  return (
    <div class="card edit">
      <form ref={form} class="stack" onSubmit={submit} onInput={() => setTried(null)} aria-label={label}>
        <h2>{label}</h2>
        <div class="fields">
          {given === null ? (
            <label>
              Zone
              <input name="apex" placeholder="example.test" spellcheck={false} />
            </label>
          ) : null}
          <label>
            Master file (RFC 1035): all of the zone
            <input type="file" name="file" accept=".zone,.db,.txt,text/dns,text/plain" />
          </label>
        </div>
        <div class="error" role="alert">
          {trouble.slice(0, mostShown).map((each) => (
            <div key={each}>{each}</div>
          ))}
          {trouble.length > mostShown ? <div>And {trouble.length - mostShown} more.</div> : null}
        </div>
        <div class="buttons">
          <button type="button" onClick={cancel}>
            Cancel
          </button>
          <button type="submit" class={tried === null ? 'primary' : ''} disabled={isBusy}>
            {isBusy && tried === null ? 'Reading it…' : 'What would change?'}
          </button>
        </div>
      </form>
      {tried === null ? null : <Plan tried={tried} isBusy={isBusy} take={() => void take(tried)} />}
    </div>
  )
}

async function etagOf(apex: string): Promise<string | null> {
  try {
    return (await ask(path`/v1/zones/${apex}`, { method: 'HEAD' })).headers.get('etag')
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null
    throw error
  }
}

async function send(apex: string, file: File, etag: string | null, isDry: boolean): Promise<Imported> {
  const response = await ask(`${path`/v1/zones/${apex}/zonefile`}${isDry ? '?dryRun=true' : ''}`, {
    method: 'PUT',
    file,
    headers: etag === null ? { 'if-none-match': '*' } : { 'if-match': etag },
    patienceMs: null,
  })
  return (await response.json()) as Imported
}

interface PlanProps {
  readonly tried: Tried
  readonly isBusy: boolean
  readonly take: () => void
}

function Plan({ tried: { apex, etag, found }, isBusy, take }: PlanProps) {
  const section = useRef<HTMLElement>(null)
  useEffect(() => section.current?.focus(), [found])
  const { changed, changes, moreChanges, rrsets, warnings } = found
  const told = changes.map(({ name, action, before, after }) => ({
    kind: 'RRset',
    name,
    // Of a large file nobody says whether it was there.
    action:
      action === 'delete' ? 'remove' : before !== undefined ? 'change' : after !== undefined ? 'add' : 'put',
    fields: [{ path: '', before, after }],
  }))
  const isNew = etag === null
  return (
    <section ref={section} class="planned" tabIndex={-1} aria-label="The plan">
      <h2>What would change</h2>
      {!changed ? <p>Nothing changes: the zone is so already.</p> : null}
      {isNew ? <p>{apex} is a new zone here.</p> : null}
      {changed ? (
        <>
          <p>
            {count(changes.length + moreChanges, 'RRset')} of {rrsets.toLocaleString('en')} put or removed.
          </p>
          <Changes changes={told} />
          {moreChanges > 0 ? <p>And {moreChanges.toLocaleString('en')} more.</p> : null}
        </>
      ) : null}
      {warnings.length === 0 ? null : (
        <>
          <h3>Worth a look</h3>
          <ul>
            {warnings.slice(0, mostShown).map(({ line, message }) => (
              <li key={`${line} ${message}`}>
                {line === undefined ? '' : `Line ${line}: `}
                {message}
              </li>
            ))}
          </ul>
        </>
      )}
      {changed ? (
        <div class="buttons">
          <button type="button" class="primary" disabled={isBusy} onClick={take}>
            {isBusy ? 'Waiting until it is served…' : isNew ? `Make ${apex}` : `Replace ${apex}`}
          </button>
        </div>
      ) : null}
    </section>
  )
}
