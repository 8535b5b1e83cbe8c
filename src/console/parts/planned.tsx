/** What was tried comes to, and the button that makes it so. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { type PlanReply, PlanText } from './plan.tsx'

interface Props {
  readonly plan: PlanReply
  /** What the button says. */
  readonly verb: string
  readonly isDangerous?: boolean
  readonly confirm: () => Promise<void>
  /** What can be chosen yet. */
  readonly how?: ComponentChildren
  readonly children?: ComponentChildren
}

export function Planned({ plan, verb, isDangerous = false, confirm, how, children }: Props) {
  const [isBusy, setBusy] = useState(false)
  const section = useRef<HTMLElement>(null)
  useEffect(() => {
    section.current?.focus()
    section.current?.scrollIntoView({ block: 'nearest' })
  }, [plan])
  const press = async () => {
    setBusy(true)
    await confirm()
    setBusy(false)
  }
  return (
    <section ref={section} class="planned" tabIndex={-1} aria-label="The plan">
      <h2>What would change</h2>
      <PlanText plan={plan}>{children}</PlanText>
      {how}
      {plan.changed ? (
        <div class="buttons">
          <button
            type="button"
            class={isDangerous ? 'danger' : 'primary'}
            disabled={isBusy}
            onClick={() => void press()}
          >
            {isBusy ? 'Waiting until it is served…' : verb}
          </button>
        </div>
      ) : null}
    </section>
  )
}
