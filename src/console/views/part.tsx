/** A service, a pool or a monitor: made, changed or removed, once one has seen what that will do. */
import { useEffect, useState } from 'preact/hooks'
import { ApiError, ask, conditionOf, get, may, wordsOf } from '../api.ts'
import { HowToApply, type Steps, startGradually } from '../parts/how-to-apply.tsx'
import { PartEditor, PartText } from '../parts/part-editor.tsx'
import type { PlanReply } from '../parts/plan.tsx'
import { Planned } from '../parts/planned.tsx'
import { go, linkTo, type PartKind } from '../router.ts'
import { differInWeights, emptyOf, isRecord, type Schema, type Schemas } from '../schema/shape.ts'

interface Read {
  readonly etag: string | null
  readonly body: unknown
  readonly effective: unknown
}

const schemaOf: Readonly<Record<PartKind, Schema>> = {
  service: { $ref: '#/Service' },
  pool: { $ref: '#/Pool' },
  monitor: { $ref: '#/Monitor' },
}

/** Fetched once, by those who come here. */
let schemas: Promise<Schemas> | undefined
function findSchemas(): Promise<Schemas> {
  schemas ??= get<{ readonly components: { readonly schemas: Schemas } }>('/openapi.json').then(
    ({ components }) => components.schemas,
    (error: unknown) => {
      schemas = undefined
      throw error
    },
  )
  return schemas
}

const pathOf = (kind: PartKind, name: string) => `/v1/${kind}s/${encodeURIComponent(name)}`

/** Without what the server tells beside. */
function bare(body: unknown): unknown {
  if (!isRecord(body)) return body
  const { status: _, members, ...rest } = body
  if (!isRecord(members)) return rest
  return {
    ...rest,
    members: Object.fromEntries(Object.entries(members).map(([name, each]) => [name, bare(each)])),
  }
}

async function read(kind: PartKind, name: string): Promise<Read> {
  const response = await ask(pathOf(kind, name), { patienceMs: 60_000 })
  const found = (await response.json()) as { readonly status?: { readonly effective?: unknown } }
  return { etag: response.headers.get('etag'), body: bare(found), effective: found.status?.effective }
}

interface Tried {
  /** As it is to be; null for its end. */
  readonly body: unknown
  readonly name: string
  readonly plan: PlanReply
}

export function PartView({ kind, name: given }: { readonly kind: PartKind; readonly name: string | null }) {
  const [found, setFound] = useState<Read | null>(null)
  const [known, setKnown] = useState<Schemas | null>(null)
  const [body, setBody] = useState<unknown>(null)
  const [name, setName] = useState(given ?? '')
  const [tried, setTried] = useState<Tried | null>(null)
  const [steps, setSteps] = useState<Steps | null>(null)
  const [problems, setProblems] = useState<ApiError['problems']>([])
  const [trouble, setTrouble] = useState('')
  const [told, setTold] = useState('')
  const title = given === null ? `New ${kind}` : `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${given}`
  const mayWrite = may('write')
  const attempt = async (work: () => Promise<void>) => {
    setProblems([])
    setTrouble('')
    setTold('')
    try {
      await work()
    } catch (error) {
      setTried(null)
      setTrouble(wordsOf(error))
      if (error instanceof ApiError) setProblems(error.problems)
    }
  }
  const load = () =>
    attempt(async () => {
      const [all, there] = await Promise.all([findSchemas(), given === null ? null : read(kind, given)])
      // All at once: what can be pressed goes by what was read.
      setKnown(all)
      setFound(there)
      setBody(there === null ? emptyOf(schemaOf[kind], all) : there.body)
      setTried(null)
    })
  useEffect(() => {
    document.title = `${title} – pooldns`
    void load()
  }, [])
  const condition = () => conditionOf(given === null ? null : { etag: found?.etag ?? null })
  const change = (next: unknown) => {
    setBody(next)
    setTried(null)
    setTold('')
  }
  const attemptPlan = (wanted: unknown) =>
    attempt(async () => {
      if (name.trim() === '') throw new Error(`Give the ${kind} a name.`)
      const json = { kind, name: name.trim(), body: wanted }
      const headers = condition()
      const plan = await get<PlanReply>('/v1/plan', { method: 'POST', json, headers, patienceMs: 60_000 })
      setSteps(null)
      setTried({ body: wanted, name: name.trim(), plan })
    })
  const confirm = (of: Tried) =>
    attempt(async () => {
      const headers = condition()
      if (of.body === null) {
        await ask(pathOf(kind, of.name), { method: 'DELETE', headers })
        go('#/settings')
        return
      }
      if (steps !== null) await startGradually(kind, of.name, of.body, of.plan.revision, steps)
      else await ask(pathOf(kind, of.name), { method: 'PUT', json: of.body, headers, patienceMs: 60_000 })
      if (given === null) return go(linkTo.part(kind, of.name))
      await load()
      setTold(steps === null ? 'It is saved and served.' : 'It has begun: the overview shows how far it is.')
    })
  return (
    <section aria-labelledby="part">
      <div class="heading">
        <h1 id="part">{title}</h1>
        {kind === 'service' && given !== null ? (
          <a href={linkTo.service(given)}>What it answers now</a>
        ) : null}
      </div>
      {given === null ? (
        <div class="schema-field">
          <label for="part-name">Name</label>
          <input
            id="part-name"
            value={name}
            placeholder={kind === 'service' ? 'www.example.test' : 'web-fra'}
            spellcheck={false}
            onInput={({ currentTarget }) => {
              setName(currentTarget.value)
              setTried(null)
            }}
          />
        </div>
      ) : null}
      {known === null ? (
        trouble === '' ? (
          <p>Looking…</p>
        ) : null
      ) : mayWrite ? (
        <PartEditor
          schema={schemaOf[kind]}
          schemas={known}
          body={body}
          effective={found?.effective}
          problems={problems}
          change={change}
        />
      ) : (
        <PartText body={found?.body} />
      )}
      <p role="status">{told}</p>
      <div class="error" role="alert">
        {trouble}
        {problems.slice(1).map(({ path, message }) => (
          <div key={`${path} ${message}`}>
            {path} {message}
          </div>
        ))}
      </div>
      {known === null && trouble !== '' ? (
        <div class="buttons">
          <button type="button" onClick={() => void load()}>
            Read it again
          </button>
        </div>
      ) : null}
      {mayWrite && known !== null ? (
        <div class="buttons">
          {given === null ? null : (
            <button type="button" class="danger" onClick={() => void attemptPlan(null)}>
              Remove…
            </button>
          )}
          <button type="button" onClick={() => (given === null ? go('#/settings') : void load())}>
            {given === null ? 'Cancel' : 'Read it again'}
          </button>
          <button
            type="button"
            class={tried === null ? 'primary' : ''}
            disabled={body === null}
            onClick={() => void attemptPlan(body)}
          >
            What would change?
          </button>
        </div>
      ) : null}
      {tried === null ? null : (
        <Planned
          plan={tried.plan}
          verb={tried.body === null ? `Remove ${kind} ${tried.name}` : steps === null ? 'Save' : 'Begin'}
          isDangerous={tried.body === null}
          confirm={() => confirm(tried)}
          how={
            tried.body !== null && differInWeights(found?.body, tried.body) ? (
              <HowToApply steps={steps} setSteps={setSteps} />
            ) : null
          }
        />
      )}
    </section>
  )
}
