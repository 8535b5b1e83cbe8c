/** What all fields of a form have in common. */
import { type ComponentType, createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { ApiError } from '../api.ts'
import type { Schema, Schemas } from './shape.ts'

interface About {
  readonly schemas: Schemas
  readonly problems: ApiError['problems']
  /** What shows a place of any shape; here, as it has fields within it that are shown by the same. */
  readonly Field: ComponentType<FieldProps>
}

/** What is the same for all fields of a form. */
export const FormContext = createContext<About>({ schemas: {}, problems: [], Field: () => null })

export interface FieldProps {
  readonly schema: Schema
  /** As in problems; empty for the document itself. */
  readonly path: string
  readonly label: string
  readonly value: unknown
  readonly set: (value: unknown) => void
  /** Takes it away; null for what must be there. */
  readonly remove: (() => void) | null
  /** What holds where nothing is said. */
  readonly effective?: unknown
}

export const idOf = (path: string) => `field-${path}`

/** What the API says of just this place. */
export function Trouble({ path }: { readonly path: string }) {
  const { problems } = useContext(FormContext)
  const here = problems.filter((each) => each.path === path)
  return (
    <p id={`${idOf(path)}-trouble`} class="error">
      {here.map(({ message }) => message).join('; ')}
    </p>
  )
}

export function Remove({ remove, what }: { readonly remove: (() => void) | null; readonly what: string }) {
  if (remove === null) return null
  return (
    <button
      type="button"
      class="small"
      onClick={remove}
      aria-label={`Remove ${what}`}
      title={`Remove ${what}`}
    >
      ✕
    </button>
  )
}
