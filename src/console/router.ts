/** Where in the console one is: behind the `#`, so that names of services and zones are in no log of a server or a proxy. */
import { signal } from '@preact/signals'

export type Place =
  | { readonly view: 'overview' | 'zones' | 'history' | 'document' }
  | { readonly view: 'service' | 'zone' | 'revision'; readonly name: string }

const whole = ['overview', 'zones', 'history', 'document'] as const
const named = { services: 'service', zones: 'zone', history: 'revision' } as const

function read(): Place {
  const [first = '', name] = location.hash.replace(/^#\/?/, '').split('/')
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
  revision: (revision: number) => `#/history/${revision}`,
} as const

export function go(hash: string): void {
  location.hash = hash
}
