/** What a change of the configuration changes: part by part, and in answers. */
import type { ComponentChildren } from 'preact'
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

const isEmpty = ({ services, leaving }: EffectReply) => services.length + leaving.length === 0

/** @param children what else it will do to answers */
export function PlanText({
  plan,
  children,
}: {
  readonly plan: PlanReply
  readonly children?: ComponentChildren
}) {
  if (!plan.changed) return <p>Nothing changes.</p>
  return (
    <>
      {plan.effect === undefined && children === undefined ? null : (
        <section class="foreseen">
          <h3>What it will do to answers</h3>
          {children}
          {plan.effect === undefined || (children !== undefined && isEmpty(plan.effect)) ? null : (
            <EffectText effect={plan.effect} />
          )}
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

function show(value: unknown): string {
  if (typeof value === 'string') return value
  if (!isRrset(value)) return JSON.stringify(value)
  return [...(value.ttl === undefined ? [] : [value.ttl]), value.data.join(' | ')].join(' ')
}

const isRrset = (
  value: unknown,
): value is { readonly ttl?: string | number; readonly data: readonly string[] } =>
  typeof value === 'object' && value !== null && Array.isArray((value as { data?: unknown }).data)
