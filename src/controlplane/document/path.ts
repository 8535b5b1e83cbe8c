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
