/** Objects, maps and lists of a document in a form. Of an object only the fields that are there are shown; the others can be added. */
import { useContext, useState } from 'preact/hooks'
import type { ApiError } from '../api.ts'
import { type FieldProps, FormContext, idOf, Remove, Trouble } from './form-context.tsx'
import {
  type Alternative,
  alternativeOf,
  carriedTo,
  emptyOf,
  isRecord,
  isWithin,
  joinPath,
  resolved,
  type Schema,
  type Shape,
  shapeOf,
} from './shape.ts'

/** Entries of a map or a list that are shown; of more one is found by its name. */
const mostShown = 25

type Group = Pick<FieldProps, 'path' | 'label' | 'remove' | 'schema'> & {
  readonly children: preact.ComponentChildren
}

function FieldGroup({ path, label, remove, schema, children }: Group) {
  const { schemas } = useContext(FormContext)
  if (path === '') return <div class="schema-group whole">{children}</div>
  return (
    <fieldset class="schema-group" aria-describedby={`${idOf(path)}-trouble`}>
      <legend>
        {label} <Remove remove={remove} what={path} />
      </legend>
      <small>{resolved(schema, schemas).description ?? ''}</small>
      <Trouble path={path} />
      {children}
    </fieldset>
  )
}

const without = (value: Readonly<Record<string, unknown>>, name: string) =>
  Object.fromEntries(Object.entries(value).filter(([each]) => each !== name))

export function ObjectField(props: FieldProps & { readonly shape: Extract<Shape, { kind: 'object' }> }) {
  const { path, value, set, shape, effective } = props
  const { schemas, Field } = useContext(FormContext)
  const [wanted, setWanted] = useState('')
  const there = isRecord(value) ? value : {}
  const holds = isRecord(effective) ? effective : {}
  // What can be one word alone says what this is, and is chosen around it.
  const fields = shape.fields.filter(([, schema]) => {
    const each = shapeOf(schema, schemas)
    return each.kind !== 'words' || each.words.length > 1
  })
  const isShown = (name: string) => Object.hasOwn(there, name) || shape.required.has(name)
  const absent = fields.filter(([name]) => !isShown(name))
  const choice = absent.find(([name]) => name === wanted) ?? absent[0]
  const add = () => {
    if (choice === undefined) return
    set({ ...there, [choice[0]]: emptyOf(choice[1], schemas) })
    focusSoon(joinPath(path, choice[0]))
  }
  return (
    <FieldGroup {...props}>
      {fields
        .filter(([name]) => isShown(name))
        .map(([name, schema]) => (
          <Field
            key={name}
            schema={schema}
            path={joinPath(path, name)}
            label={name}
            value={there[name]}
            set={(next) => set({ ...there, [name]: next })}
            remove={shape.required.has(name) ? null : () => set(without(there, name))}
            effective={holds[name]}
          />
        ))}
      {choice === undefined ? null : (
        <div class="adding">
          <select
            aria-label={path === '' ? 'A field to add' : `A field to add to ${path}`}
            value={choice[0]}
            onChange={({ currentTarget }) => setWanted(currentTarget.value)}
          >
            {absent.map(([name]) => (
              <option key={name} value={name}>
                {name}
                {holds[name] === undefined || typeof holds[name] === 'object'
                  ? ''
                  : ` (${String(holds[name])})`}
              </option>
            ))}
          </select>
          <button type="button" class="small" onClick={add}>
            Add<span class="unseen"> {joinPath(path, choice[0])}</span>
          </button>
        </div>
      )}
    </FieldGroup>
  )
}

/** A field that was added is where one goes on. */
function focusSoon(path: string): void {
  setTimeout(() => document.getElementById(idOf(path))?.focus(), 30)
}

const hasInside = (problems: ApiError['problems'], path: string) =>
  problems.some((each) => isWithin(each.path, path))

