/**
 * Holds ours against NSD and Knot, which have the same zones and are asked the same. Where the two agree, we say what they say; where
 * they differ, a rule (`rules.ts`) says what we do and why. Anything else is told as a difference.
 */
import type * as Tap from 'tap'
import {
  type Case,
  differences,
  fault,
  isReferral,
  leavesOutSiblings,
  neithers,
  roomFor,
  whoseProofs,
} from './compare.ts'
import { exchangeTcp, exchangeUdp } from './exchange.ts'
import { toText } from './names.ts'
import { goOnward } from './onward.ts'
import { encodeQuestion, type Question } from './questions.ts'
import { type View, viewResponse } from './response-view.ts'
import { differencesFromOurs, glueRule, hasDname, like, type Rule, rules, truncatedRule } from './rules.ts'
import { type RunningServer, startKnot, startNsd, startPooldns } from './servers.ts'
import type { World } from './world.ts'

/** What we may do otherwise where the two agree. This one is held against them over TCP. */
const roomRule = 'more room'
const roomReason =
  'Both are truncated behind a DNAME, ours is not or later, because our CNAME points to its target; over TCP we say the same.'
/** And this one against what Knot says when it is asked for the alias's target. */
const chanceRule = 'by chance'
const chanceReason =
  'Behind an alias into another zone Knot stops at the border, and NSD takes a DS at an apex for a name below a cut of the zone; now and then both come to the same referral.'

const proofReason =
  'Ours are what the RFCs ask for (`denial.ts`). NSD leaves some out, or adds some, at wildcards and empty non-terminals; Knot leaves out what covers a wildcard that is an empty non-terminal.'

interface Tally {
  /** Questions to which NSD and Knot say the same. */
  agreed: number
  readonly byRule: Map<string, number>
  readonly byWay: Map<string, number>
  /** How often our proofs are those of whom, among responses with DO that are the same otherwise. */
  readonly proofs: Map<string, number>
  readonly differences: Map<string, { count: number; readonly example: string }>
}

/** What all three are asked about. */
export interface Asked {
  readonly world: World
  readonly questions: readonly Question[]
}

/** Asks all three, and tells `t` of each difference that no rule allows. */
export async function compete(t: Tap.Test, worlds: readonly Asked[]): Promise<void> {
  const zones = worlds.flatMap(({ world }) => world.zones)
  await using nsd = await startNsd(zones)
  await using knot = await startKnot(zones)
  await using ours = await startPooldns(zones)
  const tally: Tally = {
    agreed: 0,
    byRule: new Map(),
    byWay: new Map(),
    proofs: new Map(),
    differences: new Map(),
  }
  const servers = { ours, nsd, knot }
  for (const { questions } of worlds) {
    const cases = await askAll(servers, questions)
    const unclear = cases.flatMap((of) => {
      const rule = judge(of, tally)
      return rule === null ? [] : [{ of, rule }]
    })
    const overTcp = await askAll(
      servers,
      unclear.map(({ of }) => overStream(of.question)),
    )
    for (const [i, { of, rule }] of unclear.entries()) judgeAgain(of, rule, overTcp[i]!, tally)
  }
  const asked = worlds.reduce((sum, { questions }) => sum + questions.length, 0)
  report(tally, zones.length, asked, t.comment)
  for (const [kind, { count, example }] of tally.differences) t.fail(`${count} times ${kind}, as\n${example}`)
}

/** The cases of some questions, with Knot's chains gone on with. */
async function askAll(
  { ours, nsd, knot }: Readonly<Record<'ours' | 'nsd' | 'knot', RunningServer>>,
  questions: readonly Question[],
): Promise<Case[]> {
  const views = await Promise.all([ours, nsd, knot].map((server) => ask(server, questions)))
  const cases = questions.map((question, i) => {
    const [ourView, nsdView, knotView] = views.map((list) => list[i]!) as [View, View, View]
    return { question, ours: ourView, nsd: nsdView, knot: knotView, knotOnward: knotView }
  })
  return goOnward(cases, (onward) => ask(knot, onward))
}

function overStream(question: Question): Question {
  return { ...question, way: { ...question.way, transport: 'tcp' } }
}

/** What a server says to each of the questions. */
async function ask(server: RunningServer, questions: readonly Question[]): Promise<View[]> {
  const views = new Array<View>(questions.length)
  for (const [transport, exchange] of [
    ['udp', exchangeUdp],
    ['tcp', exchangeTcp],
  ] as const) {
    const indexes = questions.flatMap(({ way }, index) => (way.transport === transport ? [index] : []))
    const responses = await exchange(
      server.port,
      indexes.map((index) => encodeQuestion(questions[index]!)),
    )
    for (const [i, index] of indexes.entries()) {
      const question = questions[index]!
      try {
        views[index] = viewResponse(responses[i]!, encodeQuestion(question))
      } catch (error) {
        throw new Error(`${server.name}: ${describe(question)}: ${responses[i]!.toString('hex')}`, {
          cause: error,
        })
      }
    }
  }
  return views
}

