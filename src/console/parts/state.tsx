/** A state as a word, a sign and a colour: any of them alone is enough. */
const signs = {
  up: ['✓', 'good'],
  healthy: ['✓', 'good'],
  down: ['✕', 'bad'],
  degraded: ['▲', 'doubt'],
  drain: ['◢', 'held'],
  unknown: ['?', 'quiet'],
  absent: ['–', 'quiet'],
} as const

const words: Readonly<Record<string, string>> = { drain: 'drained' }

/** @param held it is an operator's word, and not what was measured */
export function State({ state, held = false }: { readonly state: string; readonly held?: boolean }) {
  const [sign, mood] = signs[state as keyof typeof signs] ?? ['·', 'quiet']
  return (
    <span class={`badge ${held ? 'held' : mood}`}>
      <span aria-hidden="true">{sign}</span> {held && state !== 'drain' ? 'forced ' : ''}
      {words[state] ?? state}
    </span>
  )
}
