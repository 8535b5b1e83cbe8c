/**
 * Where something stands in an input: `pools.web.members.fra-1.address`, `zones["example.test"].rrsets[2].ttl`.
 * A key that is not a plain word is quoted, because names of zones and services hold dots.
 */

const plainKey = /^[A-Za-z0-9_-]+$/

/** The path some steps further in. The empty path is the input itself. */
export function joinPath(path: string, ...steps: readonly (string | number)[]): string {
  return steps.reduce<string>(next, path)
}

function next(path: string, step: string | number): string {
  if (typeof step === 'number') return `${path}[${step}]`
  if (!plainKey.test(step)) return `${path}[${JSON.stringify(step)}]`
  return path === '' ? step : `${path}.${step}`
}

/** The rest of a path that is inside of another, or is it; null for one that is elsewhere: `pools.web2` is not in `pools.web`. */
export function pathInside(path: string, of: string): string | null {
  if (!path.startsWith(of)) return null
  const rest = path.slice(of.length)
  if (of === '' || rest === '' || rest.startsWith('[')) return rest
  return rest.startsWith('.') ? rest.slice(1) : null
}

/** The steps of a path, as `joinPath` writes it. */
export function splitPath(path: string): (string | number)[] {
  const steps: (string | number)[] = []
  for (const [, word, index, quoted] of path.matchAll(
    /([A-Za-z0-9_-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g,
  )) {
    if (word !== undefined) steps.push(word)
    else if (index !== undefined) steps.push(Number(index))
    else steps.push(JSON.parse(quoted!) as string)
  }
  return steps
}
