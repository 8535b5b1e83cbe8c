/** A part of the configuration as a form and, beside it, as the text that a document has of it. Either may be changed. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ApiError } from '../api.ts'
import { FormContext } from '../schema/form-context.tsx'
import { SchemaField } from '../schema/schema-field.tsx'
import type { Schema, Schemas } from '../schema/shape.ts'

/** Loaded by those alone who come here. */
const yaml = () => import('yaml')
/** Whoever types is not kept waiting by a text of thousands of lines. */
const settleMs = 200

interface Props {
  readonly schema: Schema
  readonly schemas: Schemas
  readonly body: unknown
  readonly effective: unknown
  readonly problems: ApiError['problems']
  /** With null while the text can not be read. */
  readonly change: (body: unknown) => void
}

export function PartEditor({ schema, schemas, body, effective, problems, change }: Props) {
  const [text, setText] = useState('')
  const [unread, setUnread] = useState('')
  /** What the text says, so that it is not written anew under who types it. */
  const said = useRef<unknown>(undefined)
  const writing = useRef<AbortController | undefined>(undefined)
  const reading = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => {
    if (said.current === body || body === null) return
    const gone = new AbortController()
    writing.current = gone
    const write = async () => {
      const { stringify } = await yaml()
      // Somebody types already.
      if (gone.signal.aborted) return
      said.current = body
      setUnread('')
      setText(stringify(body, { lineWidth: 0 }))
    }
    const timer = setTimeout(write, said.current === undefined ? 0 : settleMs)
    return () => {
      clearTimeout(timer)
      gone.abort()
    }
  }, [body])
  const type = (typed: string) => {
    setText(typed)
    writing.current?.abort()
    clearTimeout(reading.current)
    reading.current = setTimeout(async () => {
      const { parse } = await yaml()
      try {
        const read = (parse(typed) ?? {}) as unknown
        if (typeof read !== 'object' || Array.isArray(read)) throw new Error('it must be an object')
        said.current = read
        setUnread('')
        change(read)
      } catch (error) {
        setUnread(error instanceof Error ? error.message : String(error))
        change(null)
      }
    }, settleMs)
  }
  return (
    <div class="editor">
      <div class="form-side">
        {unread === '' ? (
          <FormContext.Provider value={{ schemas, problems, Field: SchemaField }}>
            <SchemaField
              schema={schema}
              path=""
              label=""
              value={body ?? said.current}
              set={change}
              remove={null}
              effective={effective}
            />
          </FormContext.Provider>
        ) : (
          <p class="error">The form comes back when the text can be read.</p>
        )}
      </div>
      <div class="text-side">
        <label for="part-text">The same as text (YAML)</label>
        <textarea
          id="part-text"
          class="document"
          spellcheck={false}
          rows={Math.min(30, Math.max(12, text.split('\n').length + 1))}
          value={text}
          aria-invalid={unread !== ''}
          aria-describedby="part-text-trouble"
          onInput={({ currentTarget }) => type(currentTarget.value)}
        />
        <p id="part-text-trouble" class="error" role="alert">
          {unread}
        </p>
      </div>
    </div>
  )
}

/** A part as a text, for who may only read. */
export function PartText({ body }: { readonly body: unknown }) {
  const [text, setText] = useState('')
  useEffect(() => {
    void yaml().then(({ stringify }) => setText(stringify(body, { lineWidth: 0 })))
  }, [body])
  return (
    <textarea
      class="document"
      aria-label="As text"
      rows={text.split('\n').length + 1}
      value={text}
      readOnly
    />
  )
}
