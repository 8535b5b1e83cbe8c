/** Texts, words and lists of them in a form. */
import { useContext, useState } from 'preact/hooks'
import { type FieldProps, FormContext, idOf, Remove, Trouble } from './form-context.tsx'
import { resolved, type Schema, shapeOf, typedValue } from './shape.ts'

/** Attributes of an input that has a help and a trouble beside it. */
function useDescribed(path: string) {
  const { problems } = useContext(FormContext)
  return {
    id: idOf(path),
    'aria-invalid': problems.some((each) => each.path === path),
    'aria-describedby': `${idOf(path)}-help ${idOf(path)}-trouble`,
  }
}

/** Keeps the text that was typed for as long as it says the same as the value: `0.50`, or a line that is not finished. */
function useTyped(value: unknown, format: (value: unknown) => string, parse: (text: string) => unknown) {
  const [text, setText] = useState(() => format(value))
  const isSame = JSON.stringify(parse(text)) === JSON.stringify(value)
  return [isSame ? text : format(value), setText] as const
}

function Around({
  props: { path, label, remove, schema },
  children,
}: {
  readonly props: FieldProps
  readonly children: preact.ComponentChildren
}) {
  const { schemas } = useContext(FormContext)
  return (
    <div class="schema-field">
      <label for={idOf(path)}>{label}</label>
      <span class="control">
        {children}
        <Remove remove={remove} what={path} />
      </span>
      <small id={`${idOf(path)}-help`}>{resolved(schema, schemas).description ?? ''}</small>
      <Trouble path={path} />
    </div>
  )
}

const textOf = (value: unknown) =>
  value === undefined || value === null
    ? ''
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value)

export function TextField(
  props: FieldProps & { readonly shape: { readonly isNumber: boolean; readonly isText: boolean } },
) {
  const { path, value, set, shape, effective } = props
  const [text, setText] = useTyped(value, textOf, (typed) => typedValue(typed, shape))
  const described = useDescribed(path)
  const shared = {
    ...described,
    value: text,
    placeholder: effective === undefined ? '' : textOf(effective),
    spellcheck: false,
    onInput: ({ currentTarget }: { readonly currentTarget: { readonly value: string } }) => {
      setText(currentTarget.value)
      set(typedValue(currentTarget.value, shape))
    },
  }
  return (
    <Around props={props}>
      {text.includes('\n') ? (
        <textarea {...shared} rows={4} />
      ) : (
        <input {...shared} inputMode={shape.isText ? 'text' : 'decimal'} />
      )}
    </Around>
  )
}

export function WordsField(props: FieldProps & { readonly words: readonly unknown[] }) {
  const { path, value, set, words } = props
  const described = useDescribed(path)
  const isKnown = words.includes(value)
  return (
    <Around props={props}>
      <select
        {...described}
        value={isKnown ? String(words.indexOf(value)) : ''}
        onChange={({ currentTarget }) => set(words[Number(currentTarget.value)])}
      >
        {isKnown ? null : <option value="">{textOf(value)}</option>}
        {words.map((word, nth) => (
          <option key={String(word)} value={String(nth)}>
            {String(word)}
          </option>
        ))}
      </select>
    </Around>
  )
}

/** A list of texts: a line each. */
export function LinesField(props: FieldProps & { readonly of: Schema }) {
  const { path, value, set, of, schema, effective } = props
  const { schemas, problems } = useContext(FormContext)
  const shape = shapeOf(of, schemas)
  const parse = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .map((line) => typedValue(line, { isNumber: shape.kind === 'text' && shape.isNumber }))
  const format = (lines: unknown) => (Array.isArray(lines) ? lines.map(textOf).join('\n') : textOf(lines))
  const [text, setText] = useTyped(value, format, parse)
  const described = useDescribed(path)
  const inside = problems.filter((each) => each.path.startsWith(`${path}[`))
  const help = resolved(schema, schemas).description ?? resolved(of, schemas).description
  return (
    <Around
      props={{ ...props, schema: { description: `A line each${help === undefined ? '' : `: ${help}`}` } }}
    >
      <textarea
        {...described}
        aria-invalid={described['aria-invalid'] || inside.length > 0}
        rows={Math.min(8, Math.max(2, text.split('\n').length))}
        value={text}
        placeholder={effective === undefined ? '' : format(effective)}
        spellcheck={false}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value)
          set(parse(currentTarget.value))
        }}
      />
      {inside.map((each) => (
        <span key={each.path} class="error">
          {each.path.slice(path.length)} {each.message}
        </span>
      ))}
    </Around>
  )
}
