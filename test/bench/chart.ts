/**
 * CPU time a query as bars, in SVG: a panel a scenario, a bar a server, and a line over its end from the least to the most
 * that was measured. Each panel has a scale of its own. A server a hundred times dearer than the others would make them
 * all look alike, so bars are cut off at some times the cheapest; the figure beside each says what it is.
 */
import { figuresOf, type Measurement } from './results.ts'
import { significant } from './table.ts'

const width = 760
const labelWidth = 190
const figureWidth = 70
const barHeight = 16
const rowHeight = 22
const panelHead = 34
const panelFoot = 14
/** Bars end at this many times the cheapest. */
const cutOff = 6
const ours = '#2166ac'
const others = '#9aa5b1'

export function chart(
  measurements: readonly Measurement[],
  scenarios: readonly { readonly name: string; readonly title: string }[],
): string {
  const parts: string[] = []
  let top = 30
  for (const { name, title } of scenarios) {
    const figures = figuresOf(measurements, name)
    if (figures.length === 0) continue
    parts.push(text(8, top + 18, `${name}: ${title}`, 'font-weight="bold"'))
    const cheapest = Math.min(...figures.map(({ cpu }) => cpu.median))
    const most = Math.min(cutOff * cheapest, Math.max(...figures.map(({ cpu }) => cpu.max)))
    const room = width - labelWidth - figureWidth
    const x = (value: number) => labelWidth + (most === 0 ? 0 : (room * Math.min(value, most)) / most)
    figures.forEach(({ server, cpu }, row) => {
      const y = top + panelHead + row * rowHeight
      const middle = y + barHeight / 2
      const isCut = cpu.median > most
      parts.push(
        text(labelWidth - 8, middle + 4, server, 'text-anchor="end"'),
        `<rect x="${labelWidth}" y="${y}" width="${round(x(cpu.median) - labelWidth)}" height="${barHeight}" fill="${server.startsWith('pooldns') ? ours : others}"/>`,
        isCut
          ? `<path d="M${round(x(most) - 14)} ${y - 1}l6 ${barHeight + 2}h4l-6 ${-barHeight - 2}z" fill="#fff"/>`
          : `<path d="M${round(x(cpu.min))} ${middle}H${round(x(cpu.max))}" stroke="#222" stroke-width="1.5"/>`,
        text(x(isCut ? most : cpu.max) + 6, middle + 4, significant(cpu.median)),
      )
    })
    top += panelHead + figures.length * rowHeight + panelFoot
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${top}" fill="#fff"/>`,
    text(8, 20, 'CPU time of the server for one query, in microseconds (less is better)', 'font-size="14"'),
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escapeXml(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