/** @returns the rule that ours is right by if what is said over TCP bears it out; null when all is clear */
function judge(of: Case, tally: Tally): string | null {
  const { question, ours, nsd, knot } = of
  count(tally.byWay, question.way.label)
  const wrong = fault(of)
  const apart = differences(question, nsd, knot)
  if (wrong !== null) note(tally, wrong, of)
  else if (apart.length === 0) {
    tally.agreed++
    if (question.way.dnssecOk && !ours.tc && !nsd.tc) {
      const whose = whoseProofs(of)
      count(tally.proofs, whose)
      if (whose === neithers) note(tally, `proofs are ${whose}`, of)
    }
    const fromBoth = differencesFromOurs(of, nsd)
    if (fromBoth.length > 0 && nsd.tc && hasDname(nsd)) return roomRule
    if (fromBoth.length > 0 && of.knotOnward !== knot && like(of, of.knotOnward)) {
      count(tally.byRule, chanceRule)
      return null
    }
    // Each compresses names in other places.
    if (fromBoth.join() === 'tc' && ours.tc) return truncatedRule
    // They go on to what ends the chain, and leave out more.
    if (fromBoth.join() === 'rcode' && ours.tc && nsd.tc) return truncatedRule
    // They leave no addresses out without a word.
    if (fromBoth.join() === 'tc' && isReferral(ours)) return glueRule
    if (fromBoth.length > 0) note(tally, `differs from both in ${fromBoth.join(', ')}`, of)
  } else {
    const rule = ruleFor(of)
    if (rule === undefined && (nsd.tc || knot.tc || ours.tc)) return truncatedRule
    const glueOnly = [apart, differencesFromOurs(of, nsd), differencesFromOurs(of, of.knotOnward)].some(
      (parts) => parts.every((part) => part === 'glue'),
    )
    if (rule === undefined && isReferral(ours) && glueOnly) return glueRule
    if (rule === undefined && ours.tc && isReferral(nsd)) return glueRule
    if (rule === undefined) note(tally, `no rule: ${describeDifferences(of)}`, of)
    else count(tally.byRule, rule.name)
  }
  return null
}

/** Judges what was unclear by what is said over TCP, where nothing is truncated. */
function judgeAgain(of: Case, rule: string, overTcp: Case, tally: Tally): void {
  const { question, nsd, knot } = overTcp
  const leftOut = leavesOutSiblings(of.ours, overTcp.ours)
  const changed = differencesFromOurs(of, overTcp.ours).filter((part) => part !== 'glue' || !leftOut)
  const apart = differences(question, nsd, knot)
  const accepted =
    apart.length === 0 ? differencesFromOurs(overTcp, nsd).length === 0 : ruleFor(overTcp) !== undefined
  if ((of.ours.tc || leftOut) && overTcp.ours.octets <= roomFor(of.question))
    note(tally, 'truncated without need', of)
  else if (!of.ours.tc && changed.length > 0)
    note(tally, `ours over TCP has another ${changed.join(', ')}`, of)
  else if (!accepted) note(tally, `no rule over TCP: ${describeDifferences(overTcp)}`, overTcp)
  else count(tally.byRule, rule)
}

function ruleFor(of: Case): Rule | undefined {
  return rules.find((rule) => rule.applies(of) && rule.accepts(of))
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** Keeps one example of each kind of difference, and their number. */
function note(tally: Tally, kind: string, of: Case): void {
  const known = tally.differences.get(kind) ?? { count: 0, example: show(of) }
  known.count++
  tally.differences.set(kind, known)
}

function describeDifferences(of: Case): string {
  const { question, nsd, knot } = of
  const [apart, fromNsd, fromKnot] = [
    differences(question, nsd, knot),
    differencesFromOurs(of, nsd),
    differencesFromOurs(of, knot),
  ].map((parts) => parts.join(', ') || 'nothing')
  return `they differ in ${apart}, we from NSD in ${fromNsd}, from Knot in ${fromKnot}`
}

function report(tally: Tally, zones: number, asked: number, comment: (text: string) => void): void {
  comment(`${asked} questions about ${zones} zones; NSD and Knot agree on ${tally.agreed}`)
  for (const [label, count] of tally.byWay) comment(`asked by ${label}: ${count}`)
  for (const { name, why } of rules) comment(`they differ, ${name}: ${tally.byRule.get(name) ?? 0}. ${why}`)
  for (const [whose, count] of tally.proofs)
    comment(`where they agree, our proofs are ${whose}: ${count}. ${proofReason}`)
  comment(`they agree, ${roomRule}: ${tally.byRule.get(roomRule) ?? 0}. ${roomReason}`)
  comment(`they agree, ${chanceRule}: ${tally.byRule.get(chanceRule) ?? 0}. ${chanceReason}`)
}

function describe({ name, type, way }: Question): string {
  return `${toText(name)} type ${type} by ${way.label}`
}

function show(of: Case): string {
  const lines = (['ours', 'nsd', 'knot'] as const).flatMap((server) => {
    const { rcode, aa, tc, octets, answer, authority, additional } = of[server]
    return [
      `  ${server}: rcode ${rcode}${aa ? ' aa' : ''}${tc ? ' tc' : ''}, ${octets} octets`,
      ...answer.map((rr) => `    answer ${rr}`),
      ...authority.map((rr) => `    authority ${rr}`),
      ...additional.map((rr) => `    additional ${rr}`),
    ]
  })
  return [describe(of.question), ...lines].join('\n')
}
