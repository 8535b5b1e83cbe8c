/** What is around every page: where one can go, whether what is shown is still so, and who is signed in. */
import { farewell, session, signOut } from './api.ts'
import { clock, span } from './format.ts'
import { heardAt, isStale, now, overview, trouble } from './live.ts'
import { ActDialog } from './parts/act-dialog.tsx'
import { type Place, place } from './router.ts'
import { DocumentView } from './views/document.tsx'
import { History } from './views/history.tsx'
import { Login } from './views/login.tsx'
import { Overview } from './views/overview.tsx'
import { PartView } from './views/part.tsx'
import { RevisionView } from './views/revision.tsx'
import { ServiceView } from './views/service.tsx'
import { Settings } from './views/settings.tsx'
import { ZoneView } from './views/zone.tsx'
import { Zones } from './views/zones.tsx'

const pages = [
  { hash: '#/overview', name: 'Overview', views: ['overview', 'service'] },
  { hash: '#/settings', name: 'Settings', views: ['settings', 'part'] },
  { hash: '#/zones', name: 'Zones', views: ['zones', 'zone'] },
  { hash: '#/history', name: 'History', views: ['history', 'revision'] },
  { hash: '#/document', name: 'Document', views: ['document'] },
] as const

export function Shell() {
  const who = session.value
  if (who === undefined) return <p class="waiting">Waiting for the server…</p>
  if (who === null) return <Login why={farewell.value} />
  const { view } = place.value
  return (
    <>
      <button type="button" class="skip" onClick={toContent}>
        To the content
      </button>
      <header class="top">
        <a class="brand" href="#/overview" aria-label="pooldns">
          pool<b>dns</b>
        </a>
        <nav aria-label="Pages">
          {pages.map(({ hash, name, views }) => (
            <a
              key={hash}
              href={hash}
              aria-current={(views as readonly string[]).includes(view) ? 'page' : undefined}
            >
              {name}
            </a>
          ))}
        </nav>
        <Freshness />
        <div class="who">
          <span title="As in the audit log">{who.actor}</span>
          {who.scopes.some((scope) => scope === 'write' || scope === 'override') ? null : (
            <span class="badge quiet">read only</span>
          )}
          <button type="button" class="plain" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </header>
      <Outage />
      <main id="main" tabIndex={-1}>
        <Page place={place.value} />
      </main>
      <ActDialog />
    </>
  )
}

/** No link: the address has where one is behind its `#`. */
function toContent(): void {
  document.querySelector<HTMLElement>('main')?.focus()
}

function Page({ place }: { readonly place: Place }) {
  switch (place.view) {
    case 'overview':
      return <Overview />
    case 'service':
      return <ServiceView key={place.name} name={place.name} />
    case 'settings':
      return <Settings />
    case 'part':
      return <PartView key={`${place.kind} ${place.name}`} kind={place.kind} name={place.name} />
    case 'zones':
      return <Zones />
    case 'zone':
      return <ZoneView key={place.name} apex={place.name} />
    case 'history':
      return <History />
    case 'revision':
      return <RevisionView key={place.name} revision={Number(place.name)} />
    case 'document':
      return <DocumentView />
  }
}

function Freshness() {
  const node = overview.value?.node
  const state = heardAt.value === 0 ? 'waiting' : isStale() ? 'stale' : 'live'
  return (
    <p class={`fresh ${state}`}>
      <span class="dot" aria-hidden="true" />
      {state === 'live' ? 'live' : state}
      {node === undefined ? null : (
        <span class="node" title={`Node ${node.id}, version ${node.version}`}>
          {' '}
          · revision {overview.value!.revision}
        </span>
      )}
    </p>
  )
}

/** What keeps this page from knowing, or the operator from writing. */
function Outage() {
  const age = heardAt.value === 0 ? null : now.value - heardAt.value
  const away = overview.value?.database === 'away'
  if (trouble.value === '' && !isStale() && !away) return null
  if (trouble.value === '' && !isStale()) {
    return (
      <div class="outage" role="status">
        <strong>The database is away.</strong> DNS goes on by what this node has; drains and forced states are
        taken and told later; other changes have to wait.
      </div>
    )
  }
  return (
    <div class="outage bad" role="alert">
      <strong>{trouble.value === '' ? 'No news from the server.' : trouble.value}</strong>{' '}
      {age === null
        ? 'Trying again.'
        : `What is shown is ${span(age)} old, from ${clock(heardAt.value, now.value)}. Trying again.`}
    </div>
  )
}
