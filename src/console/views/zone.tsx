/** One zone: its RRsets, found and edited, with what the API says of each field. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, ask, get, may, path, wordsOf } from '../api.ts'
import { clock, list, span } from '../format.ts'
import { overview, serverNow } from '../live.ts'
import { usePages } from './zones.tsx'

interface Rrset {
  readonly name: string
  readonly type: string
  readonly ttl?: string | number
  readonly data: readonly string[]
}

/** Rows that are shown; the search finds the others. */
const mostShown = 300

export function ZoneView({ apex }: { readonly apex: string }) {
  const { items, trouble, more } = usePages<Rrset>(path`/v1/zones/${apex}/rrsets`, overview.value?.revision)
  const [wanted, setWanted] = useState('')
  const [editing, setEditing] = useState<Rrset | 'new' | null>(null)
  const [told, setTold] = useState('')
  useEffect(() => {
    document.title = `${apex} – pooldns`
  }, [apex])
  const text = wanted.trim().toLowerCase()
  const found = items.filter((each) =>
    `${each.name} ${each.type} ${each.data.join(' ')}`.toLowerCase().includes(text),
  )
  const done = (what: string) => {
    setEditing(null)
    setTold(what)
  }
  return (
    <section aria-labelledby="zone">
      <div class="heading">
        <h1 id="zone">{apex}</h1>
        <input
          type="search"
          class="find"
          aria-label="Find RRsets"
          placeholder="Find a name, type or value"
          value={wanted}
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
        {may('write') ? (
          <button type="button" onClick={() => setEditing('new')}>
            Add an RRset
          </button>
        ) : null}
      </div>
      <Signatures apex={apex} />
      <p role="status">{told}</p>
      <p class="error" role="alert">
        {trouble}
      </p>
      {editing === null ? null : (
        <RrsetForm
          key={editing === 'new' ? 'new' : `${editing.name} ${editing.type}`}
          apex={apex}
          rrset={editing === 'new' ? null : editing}
          done={done}
          cancel={() => setEditing(null)}
        />
      )}
      <div class="scroll" tabIndex={-1}>
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Type</th>
              <th scope="col">TTL</th>
              <th scope="col">Data</th>
              {may('write') ? <th scope="col">Edit</th> : null}
            </tr>
          </thead>
          <tbody>
            {found.slice(0, mostShown).map((each) => (
              <tr key={`${each.name} ${each.type}`}>
                <th scope="row">{each.name}</th>
                <td>{each.type}</td>
                <td>{each.ttl ?? 'zone'}</td>
                <td class="data">
                  {each.data.slice(0, 8).map((value) => (
                    <div key={value}>{value}</div>
                  ))}
                  {each.data.length > 8 ? <small>and {each.data.length - 8} more</small> : null}
                </td>
                {may('write') ? (
                  <td>
                    <button type="button" onClick={() => setEditing(each)}>
                      Edit
                      <span class="unseen">
                        {' '}
                        {each.name} {each.type}
                      </span>
                    </button>
                  </td>
                ) : null}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length > mostShown ? <p>And {found.length - mostShown} more: search for them.</p> : null}
      {more === null ? null : (
        <button type="button" onClick={() => void more()}>
          Load more RRsets
        </button>
      )}
    </section>
  )
}

interface Dnssec {
  readonly enabled: boolean
  readonly status: {
    readonly keys: readonly { readonly tag: number; readonly state: string }[]
    readonly signatures: {
      readonly expiresAt: string | null
      readonly ended: boolean
      readonly trouble: string | null
    } | null
  }
}

/** Whether it is signed, and for how long that is good. */
function Signatures({ apex }: { readonly apex: string }) {
  const [found, setFound] = useState<Dnssec | null>(null)
  useEffect(() => {
    const gone = new AbortController()
    get<Dnssec>(path`/v1/zones/${apex}/dnssec`, { signal: gone.signal })
      .then(setFound)
      .catch(() => undefined)
    return () => gone.abort()
  }, [apex])
  if (found === null) return null
  if (!found.enabled) return <p>Not signed.</p>
  const { keys, signatures } = found.status
  const tags = keys.map(({ tag, state }) => `${tag} (${state})`)
  const expires = signatures?.expiresAt ?? null
  return (
    <p class={signatures === null || signatures.ended || signatures.trouble !== null ? 'error' : ''}>
      {signatures === null
        ? 'To be signed; this node has no signatures'
        : signatures.ended
          ? 'No signature is good any more: the zone is SERVFAIL'
          : 'Signed'}
      {expires === null ? '' : `, until ${clock(expires)} (${span(Date.parse(expires) - serverNow())})`}
      {signatures === null || signatures.trouble === null ? '' : `: ${signatures.trouble}`}
      {tags.length === 0 ? '' : ` · keys ${list(tags)}`}
    </p>
  )
}

interface FormProps {
  readonly apex: string
  /** Null for a new one. */
  readonly rrset: Rrset | null
  readonly done: (told: string) => void
  readonly cancel: () => void
}

function RrsetForm({ apex, rrset, done, cancel }: FormProps) {
  const [problems, setProblems] = useState<ApiError['problems']>([])
  const [trouble, setTrouble] = useState('')
  const [etag, setEtag] = useState<string | null>(null)
  const [isSure, setSure] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  const pathOf = (name: string, type: string) => path`/v1/zones/${apex}/rrsets/${name}/${type}`
  useEffect(() => {
    form.current?.querySelector<HTMLElement>('input, textarea')?.focus()
    form.current?.scrollIntoView({ block: 'nearest' })
    if (rrset === null) return
    const gone = new AbortController()
    // What is saved must be a change of what was seen.
    ask(pathOf(rrset.name, rrset.type), { signal: gone.signal })
      .then((response) => setEtag(response.headers.get('etag')))
      .catch(() => undefined)
    return () => gone.abort()
  }, [])
  const attempt = async (work: () => Promise<string>) => {
    setProblems([])
    setTrouble('')
    try {
      done(await work())
    } catch (error) {
      setTrouble(wordsOf(error))
      if (error instanceof ApiError) setProblems(error.problems)
    }
  }
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
    const condition = rrset === null ? { 'if-none-match': '*' } : etag === null ? {} : { 'if-match': etag }
    void attempt(async () => {
      await get(pathOf(name, type), {
        method: 'PUT',
        json: { ...(value('ttl') === '' ? {} : { ttl: value('ttl') }), data },
        headers: condition,
      })
      return `${name} ${type} is saved and served.`
    })
  }
  const remove = () => {
    if (!isSure) return setSure(true)
    void attempt(async () => {
      await ask(pathOf(rrset!.name, rrset!.type), {
        method: 'DELETE',
        headers: etag === null ? {} : { 'if-match': etag },
      })
      return `${rrset!.name} ${rrset!.type} is removed.`
    })
  }
  const saidOf = (field: string) =>
    problems.filter(
      ({ path }) => path === field || path.startsWith(`${field}[`) || path.startsWith(`${field}.`),
    )
  const others = problems.filter(({ path }) => !/^(ttl|data|name|owner|type)\b/.test(path))
  return (
    <form
      ref={form}
      class="card edit"
      onSubmit={submit}
      aria-label={rrset === null ? 'A new RRset' : `${rrset.name} ${rrset.type}`}
    >
      {rrset === null ? (
        <div class="fields">
          <Field name="name" label="Name" problems={[...saidOf('name'), ...saidOf('owner')]} />
          <Field name="type" label="Type" problems={saidOf('type')} />
        </div>
      ) : (
        <h2>
          {rrset.name} {rrset.type}
        </h2>
      )}
      <Field
        name="ttl"
        label="TTL (empty: the zone's)"
        value={rrset?.ttl === undefined ? '' : String(rrset.ttl)}
        problems={saidOf('ttl')}
      />
      <Field
        name="data"
        label="Data, a line each"
        value={rrset?.data.join('\n') ?? ''}
        problems={saidOf('data')}
        isLong
      />
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
          <button type="button" class="danger" onClick={remove}>
            {isSure ? `Yes, remove ${rrset.name} ${rrset.type}` : 'Remove'}
          </button>
        )}
        <button type="button" onClick={cancel}>
          Cancel
        </button>
        <button type="submit" class="primary">
          Save
        </button>
      </div>
    </form>
  )
}

interface FieldProps {
  readonly name: string
  readonly label: string
  readonly value?: string
  readonly problems: ApiError['problems']
  readonly isLong?: boolean
}

/** Keeps what was typed: it is written once, and read from the form. */
function Field({ name, label, value = '', problems, isLong = false }: FieldProps) {
  const id = `field-${name}`
  const shared = {
    id,
    name,
    defaultValue: value,
    spellcheck: false,
    'aria-invalid': problems.length > 0,
    'aria-describedby': `${id}-trouble`,
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {isLong ? <textarea {...shared} rows={4} /> : <input {...shared} />}
      <p id={`${id}-trouble`} class="error">
        {problems.map(({ path, message }) => `${path === name ? '' : `${path}: `}${message}`).join('; ')}
      </p>
    </div>
  )
}
