/** What a replay has found, as people read it. */
import type {
  ReplayedMove,
  ReplayedService,
  ReplayView,
} from '../../controlplane/apply/replay/replay-view.ts'
import { printable } from '../../terminal-text.ts'

/** A line each. */
export function replayLines(replay: ReplayView): string[] {
  const { sample } = replay
  const head = headLine(replay)
  if (!sample.enough) return [head]
  return [
    head,
    ...changeLines(replay),
    ...replay.services.flatMap(serviceLines),
    ...more(replay.moreServices, 'services'),
    ...zoneLines(replay),
    ...nameLines(replay),
    ...countryLines(replay),
  ]
}

function headLine({ sample: { questions, held, standsFor, overSeconds, enough } }: ReplayView): string {
  if (questions === 0) return 'replay: the sample holds no question, so nothing can be said'
  const of = standsFor > questions ? `, of ${counted(standsFor)}` : ''
  const when = `of the last ${timeText(overSeconds ?? 0)}`
  if (!enough)
    return `replay: the sample holds ${counted(questions)} questions ${when}: too few to say anything`
  const part = held > questions ? ` (of ${counted(held)} in the sample; time was up)` : ''
  return `replayed ${counted(questions)} questions ${when}${of}${part}`
}

function changeLines({ changes: { otherRcode, otherData, otherPool }, services }: ReplayView): string[] {
  if (otherRcode + otherData + otherPool === 0) {
    const moves = services.some(({ otherMember }) => otherMember > 0)
    return [
      moves
        ? '  all of them are answered by the same pools, some by other members of them'
        : '  all of them are answered by the same pools and with the same data',
    ]
  }
  const parts = [
    otherPool > 0 ? `${percent(otherPool)} by another pool` : null,
    otherRcode > 0 ? `${percent(otherRcode)} with another rcode` : null,
    otherData > 0 ? `${percent(otherData)} with other data` : null,
  ]
  return [`  ${parts.filter((part) => part !== null).join(', ')}`]
}

function serviceLines({
  service,
  questions,
  enough,
  moves,
  otherMember,
  countries,
}: ReplayedService): string[] {
  const few = enough ? '' : ` (of ${questions} questions, which says little)`
  if (moves.length === 0)
    return [
      printable(
        `  ${percent(otherMember)} of the questions for ${service} get another member of the same pool${few}`,
      ),
    ]
  const where = countries.map(({ country, moves: own }) => {
    return `    ${country ?? 'unknown country'}: ${own.slice(0, 3).map(moveText).join(', ')}`
  })
  return [
    ...moves.map((move) =>
      printable(`  ${percent(move.share)} of the questions for ${service} move from ${ends(move)}${few}`),
    ),
    ...where.map(printable),
  ]
}

function zoneLines({ zones, moreZones }: ReplayView): string[] {
  const lines = zones.flatMap(({ zone, otherRcode, otherData }) => {
    if (otherRcode + otherData === 0) return []
    const whose = zone === null ? 'names in no zone' : `zone ${zone}`
    return [
      printable(`  ${whose}: ${percent(otherRcode)} get another rcode, ${percent(otherData)} other data`),
    ]
  })
  return [...lines, ...more(moreZones, 'zones')]
}

function nameLines({ names, moreNames }: ReplayView): string[] {
  const lines = names.map(({ name, type, share, before, after }) => {
    const what = before === after ? 'other data' : `${before} -> ${after}`
    return printable(`    ${name} ${type}: ${what} (${percent(share)} of all questions)`)
  })
  return [...lines, ...more(moreNames, 'names')]
}

function countryLines({ countries }: ReplayView): string[] {
  return (countries ?? []).map(({ country, share, otherPool, otherRcode }) => {
    const rcode = otherRcode > 0 ? `, ${percent(otherRcode)} another rcode` : ''
    return `  ${country ?? 'unknown country'} (${percent(share)} of all): ${percent(otherPool)} another pool${rcode}`
  })
}

const more = (count: number, what: string) => (count > 0 ? [`  and ${count} more ${what}`] : [])
const ends = ({ from, to }: ReplayedMove) => `${from ?? 'nobody'} to ${to ?? 'nobody'}`
const moveText = (move: ReplayedMove) => `${percent(move.share)} from ${ends(move)}`
const percent = (share: number) => `${Math.round(share * 1000) / 10} %`
const counted = (count: number) => count.toLocaleString('en-US')

function timeText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