export function MapField(props: FieldProps & { readonly of: Schema }) {
  const { path, label, value, set, of } = props
  const { schemas, problems, Field } = useContext(FormContext)
  const [wanted, setWanted] = useState('')
  const [name, setName] = useState('')
  const [opened, setOpened] = useState<string | null>(null)
  const there = isRecord(value) ? value : {}
  const all = Object.entries(there)
  const found =
    wanted === '' ? all : all.filter(([key, each]) => `${key} ${JSON.stringify(each)}`.includes(wanted))
  // What is wrong comes first.
  const sorted = found.toSorted(
    ([one], [other]) =>
      Number(hasInside(problems, joinPath(path, other))) - Number(hasInside(problems, joinPath(path, one))),
  )
  const isFlat = shapeOf(of, schemas).kind === 'text'
  const add = () => {
    const key = name.trim()
    if (key === '' || Object.hasOwn(there, key)) return
    set({ ...there, [key]: emptyOf(of, schemas) })
    setName('')
    setWanted(all.length >= mostShown ? key : '')
    setOpened(key)
    focusSoon(joinPath(path, key))
  }
  return (
    <FieldGroup {...props}>
      {all.length > mostShown ? (
        <input
          type="search"
          aria-label={`Find in ${label}`}
          placeholder={`Find one of ${all.length.toLocaleString('en')}`}
          value={wanted}
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
      ) : null}
      {sorted.slice(0, mostShown).map(([key, each]) => {
        const at = joinPath(path, key)
        const field = (
          <Field
            schema={of}
            path={at}
            label={key}
            value={each}
            set={(next) => set({ ...there, [key]: next })}
            remove={() => set(without(there, key))}
          />
        )
        if (isFlat) return <div key={key}>{field}</div>
        return (
          <details key={key} open={opened === key || hasInside(problems, at) || undefined}>
            <summary>
              {key} <small>{preview(each)}</small>
            </summary>
            {field}
          </details>
        )
      })}
      {found.length > mostShown ? (
        <p>And {(found.length - mostShown).toLocaleString('en')} more: find them.</p>
      ) : null}
      <div class="adding">
        <input
          id={idOf(path)}
          aria-label={`Name of one to add to ${path}`}
          placeholder="name"
          value={name}
          spellcheck={false}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter') return
            event.preventDefault()
            add()
          }}
        />
        <button type="button" class="small" onClick={add}>
          Add<span class="unseen"> to {path}</span>
        </button>
      </div>
    </FieldGroup>
  )
}

function preview(value: unknown): string {
  const text = isRecord(value)
    ? Object.entries(value)
        .filter(([, each]) => typeof each !== 'object')
        .map(([name, each]) => `${name} ${String(each)}`)
        .join(', ')
    : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

export function ListField(props: FieldProps & { readonly of: Schema }) {
  const { path, value, set, of } = props
  const { schemas, Field } = useContext(FormContext)
  const there = Array.isArray(value) ? (value as readonly unknown[]) : []
  const add = () => {
    set([...there, emptyOf(of, schemas)])
    focusSoon(joinPath(path, there.length))
  }
  return (
    <FieldGroup {...props}>
      {there.slice(0, 100).map((each, nth) => (
        <div key={nth} class="item">
          <Field
            schema={of}
            path={joinPath(path, nth)}
            label={`${nth + 1}`}
            value={each}
            set={(next) => set(there.with(nth, next))}
            remove={() => set(there.toSpliced(nth, 1))}
          />
          {nth === 0 ? null : (
            <button
              type="button"
              class="small"
              onClick={() => set(there.toSpliced(nth, 1).toSpliced(nth - 1, 0, each))}
            >
              Before {nth}
              <span class="unseen"> goes {joinPath(path, nth)}</span>
            </button>
          )}
        </div>
      ))}
      <div class="adding">
        <button type="button" class="small" id={idOf(path)} onClick={add}>
          Add<span class="unseen"> to {path}</span>
        </button>
      </div>
    </FieldGroup>
  )
}

export function EitherField(props: FieldProps & { readonly of: readonly Alternative[] }) {
  const { path, label, value, set, remove, of } = props
  const { schemas, Field } = useContext(FormContext)
  const chosen = alternativeOf(of, value, schemas)
  const { schema } = of[chosen]!
  const what = path === '' ? 'type' : `${label} as`
  const description = resolved(props.schema, schemas).description
  return (
    <div class="either">
      <p class="alternatives">
        <label class="what" for={`${idOf(path)}-as`}>
          {what}
        </label>
        <select
          id={`${idOf(path)}-as`}
          value={String(chosen)}
          onChange={({ currentTarget }) =>
            set(carriedTo(of[Number(currentTarget.value)]!.schema, value, schemas))
          }
        >
          {of.map(({ name }, nth) => (
            <option key={name} value={String(nth)}>
              {name}
            </option>
          ))}
        </select>
      </p>
      <Field
        {...props}
        schema={{ ...resolved(schema, schemas), ...(description === undefined ? {} : { description }) }}
        remove={remove}
      />
    </div>
  )
}
