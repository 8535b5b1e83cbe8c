/** Why something is said, and until when: for whoever looks next. */
import type { RefObject } from 'preact'

const ends = [
  { minutes: 30, name: 'in 30 minutes' },
  { minutes: 60, name: 'in an hour' },
  { minutes: 240, name: 'in 4 hours' },
  { minutes: 1440, name: 'in a day' },
  { minutes: null, name: 'when somebody takes it back' },
] as const

interface Props {
  readonly reason: string
  readonly setReason: (reason: string) => void
  readonly minutes: number | null
  readonly setMinutes: (minutes: number | null) => void
  /** Nothing was said where something has to be. */
  readonly isMissing: boolean
  readonly field: RefObject<HTMLInputElement | null>
}

export function WhyAndUntil({ reason, setReason, minutes, setMinutes, isMissing, field }: Props) {
  return (
    <>
      <div class="fields">
        <label>
          Why
          <input
            ref={field}
            value={reason}
            maxLength={500}
            placeholder="new disk"
            aria-required="true"
            aria-invalid={isMissing}
            aria-describedby="why-trouble"
            onInput={({ currentTarget }) => setReason(currentTarget.value)}
          />
        </label>
        <label>
          Ends
          <select
            value={String(minutes)}
            onChange={({ currentTarget: { value } }) => setMinutes(value === 'null' ? null : Number(value))}
          >
            {ends.map(({ minutes, name }) => (
              <option key={name} value={String(minutes)}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p id="why-trouble" class="error">
        {isMissing ? 'Say why, for whoever looks at it next.' : ''}
      </p>
    </>
  )
}
