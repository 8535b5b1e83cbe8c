import { act, type Held } from '../acts.ts'
import { may } from '../api.ts'

export function ActButton({
  pool,
  member,
  held,
}: {
  readonly pool: string
  readonly member: string
  readonly held: Held | null
}) {
  // Who may only look may still ask what would be.
  const mayAct = may('override')
  const word = mayAct ? (held === null ? 'drain' : null) : 'down'
  return (
    <button type="button" onClick={() => act({ pool, member, held, word })}>
      {mayAct ? (held === null ? 'Drain…' : 'Take back…') : 'What if…'}
      <span class="unseen">
        {' '}
        {pool}/{member}
      </span>
    </button>
  )
}
