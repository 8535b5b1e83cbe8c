/** What a change of the configuration changes: part by part, and in answers. */
import type { EffectReply } from '../../controlplane/api/operations/override-preview.ts'
import type { PlanView } from '../../controlplane/apply/plan-view.ts'
import { EffectText } from './effect.tsx'

export type PlanReply = PlanView & { readonly effect?: EffectReply }

interface Change {
  readonly kind: string
  readonly name: string
  readonly action: string
  readonly fields: readonly { readonly path: string; readonly before?: unknown; readonly after?: unknown }[]
  readonly moreFields?: number
}

const mostFields = 40

export function PlanText({ plan }: { readonly plan: PlanReply }) {
  if (!plan.changed) return <p>Nothing changes.</p>
  return (
    <>
      {plan.effect === undefined ? null : (
        <section class="foreseen">
          <h3>What it will do to answers</h3>
          <EffectText effect={plan.effect} />
        </section>
      )}
      <Changes changes={plan.changes} />
      {plan.moreChanges > 0 ? <p>And {plan.moreChanges} changes more.</p> : null}
    </>
  )
}

const signs: Readonly<Record<string, string>> = { add: '+', remove: '−', change: '~', restate: '=' }

export function Changes({ changes }: { readonly changes: readonly Change[] }) {
  if (changes.length === 0) return <p>Nothing that the document tells has changed.</p>
  return (
    <ul class="changes">
      {changes.map(({ kind, name, action, fields, moreFields = 0 }) => (
        <li key={`${kind} ${name}`} class={action}>
          <span aria-hidden="true">{signs[action] ?? '·'}</span> {action} {kind} <strong>{name}</strong>
          {fields.length === 0 ? null : (
            <ul>
              {fields.slice(0, mostFields).map(({ path, before, after }) => (
                <li key={path}>
                  <code>{path}</code> {before === undefined ? null : <del>{show(before)}</del>}
                  {before !== undefined && after !== undefined ? ' → ' : ''}
                  {after === undefined ? null : <ins>{show(after)}</ins>}
                </li>
              ))}
            </ul>
          )}
          {fields.length + moreFields > mostFields ? (
            <p>And {fields.length + moreFields - mostFields} fields more.</p>
          ) : null}
        </li>
      ))}
    </ul>
  )
}

const show = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
