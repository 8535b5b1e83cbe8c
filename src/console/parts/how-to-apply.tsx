/** A change of weights alone can be made at once or step by step. */
import { ask } from '../api.ts'
import type { PartKind } from '../router.ts'

export interface Steps {
  /** Such as `30m`. */
  readonly duration: string
  readonly haltWhen: string
}

const durations = ['10m', '30m', '1h', '4h'] as const
const halts = [
  { value: 'degraded', name: 'whoever gains traffic is degraded' },
  { value: 'down', name: 'whoever gains traffic is down' },
  { value: 'member-down', name: 'a member of them is down' },
] as const

interface Props {
  readonly steps: Steps | null
  readonly setSteps: (steps: Steps | null) => void
}

export function HowToApply({ steps, setSteps }: Props) {
  return (
    <div class="fields">
      <label>
        How
        <select
          value={steps?.duration ?? ''}
          onChange={({ currentTarget: { value } }) =>
            setSteps(value === '' ? null : { duration: value, haltWhen: steps?.haltWhen ?? 'degraded' })
          }
        >
          <option value="">at once</option>
          {durations.map((each) => (
            <option key={each} value={each}>
              step by step, over {each}
            </option>
          ))}
        </select>
      </label>
      {steps === null ? null : (
        <label>
          Taken back when
          <select
            value={steps.haltWhen}
            onChange={({ currentTarget: { value } }) => setSteps({ ...steps, haltWhen: value })}
          >
            {halts.map(({ value, name }) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
    </div>
  )
}

export async function startGradually(
  kind: PartKind,
  name: string,
  body: unknown,
  revision: number,
  { duration, haltWhen }: Steps,
): Promise<void> {
  const query = new URLSearchParams({ gradual: duration, haltWhen })
  await ask(`/v1/config?${query}`, {
    method: 'PUT',
    json: { [`${kind}s`]: { [name]: body } },
    headers: { 'if-match': `"${revision}"` },
    patienceMs: 60_000,
  })
}
