/** Times, shares and lists as people say them. */

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const

/** Such as `4 min`, `2 h 5 min`; of two units where the first is small. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first === -1) return '0 s'
  const [unit, size] = units[first]!
  const count = Math.floor(seconds / size)
  const next = units[first + 1]
  if (next === undefined || count >= 10) return `${count} ${unit}`
  const rest = Math.floor((seconds % size) / next[1])
  return rest === 0 ? `${count} ${unit}` : `${count} ${unit} ${rest} ${next[0]}`
}

/** The time of day, with the date where it is another day. */
export function clock(at: string | number, nowMs = Date.now()): string {
  const time = new Date(at)
  const today = new Date(nowMs).toDateString() === time.toDateString()
  const text = time.toLocaleTimeString('en-GB')
  return today ? text : `${time.toLocaleDateString('en-CA')} ${text}`
}

/** A number and its unit stay on one line. */
const nbsp = '\u00a0'

/** From 0 to 1, such as `39 %`. */
export function percent(share: number): string {
  const value = share * 100
  if (value === 0 || value === 100) return `${value}${nbsp}%`
  if (value < 0.1) return `< 0.1${nbsp}%`
  return `${value < 1 || value > 99 ? value.toFixed(1) : Math.round(value)}${nbsp}%`
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`
}

/** `a`, `a and b`, `a, b and c`, `a, b and 7 more`. */
export function list(names: readonly string[], most = 4): string {
  const shown = names.length > most ? names.slice(0, most - 1) : names
  const more = names.length - shown.length
  const all = more > 0 ? [...shown, `${more} more`] : shown
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`
}

export function ms(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`
}

/** A number a second. */
export const rate = (value: number) =>
  value >= 10 || value === 0 ? Math.round(value).toLocaleString('en') : value.toFixed(1)
