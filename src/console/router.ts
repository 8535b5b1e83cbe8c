/** Where in the console one is: behind the `#`, so that names of services and zones are in no log of a server or a proxy. */
import { signal } from '@preact/signals'

export type Place =
  | { readonly view: 'overview' | 'settings' | 'zones' | 'history' | 'document' }
  /** Without a name: one that is to be made. */
  | { readonly view: 'part'; readonly kind: PartKind; readonly name: string | null }
  | { readonly view: 'service' | 'zone' | 'revision'; readonly name: string }

/** What has a form. */
export const partKinds = ['service', 'pool', 'monitor'] as const
export type PartKind = (typeof partKinds)[number]

const whole = ['overview', 'settings', 'zones', 'history', 'document'] as const
const named = { services: 'service', zones: 'zone', history: 'revision' } as const

function read(): Place {
  const [first = '', name, last] = location.hash.replace(/^#\/?/, '').split('/')
  const kind = partKinds.find((each) => each === name)
  if (first === 'settings' && kind !== undefined) {
    return { view: 'part', kind, name: last === undefined ? null : decodeOr(last) }
  }
  const view = named[first as keyof typeof named]
  if (view !== undefined && name !== undefined) return { view, name: decodeOr(name) }
  return { view: whole.find((each) => each === first) ?? 'overview' }
}

function decodeOr(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const place = signal<Place>(read())

/** Tells screen readers and the keyboard that there is another page. */
addEventListener('hashchange', () => {
  place.value = read()
  scrollTo(0, 0)
  document.querySelector<HTMLElement>('main')?.focus()
})

export const linkTo = {
  service: (name: string) => `#/services/${encodeURIComponent(name)}`,
  zone: (apex: string) => `#/zones/${encodeURIComponent(apex)}`,
  part: (kind: PartKind, name?: string) =>
    `#/settings/${kind}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`,
  revision: (revision: number) => `#/history/${revision}`,
} as const

export function go(hash: string): void {
  location.hash = hash
}
