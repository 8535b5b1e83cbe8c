/** A line of numbers on a terminal, in characters that every one of them has. */

/**
 * The rows of a chart, from the top: at the left the greatest and the least value, then a mark in each column of characters. Where there
 * are more values than columns, a mark is their average; where none is known, there is no mark. Nothing for less than two values.
 *
 * @param width characters of a row, 30 at least
 */
export function lineChart(values: readonly (number | null)[], width: number, height: number): string[] {
  const known = values.filter((value) => value !== null)
  if (known.length < 2) return []
  const least = known.reduce((a, b) => Math.min(a, b))
  const greatest = known.reduce((a, b) => Math.max(a, b))
  const [top, bottom] = [short(greatest), short(least)]
  const edge = Math.max(top.length, bottom.length)
  const columns = Math.min(values.length, Math.max(30, width) - edge - 2)
  const heights = averages(values, columns).map((value) => {
    if (value === null) return null
    // Halves, so that no span overflows.
    const span = greatest / 2 - least / 2
    return span === 0 ? 0 : Math.round(((value / 2 - least / 2) / span) * (height - 1))
  })
  return Array.from({ length: height }, (_, nth) => {
    const level = height - 1 - nth
    const label = nth === 0 ? top : level === 0 ? bottom : ''
    const marks = heights.map((each) => (each === level ? '*' : ' ')).join('')
    return `${label.padStart(edge)} |${marks}`.trimEnd()
  })
}

function averages(values: readonly (number | null)[], columns: number): (number | null)[] {
  return Array.from({ length: columns }, (_, nth) => {
    const from = Math.floor((nth * values.length) / columns)
    const to = Math.floor(((nth + 1) * values.length) / columns)
    const known = values.slice(from, Math.max(to, from + 1)).filter((value) => value !== null)
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value / known.length, 0)
  })
}

const short = (value: number) => String(Number(value.toPrecision(4)))
