/** The services, pools and monitors that there are, each of which has a form. */
import { useEffect, useState } from 'preact/hooks'
import { may } from '../api.ts'
import { count } from '../format.ts'
import { overview } from '../live.ts'
import { linkTo, type PartKind, partKinds } from '../router.ts'
import { usePages } from './zones.tsx'

interface Item {
  readonly name: string
  readonly type?: string
  readonly monitor?: string
  readonly members?: Readonly<Record<string, unknown>>
  readonly steer?: string
  readonly pools?: readonly (string | { readonly pool?: string; readonly service?: string })[]
}

export function Settings() {
  useEffect(() => {
    document.title = 'Settings – pooldns'
  }, [])
  return (
    <>
      {partKinds.map((kind) => (
        <List key={kind} kind={kind} />
      ))}
    </>
  )
}

function List({ kind }: { readonly kind: PartKind }) {
  const { items, trouble, isLoaded, more } = usePages<Item>(`/v1/${kind}s`, overview.value?.revision)
  const [wanted, setWanted] = useState('')
  const found = items.filter(({ name }) => name.includes(wanted.trim().toLowerCase()))
  const title = { service: 'Services', pool: 'Pools', monitor: 'Monitors' }[kind]
  return (
    <section aria-labelledby={kind}>
      <div class="heading">
        <h1 id={kind}>{title}</h1>
        {items.length > 8 ? (
          <input
            type="search"
            class="find"
            aria-label={`Find a ${kind}`}
            placeholder={`Find a ${kind}`}
            value={wanted}
            onInput={({ currentTarget }) => setWanted(currentTarget.value)}
          />
        ) : null}
        {may('write') ? <a href={linkTo.part(kind)}>New {kind}</a> : null}
      </div>
      <p class="error" role="alert">
        {trouble}
      </p>
      {isLoaded && found.length === 0 ? <p>None.</p> : null}
      <ul class="rows">
        {found.slice(0, 500).map((item) => (
          <li key={item.name} class="row">
            <a class="name" href={linkTo.part(kind, item.name)}>
              {item.name}
            </a>
            <span class="why">{aboutOf(kind, item)}</span>
          </li>
        ))}
      </ul>
      {more === null ? null : (
        <button type="button" onClick={() => void more()}>
          More {title.toLowerCase()}
        </button>
      )}
    </section>
  )
}

function aboutOf(kind: PartKind, { type, monitor, members = {}, steer, pools = [] }: Item): string {
  if (kind === 'monitor') return type ?? 'http'
  if (kind === 'pool') {
    return `${count(Object.keys(members).length, 'member')}${monitor === undefined ? ', not monitored' : `, monitor ${monitor}`}`
  }
  const names = pools.map((each) => (typeof each === 'string' ? each : (each.pool ?? each.service ?? '')))
  return `${steer ?? 'failover'}: ${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''}`
}
