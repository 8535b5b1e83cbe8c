/** A field of a form, with what the API says of it. */
import type { ApiError } from '../api.ts'

interface FieldProps {
  readonly name: string
  readonly label: string
  readonly value?: string
  readonly problems: ApiError['problems']
  readonly isLong?: boolean
}

/** Keeps what was typed: it is written once, and read from the form. */
export function Field({ name, label, value = '', problems, isLong = false }: FieldProps) {
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
