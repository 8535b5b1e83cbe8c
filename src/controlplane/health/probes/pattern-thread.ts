/** Matches texts against patterns of RE2, one message after another; see `pattern-matcher.ts`. */
import { parentPort } from 'node:worker_threads'
import { RE2JS } from 're2js'
import { LeastRecentMap } from './least-recent.ts'

export interface MatchMessage {
  readonly patterns: readonly string[]
  readonly text: Uint8Array
}

export interface MatchAnswer {
  /** For each pattern. */
  readonly matched: readonly boolean[]
  /** CPU time; a busy machine makes no pattern dear. */
  readonly costMs: number
}

/** Each may take some MiB, for what it has learnt of texts; the thread has a bound of memory of its own. */
const compiled = new LeastRecentMap<string, RE2JS>(64)

function compile(pattern: string): RE2JS {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const made = RE2JS.compile(pattern)
  compiled.set(pattern, made)
  return made
}

parentPort!.on('message', ({ patterns, text }: MatchMessage) => {
  const expressions = patterns.map(compile)
  const before = process.threadCpuUsage()
  const matched = expressions.map((expression) => expression.test(text))
  const { user, system } = process.threadCpuUsage(before)
  const answer: MatchAnswer = { matched, costMs: (user + system) / 1000 }
  parentPort!.postMessage(answer)
})

parentPort!.postMessage('ready')
